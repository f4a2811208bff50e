"""The published ``@mastra/redis``, driven over a pipe."""

import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

HERE = Path(__file__).parent
# `make interop` installs the peer here; git ignores it.
INSTALLED = HERE / ".peer"
_LONGEST_REPLY = 64 * 1024 * 1024


def why_not() -> str | None:
    """Say what is missing for driving the peer; ``None`` if nothing is."""
    if shutil.which("node") is None:
        return "no node on PATH"
    if not (INSTALLED / "node_modules" / "@mastra" / "redis").is_dir():
        return "@mastra/redis is not installed: make interop"
    return None


class Peer:
    """Calls of ``@mastra/redis``: ``await peer("memory", "getThreadById", {"threadId": "t"})``."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)

    async def __call__(self, store: str, call: str, *args: object) -> Any:
        """Run one call and return its value as JSON has it, dates as ISO strings."""
        line = json.dumps({"store": store, "call": call, "args": args})
        await self._stdin.send(line.encode() + b"\n")
        reply = json.loads(await self._stdout.receive_until(b"\n", _LONGEST_REPLY))
        if "error" in reply:
            raise AssertionError(f"{store}.{call}: {reply['error']}")
        return reply["value"]


@asynccontextmanager
async def running_peer(url: str) -> AsyncGenerator[Peer]:
    """Run the peer on a database, until the context ends."""
    driver = (HERE / "driver.mjs").read_text()
    command = ["node", "--input-type=module", "-e", driver, url]
    async with await anyio.open_process(command, cwd=INSTALLED, stderr=PIPE) as process:
        try:
            yield Peer(process)
        finally:
            assert process.stdin is not None
            await process.stdin.aclose()
            await process.wait()
