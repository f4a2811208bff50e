"""A process that ends when its parent does, be it by ``kill -9``. POSIX only.

It is run by ``watchdog.sh``, which waits on a pipe, the leash, whose other end this process holds.
When that end closes, the script stops the process and removes its private directory.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources import files
from io import FileIO
from pathlib import Path
from typing import IO, Any, Final
from weakref import WeakSet

import anyio
from anyio.abc import Process

_SCRIPT: Final = (files("redis_store") / "watchdog.sh").read_text("utf-8")
_PATIENCE_SECONDS: Final = 15  # the script itself kills the process after 10
_LONGEST_ROOT: Final = 70  # the address of a unix socket ends at 103 bytes

_leashes: WeakSet[FileIO] = WeakSet()


def _drop_leashes() -> None:
    for leash in _leashes:
        leash.close()


# A forked child must not keep the process of its dead parent alive.
os.register_at_fork(after_in_child=_drop_leashes)


@asynccontextmanager
async def watched(
    command: Callable[[Path], list[str]], *, lock: IO[Any] | int, log: IO[Any] | int
) -> AsyncGenerator[tuple[Process, Path]]:
    """Run a command until the context or this process ends; SIGTERM, after 10 s SIGKILL.

    Cancelled while it waits for the end, it kills at once.

    Args:
        command: Builds the command, argument by argument, for its private directory, which is
            removed at the end and short enough to hold a unix socket.
        lock: A file that the command keeps open, and with it the ``flock`` on it.
        log: Where the command's output goes.

    Yields:
        The watchdog, which ends soon after the command does (its status means nothing), and the
        private directory.
    """
    end, leash = _leash()
    with _private_directory() as private, leash:
        with end:
            watchdog = await anyio.open_process(
                ["/bin/sh", "-c", _SCRIPT, "watchdog", str(private), *command(private)],
                stdin=end,
                stdout=lock,
                stderr=log,
                start_new_session=True,
            )
        try:
            # Not before: a cancelled open_process kills the script, and would orphan the command.
            leash.write(b"start\n")
            yield watchdog, private
        finally:
            leash.close()
            await _ended(watchdog)


def _leash() -> tuple[FileIO, FileIO]:
    reading, writing = os.pipe()
    leash = FileIO(writing, "w")
    _leashes.add(leash)
    return FileIO(reading), leash


@contextmanager
def _private_directory() -> Generator[Path]:
    root = tempfile.gettempdir()
    if len(os.fsencode(root)) > _LONGEST_ROOT:
        root = "/tmp"  # noqa: S108 - mkdtemp makes a directory that nobody else can enter
    private = Path(tempfile.mkdtemp(prefix="redis-store-", dir=root))
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)


async def _ended(watchdog: Process) -> None:
    try:
        with anyio.move_on_after(_PATIENCE_SECONDS, shield=True):
            await watchdog.wait()
    finally:
        if watchdog.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # the latter: a zombie, on macOS
                os.killpg(watchdog.pid, signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await watchdog.wait()
