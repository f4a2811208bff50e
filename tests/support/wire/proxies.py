"""What stands between a server and a client: proxies that count, encrypt, move, forget or cut."""

import asyncio
import shutil
import ssl
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import anyio
import hiredis
import trustme
from anyio.abc import ByteStream, Listener
from anyio.streams.tls import TLSListener

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.servers import GONE, free_port

_SILENCE_SECONDS: Final = 0.001
_INCOMPLETE: Final = object()  # what hiredis returns until it has a whole command or reply


class _Flow:
    """One connection through a proxy, which awaits these before it passes data on."""

    async def to_server(self, data: bytes) -> None: ...

    async def to_client(self, data: bytes) -> None: ...


class _Cut(Exception):  # noqa: N818 - it ends a connection as it should
    """Raised by a flow to pass on a part of the data, and end the connection."""

    def __init__(self, part: bytes) -> None:
        self.part = part


class _Proxy(ABC):
    """Relays every connection to a server's unix socket, as an async context manager."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket

    @abstractmethod
    async def _listen(self) -> Listener[ByteStream]: ...

    def _flow(self) -> _Flow:
        return _Flow()

    async def __aenter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="rs-"))
        self._listener = await self._listen()
        self._serving = asyncio.create_task(self._listener.serve(self._relay))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._serving.cancel()
        await asyncio.wait([self._serving])
        await self._listener.aclose()
        shutil.rmtree(self._directory)
        if not self._serving.cancelled():
            self._serving.result()

    async def _relay(self, client: ByteStream) -> None:
        flow = self._flow()
        with suppress(*GONE):
            async with (
                client,
                await anyio.connect_unix(self._server_socket) as server,
                anyio.create_task_group() as pumps,
            ):
                pumps.start_soon(_pump, client, server, flow.to_server, pumps.cancel_scope)
                pumps.start_soon(_pump, server, client, flow.to_client, pumps.cancel_scope)


async def _pump(
    source: ByteStream,
    sink: ByteStream,
    passing: Callable[[bytes], Awaitable[None]],
    connection: anyio.CancelScope,
) -> None:
    with suppress(*GONE):
        while True:
            data = await source.receive()
            try:
                await passing(data)
            except _Cut as cut:
                await sink.send(cut.part)
                break
            await sink.send(data)
    connection.cancel()


@dataclass(eq=False)
class Cost:
    """What went through a ``CountingProxy``, over all connections; sent means to the server.

    A round trip starts when a client sends something after all that it asked was answered: a burst
    of requests, however many commands it holds.
    """

    round_trips: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    commands: list[list[bytes]] = field(default_factory=list[list[bytes]])


class _PlainProxy(_Proxy):
    """Clients connect to ``url``: a unix socket or, with ``tcp``, a loopback port."""

    url: str

    def __init__(self, server_socket: str, *, tcp: bool = False) -> None:
        super().__init__(server_socket)
        self._tcp = tcp

    async def _listen(self) -> Listener[ByteStream]:
        if self._tcp:
            port = free_port()
            self.url = f"redis://127.0.0.1:{port}"
            return await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
        path = self._directory / "socket"
        self.url = f"unix://{path}"
        return await anyio.create_unix_listener(path)


class MovingEndpoint(_PlainProxy):
    """Leads new connections to another server once it moved; those that are open stay."""

    def move_to(self, server_socket: str) -> None:
        self._server_socket = server_socket


class UnsteadyPath(MovingEndpoint):
    """Cuts the connections that are open, and holds up new ones until told to go on."""

    def __init__(self, server_socket: str, *, tcp: bool = False) -> None:
        super().__init__(server_socket, tcp=tcp)
        self._open: set[anyio.CancelScope] = set()
        self._passable = anyio.Event()
        self._passable.set()

    def cut(self) -> None:
        """Cut the connections that are open, and hold up new ones."""
        self._passable = anyio.Event()
        for scope in self._open:
            scope.cancel()

    def go_on(self) -> None:
        """Relay new connections again."""
        self._passable.set()

    async def _relay(self, client: ByteStream) -> None:
        await self._passable.wait()
        with anyio.CancelScope() as scope:
            self._open.add(scope)
            try:
                await super()._relay(client)
            finally:
                self._open.discard(scope)


class ForgetfulFirewall(_PlainProxy):
    """Drops what goes over connections that it forgot, without a word to either side.

    Attributes:
        bytes_per_second: How fast it passes on what clients send; 0 is at once.
    """

    bytes_per_second = 0

    def __init__(self, server_socket: str, *, tcp: bool = False) -> None:
        super().__init__(server_socket, tcp=tcp)
        self._flows: list[_ForgottenFlow] = []

    @property
    def connections(self) -> int:
        """How many clients connected so far."""
        return len(self._flows)

    def forget(self) -> None:
        """Forget the connections that are open."""
        for flow in self._flows:
            flow.is_forgotten = True

    def _flow(self) -> _Flow:
        self._flows.append(_ForgottenFlow(self))
        return self._flows[-1]


class _ForgottenFlow(_Flow):
    is_forgotten = False

    def __init__(self, proxy: ForgetfulFirewall) -> None:
        self._proxy = proxy

    async def to_server(self, data: bytes) -> None:
        if self._proxy.bytes_per_second:
            await anyio.sleep(len(data) / self._proxy.bytes_per_second)
        await self.to_client(data)

    async def to_client(self, data: bytes) -> None:  # noqa: ARG002 - dropped, or passed on
        if self.is_forgotten:
            await anyio.sleep_forever()


class CuttingProxy(_PlainProxy):
    """Ends a connection in the middle of each reply that contains ``word``.

    Attributes:
        cuts: How many it cut.
    """

    def __init__(self, server_socket: str, word: bytes, *, tcp: bool = False) -> None:
        super().__init__(server_socket, tcp=tcp)
        self.word = word
        self.cuts = 0

    def _flow(self) -> _Flow:
        return _CutFlow(self)


class _CutFlow(_Flow):
    def __init__(self, proxy: CuttingProxy) -> None:
        self._proxy = proxy

    async def to_client(self, data: bytes) -> None:
        before, found, _ = data.partition(self._proxy.word)
        if found:
            self._proxy.cuts += 1
            raise _Cut(before)


class CountingProxy(_PlainProxy):
    """Counts what its clients send and receive; adds 1 ms or 2 to each round trip.

    ``total`` is what all of it cost since the last ``reset()``.
    """

    def __init__(self, server_socket: str, *, tcp: bool = False) -> None:
        super().__init__(server_socket, tcp=tcp)
        self._measuring: list[Cost] = []
        self.total = Cost()

    def reset(self) -> None:
        self.total = Cost()

    @contextmanager
    def measure(self) -> Generator[Cost]:
        """Count what goes through during the block, a new connection's handshake included."""
        cost = Cost()
        self._measuring.append(cost)
        try:
            yield cost
        finally:
            self._measuring.remove(cost)

    def costs(self) -> list[Cost]:
        return [self.total, *self._measuring]

    def _flow(self) -> _Flow:
        return _CountedFlow(self)


class _CountedFlow(_Flow):
    def __init__(self, proxy: CountingProxy) -> None:
        self._proxy = proxy
        self._requests = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._replies = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._unanswered = 0
        self._partial_bytes = 0
        self._answered = True
        self._sent_at = 0.0

    async def to_server(self, data: bytes) -> None:
        self._sent_at = anyio.current_time()
        self._requests.feed(data)
        commands = list(iter(self._requests.gets, _INCOMPLETE))
        self._unanswered += len(commands)
        self._partial_bytes += len(data) - sum(map(_wire_bytes, commands))
        for cost in self._proxy.costs():
            cost.round_trips += self._answered
            cost.bytes_sent += len(data)
            cost.commands += commands
        self._answered = False

    async def to_client(self, data: bytes) -> None:
        for cost in self._proxy.costs():
            cost.bytes_received += len(data)
        self._replies.feed(data)
        self._unanswered -= len(list(iter(self._replies.gets, _INCOMPLETE)))
        # A long pipeline comes in pieces, and its first replies before its last piece. It is one
        # burst: so the client gets no last reply before it has been silent for a moment.
        silent = 0.0
        while silent < _SILENCE_SECONDS and not self._is_asking():
            await anyio.sleep(_SILENCE_SECONDS - silent)
            silent = anyio.current_time() - self._sent_at
        self._answered = not self._is_asking()

    def _is_asking(self) -> bool:
        return bool(self._unanswered or self._partial_bytes)


def _wire_bytes(command: list[bytes]) -> int:
    """How long a command is in RESP."""
    arguments = sum(len(f"${len(each)}") + len(each) + len("\r\n\r\n") for each in command)
    return len(f"*{len(command)}\r\n") + arguments


class TlsTerminator(_Proxy):
    """Speaks TLS on ``port`` of 127.0.0.1, whatever the server behind it was built with.

    The file ``ca_path``, gone when the context ends, holds the certificate that clients trust.
    """

    port: int
    ca_path: Path

    async def _listen(self) -> Listener[ByteStream]:
        authority = trustme.CA()
        self.ca_path = self._directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_path))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own = authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem
        own.write_to_path(str(self._directory / "own.pem"))
        context.load_cert_chain(self._directory / "own.pem")
        self.port = free_port()
        plain = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
        return TLSListener(plain, context, standard_compatible=False)


@asynccontextmanager
async def metered_store(proxy: CountingProxy, place: Place) -> AsyncGenerator[RedisStore]:
    """A connected store behind a proxy, on the test's data."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(proxy.url, key_prefix=prefix, hash_tags=hash_tags) as opened:
        yield opened
