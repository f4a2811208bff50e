"""EmbeddedServer: starts a server, starts it again if it dies, and stops it.

Importable on every platform; it can be constructed on POSIX only.
"""

import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import anyio

from redis_store.errors import BackendUnavailableError, ConfigurationError

if TYPE_CHECKING:
    from redis_store.embedded.process import ServerProcess


class EmbeddedServer:
    """A private Redis server, reachable through a unix socket only.

    Use it as an async context manager, or call ``start()`` and ``stop()``. The server also stops if
    this process dies, even by ``kill -9``. It does not depend on the event loop that started it.

    Args:
        path: The data directory, created if missing, used by one server at a time. Writes are
            logged there and synced once per second. ``None``: in memory only.

    Raises:
        ConfigurationError: ``path`` is blank, or the platform is not POSIX.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if find_spec("fcntl") is None or not hasattr(os, "register_at_fork"):
            raise ConfigurationError(
                "embedded:// needs POSIX, such as Linux or macOS: start a server yourself and "
                "connect to it with redis://",
                code="EMBEDDED_NOT_SUPPORTED",
            )
        if path is not None and not os.fspath(path).strip():
            raise ConfigurationError("path must not be blank", code="EMBEDDED_BLANK_PATH")
        self._path = None if path is None else Path(path).absolute()
        self._lock = threading.Lock()
        self._process: ServerProcess | None = None

    @property
    def socket(self) -> str:
        """The path of its unix socket, another one after each start; empty while stopped."""
        return "" if self._process is None else self._process.socket

    @property
    def url(self) -> str:
        """The ``unix://`` URL of the started server."""
        return f"unix://{quote(self._started().socket)}"

    @property
    def pid(self) -> int:
        """The process id of the started server."""
        return self._started().pid

    def _started(self) -> "ServerProcess":
        if self._process is None or not self._process.pid:
            raise ConfigurationError("no embedded server is started", code="EMBEDDED_NOT_STARTED")
        return self._process

    async def start(self) -> None:
        """Start the server and wait until it is ready; no-op while it runs.

        Takes about 30 ms plus the time to load the data. A server that died is started again.

        Raises:
            ConfigurationError: There is no server binary, or ``path`` is unusable or in use.
            BackendUnavailableError: The server does not start; the message ends with its log.
        """
        async with self._changing():
            try:
                await self._serve()
            except BaseException:
                # A server that is ready was running before: it stays.
                if self._process is not None and not self._process.pid:
                    await self._discard()
                raise

    async def recover(self) -> None:
        """Start a persistent server again if it died, with its data; no-op while it runs.

        If this is cancelled, the server continues to load its data; the next call waits for it.

        Raises:
            ConfigurationError: As ``start`` does.
            BackendUnavailableError: It does not start, or it cannot: see ``loss``.
        """
        if loss := await self.loss():
            raise loss
        if self._is_inherited:
            return
        # A server in memory can only be waited for: another event loop is starting it.
        is_starting = self._process is not None and not self._process.pid
        if self._path is not None or is_starting:
            async with self._changing():
                if loss := await self.loss():
                    raise loss
                if self._process is not None:
                    await self._serve()

    async def loss(self) -> BackendUnavailableError | None:
        """Return the error to raise if the server died and ``recover`` cannot start it again.

        Returns:
            ``None`` while it runs, before it is started, and if ``recover`` can start it again.
        """
        process = self._process
        can_recover = self._path is not None and not self._is_inherited
        if process is None or can_recover or await process.is_alive():
            return None
        consequence = (
            "its data is gone, as it was in memory only (embedded:///path keeps it)"
            if self._path is None
            else "only the process that started it can start it again"
        )
        return BackendUnavailableError(
            f"the embedded server died, and {consequence}",
            code="EMBEDDED_SERVER_DIED",
            details={"reason": "EMBEDDED_SERVER_DIED", "in_doubt": False},
        )

    async def stop(self) -> None:
        """Stop the server and remove its temporary files; no-op if it is not started.

        In a forked child it is a no-op too: the server is the parent's.
        """
        if self._is_inherited:
            return
        with anyio.CancelScope(shield=True):
            async with self._changing():
                await self._discard()

    @property
    def _is_inherited(self) -> bool:
        """Whether the server belongs to the parent of this process, which is a forked child."""
        return self._process is not None and self._process.is_inherited

    async def _serve(self) -> None:
        """Launch a process unless one is alive, and wait until it is ready."""
        # Not at the top: these modules import what only POSIX has.
        from redis_store.embedded.process import ServerProcess  # noqa: PLC0415

        process = self._process
        if process is None or not await process.is_alive():
            if process is not None:
                await process.stop()
            process = self._process = await ServerProcess.launch(self._path)
        await process.ready()

    async def _discard(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    @asynccontextmanager
    async def _changing(self) -> AsyncGenerator[None]:
        await self._acquire()
        try:
            yield
        finally:
            self._lock.release()

    async def _acquire(self) -> None:
        # Not a lock of anyio: several event loops may wait for this one.
        while True:
            if self._lock.acquire(blocking=False):
                return
            await anyio.sleep(0.005)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
