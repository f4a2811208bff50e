"""The data directory of a persistent server, used by one server at a time. POSIX only."""

import fcntl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from subprocess import DEVNULL
from typing import Final

import anyio

from redis_store.errors import ConfigurationError

_LOCK_SECONDS: Final = 2  # a server whose parent was just killed still locks its directory


@asynccontextmanager
async def locked_directory(path: Path | None) -> AsyncGenerator[FileIO | int]:
    """Lock a data directory, for as long as a process has the yielded lock file open.

    It is created if missing.

    Raises:
        ConfigurationError: It cannot be used, or another server uses it.
    """
    if path is None:
        yield DEVNULL
        return
    with _lock_file(path) as lock:
        if not await _try_lock(lock):
            raise ConfigurationError(
                f"another embedded server uses {str(path)!r}", code="EMBEDDED_PATH_IN_USE"
            )
        yield lock


def _lock_file(path: Path) -> FileIO:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileIO(path / "embedded.lock", "a")
    except (OSError, ValueError) as exc:
        raise ConfigurationError(
            f"no embedded server can use {str(path)!r}: {exc}", code="EMBEDDED_PATH_UNUSABLE"
        ) from exc


async def _try_lock(lock: FileIO) -> bool:
    with anyio.move_on_after(_LOCK_SECONDS):
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            await anyio.sleep(0.02)
    return False
