"""Contenders' processes, one each: none runs on another's event loop or heap."""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter, create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.contenders.contender import LIBRARY, MASTRA, Contender
from benchmarks.contenders.peers import catalogue
from benchmarks.contenders.protocol import Greeting, Request, Sample
from benchmarks.contenders.raw_connection import socket_of

_ROOT: Final = Path(__file__).parents[2]
_MASTRA_WORKER: Final = _ROOT / "benchmarks" / "contenders" / "mastra_redis.mjs"
_LONGEST_REPLY: Final = 1024 * 1024
# Both checkouts hold both packages: `benchmarks` is imported from this one before the path of the
# other one, whose `redis_store` is measured, goes in front.
_WORKER_AT: Final = """\
import runpy, sys, benchmarks
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("benchmarks.contenders.worker", run_name="__main__")
"""


class Worker:
    """A contender's process, ready for requests."""

    def __init__(self, stdin: StreamWriter, stdout: StreamReader, versions: dict[str, str]) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self.versions = versions

    async def measure(self, request: Request) -> Sample:
        """Send a request and wait for its sample."""
        self._stdin.write(msgspec.json.encode(request) + b"\n")
        return msgspec.json.decode(await _line(self._stdout), type=Sample)


@asynccontextmanager
async def running(contender: Contender, url: str) -> AsyncGenerator[Worker]:
    """Run a contender on the server at a URL; ``unix://`` for all but the library."""
    command, directory = _command(contender, url)
    async with started(command, directory) as worker:
        yield worker


@asynccontextmanager
async def started(command: Sequence[str], directory: Path = _ROOT) -> AsyncGenerator[Worker]:
    """Run a process that serves requests."""
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
        # The worker serves until its stdin ends.
        stdin.close()
        await process.wait()


@asynccontextmanager
async def all_running(
    contenders: Sequence[Contender], url: str
) -> AsyncGenerator[dict[Contender, Worker]]:
    """Run several, started at once, as some take seconds."""
    async with AsyncExitStack() as stack:
        starting = (stack.enter_async_context(running(each, url)) for each in contenders)
        workers = await asyncio.gather(*starting)
        yield dict(zip(contenders, workers, strict=True))


def _command(contender: Contender, url: str) -> tuple[list[str], Path]:
    """Return a contender's command line and working directory."""
    if contender == MASTRA:
        # From text, as a file would look for its packages next to itself.
        script = _MASTRA_WORKER.read_text()
        node = ["node", "--input-type=module", "-e", script, socket_of(url)]
        return node, catalogue.MASTRA.directory
    if contender.is_peer:
        return _peer_command(contender, url), _ROOT
    if contender.checkout:
        program = ["-c", _WORKER_AT, contender.checkout, LIBRARY]
    else:
        program = ["-m", "benchmarks.contenders.worker", contender.kind]
    return [sys.executable, *program, contender.loop, url], _ROOT


def _peer_command(contender: Contender, url: str) -> list[str]:
    index = [peer.name for peer in catalogue.PEERS].index(contender.kind)
    # A database per peer and loop, as peers flush theirs; the run itself uses 0.
    database = 1 + 2 * index + (contender.loop == "uvloop")
    arguments = [contender.kind, contender.loop, f"{url}?db={database}"]
    python = str(catalogue.PEERS[index].python)
    return [python, "-m", "benchmarks.contenders.peers.worker", *arguments]


async def _line(stdout: StreamReader) -> bytes:
    line = await stdout.readline()
    if not line:
        raise ChildProcessError("a contender's process ended; its error is above")
    return line
