"""A proxy that counts the traffic between contenders and the server."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hiredis import PushNotification, Reader

from benchmarks.contenders.raw_connection import socket_of

_CHUNK: Final = 256 * 1024


class Traffic:
    """Traffic since ``reset``.

    Attributes:
        round_trips: How often a connection was written to on which no reply was pending and no
            transaction open. Too many if a client writes a pipeline in pieces, and the server
            answers one before the next.
        sent: Bytes to the server.
        received: Bytes from it.
        commands: How often clients sent each command. Those inside MULTI are not counted: their
            time is part of EXEC's.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self.round_trips = self.sent = self.received = 0
        self.commands: Counter[str] = Counter()


class _Connection:
    """One connection through the proxy."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._requests = Reader()
        self._replies = Reader()
        self._pending = 0
        self._in_multi = False

    def count_sent(self, data: bytes) -> None:
        """Count bytes, commands and round trips of the client."""
        is_idle = not self._pending and not self._in_multi
        if is_idle and not self._requests.has_data():
            self._traffic.round_trips += 1
        self._traffic.sent += len(data)
        self._requests.feed(data)
        while (command := self._requests.gets()) is not False:
            self._pending += 1
            self._count(command[0].decode().lower())

    def _count(self, name: str) -> None:
        self._in_multi = (self._in_multi or name == "multi") and name != "exec"
        if not self._in_multi:
            self._traffic.commands[name] += 1

    def count_received(self, data: bytes) -> None:
        """Count bytes and replies of the server."""
        self._traffic.received += len(data)
        self._replies.feed(data)
        reply: Any = None
        while (reply := self._replies.gets()) is not False:
            self._pending -= not isinstance(reply, PushNotification)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, count: Any) -> None:
    with suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            count(data)
            target.write(data)
            await target.drain()
    target.close()


@asynccontextmanager
async def counting(url: str) -> AsyncGenerator[tuple[str, Traffic]]:
    """Run a proxy in front of a ``unix://`` server; yield its URL and its counts."""
    traffic = Traffic()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_unix_connection(socket_of(url), limit=_CHUNK)
        connection = _Connection(traffic)
        await asyncio.gather(
            _pump(reader, upstream[1], connection.count_sent),
            _pump(upstream[0], writer, connection.count_received),
        )

    with TemporaryDirectory() as directory:
        path = Path(directory) / "socket"
        async with await asyncio.start_unix_server(serve, path, limit=_CHUNK):
            yield f"unix://{path}", traffic
