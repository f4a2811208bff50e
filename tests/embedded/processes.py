"""A process that holds an embedded server, and what is left of one."""

import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

ROOT = Path(__file__).parents[2]


PARENT = """
import asyncio, os, sys, time
from redis_store.embedded import EmbeddedServer

async def main(path):
    print("starting", flush=True)
    async with EmbeddedServer(path) as server:
        child = 0 if "fork" not in sys.argv else os.fork() or time.sleep(60)
        print(f"{server.pid} {child} {server.url}", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(sys.argv[1] or None))
"""


def listing(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()]


def runs(pid: int) -> bool:
    """Tell whether a process lives; one that is dead until init takes note of it does not."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # gone in between, or a system without /proc
        return not Path("/proc/self").exists()


def private_directory(url: str) -> Path:
    return Path(unquote(url.removeprefix("unix://"))).parent


def is_free(path: Path) -> bool:
    """Tell whether no process, server or watchdog, has the directory any more."""
    file = path / "embedded.lock"
    if not file.exists():
        return True
    with file.open("a") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def make_executable(file: Path, script: str = "") -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)
    return str(file)


class Child(NamedTuple):
    """A process that holds an embedded server."""

    process: anyio.abc.Process
    server_pid: int
    forked_pid: int
    private: Path


@asynccontextmanager
async def child_with_server(path: str | Path = "", *options: str) -> AsyncGenerator[Child]:
    command = [sys.executable, "-c", PARENT, str(path), *options]
    process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stderr=None, cwd=ROOT)
    try:
        assert process.stdout is not None
        output = BufferedByteReceiveStream(process.stdout)
        await output.receive_until(b"\n", 1000)
        pid, forked, url = (await output.receive_until(b"\n", 1000)).decode().split()
        yield Child(process, int(pid), int(forked), private_directory(url))
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()
