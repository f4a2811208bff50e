"""ServerProcess: the command line of a server, and whether it is alive and ready. POSIX only."""

import asyncio
import os
import socket
import tempfile
from functools import partial
from pathlib import Path
from time import monotonic
from typing import IO, Final, Self

import anyio

from redis_store.embedded.binaries import find_server
from redis_store.embedded.data_directory import locked_directory
from redis_store.embedded.watchdog import Watched
from redis_store.errors import BackendUnavailableError

_START_SECONDS: Final = 10
_LOAD_SECONDS: Final = 60  # a persistent server loads all its data before it is ready
_BUSY_SECONDS: Final = 0.1


class ServerProcess:
    """One run of a server.

    Attributes:
        pid: Its process id, once it is ready; 0 before.
    """

    def __init__(self, binary: str, path: Path | None, lock: IO[bytes] | int) -> None:
        self.pid = 0
        self._seconds = _LOAD_SECONDS if path else _START_SECONDS
        self._deadline = monotonic() + self._seconds
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is ready, or ends
        self._watched = Watched(partial(_command, binary, path), lock=lock, log=self._log)

    @classmethod
    async def launch(cls, path: Path | None) -> Self:
        """Start a process; ``ready`` waits for it.

        Raises:
            ConfigurationError: There is no server binary, or ``path`` is unusable or in use.
        """
        binary = find_server()
        async with locked_directory(path) as lock:
            return cls(binary, path, lock)

    @property
    def socket(self) -> str:
        """The path of its unix socket."""
        return str(self._watched.directory / "socket")

    @property
    def is_inherited(self) -> bool:
        """Whether it belongs to the parent of this process, which is a forked child."""
        return self._watched.is_inherited

    async def is_alive(self) -> bool:
        """Return whether it starts, is ready, or is too busy to answer."""
        # The watchdog's status does not tell, once the server is ready: a watchdog may be killed
        # while its server lives, and it ends some milliseconds after its server.
        if not self.pid:
            return not self._watched.has_ended
        return await _ping(self.socket) is not None

    async def ready(self) -> None:
        """Wait until it is ready. If this is cancelled, the process continues to start.

        Raises:
            BackendUnavailableError: It does not start; the message ends with its log.
        """
        while not self.pid:
            if self._watched.has_ended or monotonic() > self._deadline:
                error = self._not_started()
                await self.stop()
                raise error
            if await _ping(self.socket) == b"+PONG\r\n":
                self.pid = int((self._watched.directory / "pid").read_text())
                self._log.close()
            else:
                await anyio.sleep(0.005)

    async def stop(self) -> None:
        """Stop it; no-op if it has ended, or is the parent's after a fork."""
        self._log.close()
        await self._watched.stop()

    def _not_started(self) -> BackendUnavailableError:
        why = "it ended" if self._watched.has_ended else f"no answer in {self._seconds} s"
        log = self._log.fileno()
        tail = os.pread(log, 2_000, max(0, os.fstat(log).st_size - 2_000))
        return BackendUnavailableError(
            f"the embedded server did not start: {why}; its log:\n{tail.decode(errors='replace')}",
            code="EMBEDDED_START_FAILED",
            details={"reason": "EMBEDDED_START_FAILED", "in_doubt": False},
        )


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


async def _ping(path: str) -> bytes | None:
    """Send PING to the server at a socket.

    Returns:
        The reply, an error while the server loads its data; ``b""`` if it is too busy to answer;
        ``None`` if it is dead. A dying server may accept the connection, and close it then.
    """
    # Not a stream: on uvloop, an error is logged if its opening is cancelled. Neither connecting to
    # a unix socket nor so short a write can block.
    with socket.socket(socket.AF_UNIX) as connection, anyio.move_on_after(_BUSY_SECONDS):
        connection.settimeout(0)
        try:
            connection.connect(path)
            connection.send(b"PING\r\n")
            return await asyncio.get_running_loop().sock_recv(connection, 100) or None
        except BlockingIOError:  # its queue of new connections is full
            return b""
        except OSError:
            return None
    return b""
