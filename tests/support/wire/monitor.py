"""Watches every command that a server executes, those inside scripts too."""

import re
from ast import literal_eval
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import uuid4

import anyio
import hiredis

from tests.support.deployments.servers import Server
from tests.support.schedules.waiting import until

_LINE = re.compile(r'\+?[\d.]+ \[(?P<db>\d+) (?P<client>.*?)\] (?P<quoted>".*)')
_ARGUMENT = re.compile(r'"(?:[^"\\]|\\.)*"')


class Seen(NamedTuple):
    """A command as the server executed it."""

    by_script: bool
    command: list[bytes]


class Monitor:
    """What was seen since the start or the last ``take``."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._seen: list[Seen] = []

    async def take(self) -> list[Seen]:
        """Return what was executed up to now, and forget it."""
        mark = uuid4().hex.encode()
        async with await anyio.connect_unix(self._server.socket) as stream:
            await stream.send(b"PING %b\r\n" % mark)
            await stream.receive()
        await until(lambda: self._find(mark) is not None, "the monitor has caught up")
        end = self._find(mark)
        assert end is not None
        taken, self._seen = self._seen[:end], self._seen[end + 1 :]
        return taken

    def _find(self, mark: bytes) -> int | None:
        return next((at for at, each in enumerate(self._seen) if mark in each.command), None)

    def add(self, line: str) -> None:
        """Take note of a line of MONITOR."""
        match = _LINE.fullmatch(line)
        assert match is not None, line
        quoted = _ARGUMENT.findall(match["quoted"])
        # The server escapes as Python does in bytes.
        command = [literal_eval(f"b{each}") for each in quoted]
        self._seen.append(Seen(match["client"] == "lua", command))


@asynccontextmanager
async def monitored(server: Server) -> AsyncGenerator[Monitor]:
    """Watch a server during the block."""
    monitor = Monitor(server)
    async with (
        await anyio.connect_unix(server.socket) as stream,
        anyio.create_task_group() as tasks,
    ):
        await stream.send(b"MONITOR\r\n")
        assert await stream.receive() == b"+OK\r\n"
        tasks.start_soon(_read, stream, monitor)
        yield monitor
        tasks.cancel_scope.cancel()


async def _read(stream: Any, monitor: Monitor) -> None:
    lines = hiredis.Reader(encoding="utf-8", notEnoughData=None)
    while True:
        lines.feed(await stream.receive())
        for line in iter(lines.gets, None):
            monitor.add(line)
