"""Contenders in processes of their own, so that none runs on another's event loop or heap."""

import shutil
import sys
from asyncio import StreamReader, StreamWriter, create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.protocol import Greeting, Request, Sample
from benchmarks.wire import socket_of

_HERE: Final = Path(__file__).parent
# `make bench-peers` installs the peers here; git ignores it.
PEERS: Final = _HERE / ".peers"
_NODE: Final = PEERS / "node"
_LONGEST_REPLY: Final = 1024 * 1024


class Entrant(msgspec.Struct, frozen=True):
    """Who takes part: a kind, and the event loop it runs on."""

    kind: str
    loop: str

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return f"{self.kind} ({self.loop})"


NODE: Final = Entrant("@mastra/redis", "node")


def missing() -> str | None:
    """Say what is missing for the peer on Node; ``None`` if nothing is."""
    if shutil.which("node") is None:
        return "no node on PATH"
    if not (_NODE / "node_modules" / "@mastra" / "redis").is_dir():
        return "@mastra/redis is not installed: make bench-peers"
    return None


class Worker:
    """A contender's process."""

    def __init__(self, stdin: StreamWriter, stdout: StreamReader, versions: dict[str, str]) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self.versions = versions

    async def measure(self, request: Request) -> Sample:
        """Have it make some calls."""
        self._stdin.write(msgspec.json.encode(request) + b"\n")
        return msgspec.json.decode(await _line(self._stdout), type=Sample)


@asynccontextmanager
async def running(entrant: Entrant, url: str) -> AsyncGenerator[Worker]:
    """Run a contender on the server at a ``unix://`` URL."""
    if entrant == NODE:
        program = (_HERE / "peer.mjs").read_text()
        command = ["node", "--input-type=module", "-e", program, socket_of(url)]
        process = await create_subprocess_exec(
            *command, cwd=_NODE, stdin=PIPE, stdout=PIPE, limit=_LONGEST_REPLY
        )
    else:
        command = [sys.executable, "-m", "benchmarks.worker", entrant.kind, entrant.loop, url]
        process = await create_subprocess_exec(
            *command, cwd=_HERE.parent, stdin=PIPE, stdout=PIPE, limit=_LONGEST_REPLY
        )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None  # noqa: S101 - both are pipes
    assert stdout is not None  # noqa: S101
    try:
        greeting = msgspec.json.decode(await _line(stdout), type=Greeting)
        yield Worker(stdin, stdout, greeting.versions)
    finally:
        stdin.close()
        await process.wait()


async def _line(stdout: StreamReader) -> bytes:
    line = await stdout.readline()
    if not line:
        raise ChildProcessError("a contender ended; what it said is above")
    return line
