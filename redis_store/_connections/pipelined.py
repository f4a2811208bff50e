"""Pipelined connection: requests are written in order, and replies are matched to them in order.

redis-py connects and logs in. From then on the transport delivers to a protocol of our own, because
redis-py's reader costs a timeout and a turn of the event loop for every reply.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from socket import SHUT_RDWR
from time import monotonic
from typing import Any, cast

import hiredis
import msgspec
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import InvalidResponse

from redis_store._connections.commands import Command, Replies, Reply, encoded
from redis_store._connections.errors import unanswered
from redis_store._connections.large_strings import LargeString, find_header

_INCOMPLETE = object()
# Bytes a second.
_SLOWEST_UPLOAD = 500_000
# Types of replies that are neither errors nor pushes: one lookup instead of two type checks.
_PLAIN = frozenset({bytes, int, list, type(None)})

# Arguments packed at once: hiredis takes twice as long for thousands, whose text it copies again
# and again as it grows.
_PACKED_AT_ONCE = 64

_pack: Callable[[Command], bytes] = cast("Any", hiredis).pack_command


def pack(*commands: Command) -> bytes:
    """Return commands as they are sent."""
    if len(commands) == 1 and len(commands[0]) <= _PACKED_AT_ONCE:
        return _packed(commands[0])
    return b"".join(part for command in commands for part in _parts(command))


def _parts(command: Command) -> Iterator[bytes]:
    if len(command) <= _PACKED_AT_ONCE:
        yield _packed(command)
        return
    yield b"*%d\r\n" % len(command)
    for first in range(0, len(command), _PACKED_AT_ONCE):
        part = command[first : first + _PACKED_AT_ONCE]
        yield _packed(part).removeprefix(b"*%d\r\n" % len(part))


def _packed(command: Command) -> bytes:
    try:
        return _pack(command)
    except UnicodeEncodeError:
        return _pack(tuple(encoded(a) if isinstance(a, str) else a for a in command))


class Request(msgspec.Struct, eq=False):
    """The packed commands of one caller, and their replies so far.

    Attributes:
        data: The bytes to write.
        count: The number of commands, and so of replies.
        deadline: When the caller stops waiting, on the monotonic clock.
        future: Resolves to the replies, or to the error.
        blocks: Whether the last command blocks, so that its reply may take until the deadline.
        replies: The replies so far; ``None`` for one command whose future gets its reply itself.
    """

    data: bytes
    count: int
    deadline: float
    future: asyncio.Future[Any]
    blocks: bool = False
    replies: Replies | None = msgspec.field(default_factory=Replies)

    def fail(self, error: Exception) -> None:
        """Raise the error in the caller, unless it was cancelled."""
        if not self.future.done():
            self.future.set_exception(error)


class PipelinedConnection(asyncio.Protocol):
    """A connection with any number of requests in flight.

    Args:
        connection: A connected connection of redis-py.
        on_ready: Called when more may be written, or the connection is lost; by default nobody
            waits for that.

    Attributes:
        connection: The connection of redis-py.
        in_flight: How many commands await their replies.
        paused: Whether the transport's write buffer is full.
        full: Set by the owner while requests wait for fewer in flight: replies then call
            ``on_ready``.
        closed: Set when the transport is closed.
    """

    def __init__(self, connection: Any, on_ready: Callable[[], None] = lambda: None) -> None:
        self.connection = connection
        self.in_flight = 0
        self.paused = False
        self.full = False
        self.closed = asyncio.Event()
        self._on_ready = on_ready
        # Why no more requests may be written; None while they may.
        self._end: str | None = None
        self._last_received = monotonic()
        # Whether the reader was fed a part of a reply.
        self._is_mid_reply = False
        # Redis replies in the order of the commands, so the first request owns the next reply. A
        # cancelled or expired one keeps its place until its replies came.
        self._requests: deque[Request] = deque()
        self._transport: asyncio.Transport = connection._writer.transport  # noqa: SLF001
        # redis-py's protocol must still learn of the loss: its disconnect() waits for that.
        self._former = cast("asyncio.Protocol", self._transport.get_protocol())
        self._reader: Any = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=connection._parser.parse_error,  # noqa: SLF001
            notEnoughData=_INCOMPLETE,
        )
        self._large: LargeString | None = None
        self._transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether requests may be written. The multiplexer asks before each write."""
        return self._end is None and not self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """Whether redis-py may have the connection back: nothing in flight, nothing unread."""
        # redis-py would take the rest of a half-received push for a reply.
        return self.usable and not self.in_flight and not self._is_mid_reply

    @property
    def draining(self) -> bool:
        """Whether it is open only for the replies to the requests in flight."""
        return bool(self._end and self.in_flight and not self._transport.is_closing())

    @property
    def flushed(self) -> bool:
        """Whether every written byte has left this process."""
        return not self._transport.get_write_buffer_size()

    def write(self, requests: Sequence[Request]) -> None:
        """Write requests at once."""
        if not self.in_flight:
            self._last_received = monotonic()
        self._requests.extend(requests)
        self.in_flight += sum([request.count for request in requests])
        data = [request.data for request in requests]
        # Not writelines(): over TLS, it makes a record of each item.
        self._transport.write(data[0] if len(data) == 1 else b"".join(data))

    def hand_back(self) -> None:
        """Let redis-py read the connection again. Only if it is ``reusable``."""
        self._transport.set_protocol(self._former)

    def drain(self, reason: str) -> None:
        """Take no more requests, and close once those in flight are answered."""
        self._end = self._end or reason
        if not self._requests:
            self._transport.abort()

    def invalidate(self, reason: str) -> None:
        """Close now; requests in flight fail as in doubt."""
        self._end = self._end or reason
        self._transport.abort()

    def expire(self, now: float) -> bool:
        """Fail requests past their deadline; return whether there were any."""
        expired = [request for request in self._requests if request.deadline <= now]
        for request in expired:
            request.fail(unanswered(TimeoutError("no reply"), in_doubt=True))
        return bool(expired)

    def is_idle(self, seconds: float) -> bool:
        """Whether no reply is due and none came for so long: the connection may be dead."""
        return not self.in_flight and monotonic() - self._last_received >= seconds

    def invalidate_if_silent(self, seconds: float) -> None:
        """Close if replies are due and nothing was received for so long."""
        if not self.in_flight:
            return
        first = self._requests[0]
        # A large one may be on its way for long: kernels buffer megabytes.
        silent = monotonic() - self._last_received - len(first.data) / _SLOWEST_UPLOAD
        is_last = first.replies is not None and len(first.replies) == first.count - 1
        if silent < seconds or (first.blocks and is_last):
            return
        reason = f"no reply came for {seconds:g} s"
        for request in self._requests:
            request.fail(unanswered(TimeoutError(reason), in_doubt=True))
        self.invalidate(reason)

    def data_received(self, data: bytes) -> None:
        """Resolve requests, in order, with the replies that are complete."""
        self._last_received = monotonic()
        try:
            while data:
                data = self._receive(data)
        except (InvalidResponse, IndexError, ValueError):
            # Not RESP, or a reply to no request: no later reply could be matched.
            self.invalidate("the server broke the protocol")
        if self._end is not None and not self._requests:
            self._transport.abort()
        if self.full:
            self._on_ready()

    def _receive(self, data: bytes) -> bytes:
        """Take some of the data, and return the rest."""
        if self._large is not None:
            rest = self._large.take(data)
            value = self._large.value
            if value is not None:
                self._large = None
                self._deliver([value])
            return rest
        header = None if self._is_mid_reply else find_header(data)
        if header is None:
            self._parse(data)
            return b""
        start, end = header.span()
        if start:
            self._parse(data[:start])
        # Only now it is known whether this is a header, or part of a reply that looks like one.
        if self._is_mid_reply:
            self._parse(data[start:])
            return b""
        self._large = LargeString(int(header[1]))
        return data[end:]

    def _parse(self, data: bytes) -> None:
        reader = self._reader
        complete: list[Reply] = []
        reader.feed(data)
        next_reply, has_data = reader.gets, reader.has_data
        self._is_mid_reply = True
        try:
            while has_data():
                reply = next_reply()
                if reply is _INCOMPLETE:
                    return
                complete.append(reply)
            self._is_mid_reply = False
        finally:
            self._deliver(complete)

    def _deliver(self, complete: Sequence[Reply]) -> None:
        """Give replies to their requests."""
        requests = self._requests
        for reply in complete:
            is_plain = type(reply) in _PLAIN
            if not is_plain and isinstance(reply, hiredis.PushNotification):
                continue
            request = requests[0]
            replies = request.replies
            if replies is not None:
                replies.append(reply)
                if not is_plain and isinstance(reply, Exception):
                    replies.has_errors = True
                if len(replies) < request.count:
                    continue
            requests.popleft()
            self.in_flight -= request.count
            if not request.future.done():
                request.future.set_result(reply if replies is None else replies)

    def pause_writing(self) -> None:
        """Take no more requests: see ``asyncio.Protocol``."""
        self.paused = True

    def resume_writing(self) -> None:
        """Take requests again: see ``asyncio.Protocol``."""
        self.paused = False
        self._on_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the requests in flight: the server may have applied them."""
        # Recorded here too, as a TLS transport does not say is_closing() once it is closed.
        mid_reply = " in the middle of a reply" if self._is_mid_reply or self._large else ""
        self._end = self._end or f"the connection was closed{mid_reply}"
        cause = exc or LostError(self._end)
        for request in self._requests:
            request.fail(unanswered(cause, in_doubt=True))
        self._requests.clear()
        self.in_flight = 0
        self.closed.set()
        # Without the error, which nobody would retrieve there.
        self._former.connection_lost(None)
        self._on_ready()


def cut(connection: Any) -> None:
    """Close the socket of a connection of redis-py whose event loop does not run any more.

    A transport would leave that to a callback, and a closed loop takes none.
    """
    # Private, as neither redis-py nor asyncio offers this.
    # ruff: disable[SLF001]
    writer = connection._writer
    # redis-py would warn that it is unclosed.
    connection._reader = connection._writer = None
    if writer is None:
        return
    with suppress(OSError, AttributeError):  # closed already, or by uvloop with the loop
        writer.get_extra_info("socket").shutdown(SHUT_RDWR)
    with suppress(RuntimeError):
        writer.transport.abort()
    tls = getattr(writer.transport, "_ssl_protocol", None)
    transport = writer.transport if tls is None else tls._transport
    with suppress(AttributeError):  # uvloop's has no such socket
        # A loop that is only blocked takes the callback later, which needs the socket.
        if transport._loop.is_closed():
            transport._sock.close()
            transport._sock = None
    # ruff: enable[SLF001]


def is_stale(connection: Any) -> bool:
    """Whether an idle connection of redis-py was closed, or received unrequested data.

    redis-py's pools may miss both. A transport reports its end only once, so a request written to a
    closed one would wait until its deadline.
    """
    reader, transport = connection._reader, connection._writer.transport  # noqa: SLF001
    return reader.at_eof() or bool(reader._buffer) or transport.is_closing()  # noqa: SLF001
