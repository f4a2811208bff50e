"""A process that ends when its parent does, be it by ``kill -9``. POSIX only.

It is run by ``watchdog.sh``, which waits on a pipe, the leash, whose other end this process holds.
When that end closes, the script stops the process and removes its private directory.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources import files
from io import FileIO
from pathlib import Path
from typing import IO, Any, Final
from weakref import WeakSet

import anyio

_SCRIPT: Final = (files("redis_store") / "watchdog.sh").read_text("utf-8")
_PATIENCE_SECONDS: Final = 15  # the script itself kills the process after 10
_LONGEST_ROOT: Final = 70  # the address of a unix socket ends at 103 bytes

_leashes: WeakSet[FileIO] = WeakSet()


def _drop_leashes() -> None:
    for leash in _leashes:
        leash.close()


# A forked child must not keep the process of its dead parent alive.
os.register_at_fork(after_in_child=_drop_leashes)


class Watchdog:
    """A running ``watchdog.sh``.

    Attributes:
        private: The directory of the watched process, removed when that has ended.
    """

    def __init__(
        self, command: Callable[[Path], list[str]], *, lock: IO[Any] | int, log: IO[Any] | int
    ) -> None: ...


@asynccontextmanager
async def watched(
    command: Callable[[Path], list[str]], *, lock: IO[Any] | int, log: IO[Any] | int
) -> AsyncGenerator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a command until the context or this process ends: SIGTERM, after 10 s SIGKILL.

    Args:
        command: Builds the command, argument by argument, for its private directory, which is
            removed at the end and short enough to hold a unix socket.
        lock: A file that the command keeps open, and with it the ``flock`` on it.
        log: Where the command's output goes.

    Yields:
        The watchdog, which ends soon after the command does (its status means nothing), and the
        private directory.
    """
    with _private_directory() as private, _leash() as (end, leash):
        watchdog = _spawn([str(private), *command(private)], end, lock, log)
        try:
            yield watchdog, private
        finally:
            leash.close()
            try:
                await _ended(watchdog)
            finally:
                ...
