"""Contenders in processes of their own, so that none runs on another's event loop or heap."""

import asyncio
import shutil
import sys
from asyncio import StreamReader, StreamWriter, create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.peers import catalogue
from benchmarks.peers.catalogue import PEERS
from benchmarks.protocol import Greeting, Request, Sample
from benchmarks.wire import socket_of

_HERE: Final = Path(__file__).parent
_LONGEST_REPLY: Final = 1024 * 1024
_NOT_INSTALLED: Final = "not installed: make bench-peers"


class Entrant(msgspec.Struct, frozen=True):
    """Who takes part.

    Args:
        kind: The library, a contender written by hand, or a peer's package.
        loop: The event loop it runs on.
        rows: The operations it takes part in; ``None`` is all.
    """

    kind: str
    loop: str
    rows: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return f"{self.kind} ({self.loop})"

    @property
    def is_peer(self) -> bool:
        """Whether it is a peer in Python. Those write their data themselves."""
        return self.rows is not None

    def takes_part(self, operation: str) -> bool:
        """Tell whether it can do what is measured."""
        return self.rows is None or operation in self.rows

    def without(self, operation: str) -> "Entrant":
        """Return the same peer, without one of its operations."""
        rows = tuple(row for row in self.rows or () if row != operation)
        return Entrant(self.kind, self.loop, rows)


NODE: Final = Entrant("@mastra/redis", "node")


def missing() -> str | None:
    """Say what is missing for the peer on Node; ``None`` if nothing is."""
    if shutil.which("node") is None:
        return "no node on PATH"
    return None if catalogue.NODE.is_installed else _NOT_INSTALLED


def peers(loop: str) -> tuple[list[Entrant], list[str]]:
    """List the peers in Python that are there, and who or what is missing and why."""
    entrants = [Entrant(peer.name, loop, peer.rows) for peer in PEERS if peer.is_installed]
    notes = ((peer, peer.note if peer.is_installed else _NOT_INSTALLED) for peer in PEERS)
    return entrants, [f"{peer.name}: {note}" for peer, note in notes if note]


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


def _command(entrant: Entrant, url: str) -> tuple[list[str], Path]:
    """Give the command line that runs a contender, and where."""
    if entrant == NODE:
        program = (_HERE / "peer.mjs").read_text()
        node = ["node", "--input-type=module", "-e", program, socket_of(url)]
        return node, catalogue.NODE.directory
    if entrant.is_peer:
        names = [peer.name for peer in PEERS]
        index = names.index(entrant.kind)
        # A database of its own for each peer on each loop: nobody else's data is in its way.
        database = 1 + 2 * index + (entrant.loop == "uvloop")
        arguments = [entrant.kind, entrant.loop, f"{url}?db={database}"]
        python = str(PEERS[index].python)
        return [python, "-m", "benchmarks.peers.driver", *arguments], _HERE.parent
    worker = [sys.executable, "-m", "benchmarks.worker", entrant.kind, entrant.loop, url]
    return worker, _HERE.parent


@asynccontextmanager
async def running(entrant: Entrant, url: str) -> AsyncGenerator[Worker]:
    """Run a contender on the server at a ``unix://`` URL."""
    command, directory = _command(entrant, url)
    process = await create_subprocess_exec(
        *command, cwd=directory, stdin=PIPE, stdout=PIPE, limit=_LONGEST_REPLY
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


@asynccontextmanager
async def all_running(
    entrants: Sequence[Entrant], url: str
) -> AsyncGenerator[dict[Entrant, Worker]]:
    """Run several, started at once: some take seconds."""
    async with AsyncExitStack() as stack:
        starting = (stack.enter_async_context(running(entrant, url)) for entrant in entrants)
        workers = await asyncio.gather(*starting)
        yield dict(zip(entrants, workers, strict=True))


async def _line(stdout: StreamReader) -> bytes:
    line = await stdout.readline()
    if not line:
        raise ChildProcessError("a contender ended; what it said is above")
    return line
