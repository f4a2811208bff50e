"""Watchdog: runs a process that stops when its parent dies, even by ``kill -9``. POSIX only.

``watchdog.sh`` runs the process and waits on a pipe, the leash, whose other end the parent holds.
When that end is closed, the script stops the process and removes its private directory.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from io import FileIO
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, Final, Self
from weakref import WeakSet

import anyio

_SCRIPT: Final = (files("redis_store") / "embedded" / "watchdog.sh").read_text("utf-8")
_STOP_SECONDS: Final = 15  # the script itself kills the process after 10
_LONGEST_ROOT: Final = 70  # the path of a unix socket has at most 103 bytes

_leashes: WeakSet[FileIO] = WeakSet()


def _drop_leashes() -> None:
    for leash in _leashes:
        leash.close()


# A forked child inherits the leashes: it must not keep the process alive when its parent is dead.
os.register_at_fork(after_in_child=_drop_leashes)


class Watched:
    """A process that runs until ``stop``, or until this process ends: SIGTERM, after 10 s SIGKILL.

    ``async with`` stops it too. Its watchdog ends soon after it does.

    Args:
        command: Builds the command's arguments from its private directory, which is created before
            and removed after it, and whose path is short enough for a unix socket. The first
            argument is a path; a file that is not executable is run from a copy.
        lock: A file that the command keeps open; a ``flock`` on it lasts as long.
        log: The file for the command's output.

    Attributes:
        directory: The private directory.
    """

    def __init__(
        self, command: Callable[[Path], list[str]], *, lock: IO[Any] | int, log: IO[Any] | int
    ) -> None:
        self.directory = _private_directory()
        self._parent = os.getpid()
        reading, writing = os.pipe()
        self._leash = FileIO(writing, "w")
        _leashes.add(self._leash)
        try:
            args = [str(self.directory), *command(self.directory)]
            self._watchdog = _spawn(args, FileIO(reading), lock, log)
        except BaseException:
            self._leash.close()
            raise

    @property
    def has_ended(self) -> bool:
        """Whether the watchdog has ended, and with it the process."""
        return self._watchdog.poll() is not None

    @property
    def is_inherited(self) -> bool:
        """Whether it belongs to the parent of this process, which is a forked child."""
        return os.getpid() != self._parent

    async def stop(self) -> None:
        """Stop the process; no-op if it has ended, or is the parent's after a fork."""
        if self.is_inherited:
            return
        self._leash.close()
        try:
            await _end(self._watchdog)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()


def _private_directory() -> Path:
    root = tempfile.gettempdir()
    if len(os.fsencode(root)) > _LONGEST_ROOT:
        root = "/tmp"  # noqa: S108 - the script makes a new directory, or fails
    return Path(root) / f"redis-store-{token_hex(4)}"


def _spawn(
    args: list[str], end: FileIO, lock: IO[Any] | int, log: IO[Any] | int
) -> subprocess.Popen[bytes]:
    # Not asyncio's subprocess: if that is cancelled while it starts, a process is left behind, on
    # uvloop even one that is never reaped.
    with end:
        return subprocess.Popen(  # noqa: S603 - the script takes arguments, and reads none as code
            ["/bin/sh", "-c", _SCRIPT, "watchdog", *args],
            stdin=end,
            stdout=lock,
            stderr=log,
            start_new_session=True,
        )


async def _end(watchdog: subprocess.Popen[bytes]) -> None:
    try:
        with anyio.move_on_after(_STOP_SECONDS, shield=True):
            try:
                await _wait(watchdog)
            finally:  # a task's own cancel() gets through the shield, once
                await _wait(watchdog)
    finally:
        if watchdog.poll() is None:
            with suppress(ProcessLookupError, PermissionError):  # the latter: a zombie, on macOS
                os.killpg(watchdog.pid, signal.SIGKILL)
            watchdog.wait()


async def _wait(watchdog: subprocess.Popen[bytes]) -> None:
    while True:
        if watchdog.poll() is not None:
            return
        await anyio.sleep(0.005)
