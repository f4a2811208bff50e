"""One connection that callers share: requests go out in their order, and so do replies come in.

redis-py connects and logs in; from then on the transport speaks to a protocol of our own, because
reading as redis-py does costs a timeout and a turn of the loop for every reply.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, cast

import hiredis
import msgspec
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import InvalidResponse

from redis_store._connections.commands import Command, Replies
from redis_store._connections.errors import translate
from redis_store.errors import BackendError

_INCOMPLETE = object()
# Replies that are neither errors nor pushes: one look instead of two.
_USUAL = frozenset({bytes, int, list, type(None)})

pack: Callable[[Command], bytes] = cast("Any", hiredis).pack_command


class Request(msgspec.Struct, eq=False):
    """Commands of one caller, packed, and the replies that have come.

    Attributes:
        data: What is written.
        count: How many replies there will be.
        deadline: Until when they are awaited, on the monotonic clock.
        done: Gets the replies, or the error.
    """

    data: bytes
    count: int
    deadline: float
    done: asyncio.Future[Replies]
    replies: Replies = msgspec.field(default_factory=Replies)

    def fail(self, error: Exception) -> None:
        """Hand the error to the caller, unless it left."""
        if not self.done.done():
            self.done.set_exception(error)


class Line(asyncio.Protocol):
    """A connection and the requests that await replies on it.

    Args:
        connection: A connected connection of redis-py's.
        on_ready: Called when more can be written again, or the connection is lost.

    Attributes:
        is_paused: Whether the server reads more slowly than was written.
        is_full: Whether somebody waits until fewer replies are outstanding.
        is_retired: Whether it closes once all is answered.
        outstanding: How many replies are awaited.
        ended: Set when the connection is lost.
    """

    def __init__(self, connection: Any, on_ready: Callable[[], None]) -> None:
        self.connection = connection
        self.is_paused = False
        self.is_full = False
        self.is_retired = False
        self.outstanding = 0
        self._last_heard = 0.0
        self.ended = asyncio.Event()
        self._is_over = False
        self._on_ready = on_ready
        self._waiting: deque[Request] = deque()
        self._transport: asyncio.Transport = connection._writer.transport  # noqa: SLF001
        # Whoever closes the connection waits until this one knows that it is closed.
        self._former = cast("asyncio.Protocol", self._transport.get_protocol())
        self._reader: Any = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=connection._parser.parse_error,  # noqa: SLF001
            notEnoughData=_INCOMPLETE,
        )
        self._transport.set_protocol(self)

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._is_over or self.is_retired or self._transport.is_closing()

    def send(self, requests: Sequence[Request]) -> None:
        """Write requests at once."""
        if not self.outstanding:
            self._last_heard = monotonic()
        for request in requests:
            self._waiting.append(request)
            self.outstanding += request.count
        data = [request.data for request in requests]
        # Not writelines: over TLS, each line of it is a record of its own.
        self._transport.write(data[0] if len(data) == 1 else b"".join(data))

    @property
    def is_written(self) -> bool:
        """Whether the server, or the system on the way to it, has all that was sent."""
        return not self._transport.get_write_buffer_size()

    def hand_back(self) -> bool:
        """Let redis-py have the connection again; ``False`` where it is of no more use."""
        # The rest of a push of which a part has come would be read as a reply.
        if self.outstanding or self._reader.has_data():
            self.abort()
        if self.is_lost:
            return False
        self._transport.set_protocol(self._former)
        return True

    def expire(self, now: float) -> bool:
        """Fail requests whose deadline has passed; tell whether there were any."""
        late = [request for request in self._waiting if request.deadline <= now]
        for request in late:
            request.fail(lost(TimeoutError("no reply"), in_doubt=True))
        return bool(late)

    def give_up_after(self, seconds: float) -> None:
        """Give the connection up if replies are awaited and nothing came for so long."""
        if self.outstanding and monotonic() - self._last_heard >= seconds:
            self.abort()

    def abort(self) -> None:
        """Give the connection up; what awaits a reply gets an error."""
        self._is_over = True
        self._transport.abort()

    def retire(self) -> None:
        """Take no more requests, and close once all are answered."""
        self.is_retired = True
        if not self._waiting:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Hand replies to those who await them, in the order of their requests."""
        self._last_heard = monotonic()
        self._reader.feed(data)
        try:
            self._hand_out()
        except (InvalidResponse, IndexError, ValueError):
            # Not the protocol, or a reply that nobody asked for: nothing here can be trusted.
            self.abort()
        if self.is_retired and not self._waiting:
            self.abort()
        if self.is_full:
            self._on_ready()

    def _hand_out(self) -> None:
        gets, waiting = self._reader.gets, self._waiting
        while (reply := gets()) is not _INCOMPLETE:
            is_usual = type(reply) in _USUAL
            if not is_usual and isinstance(reply, hiredis.PushNotification):
                continue
            request = waiting[0]
            replies = request.replies
            replies.append(reply)
            if not is_usual and isinstance(reply, Exception):
                replies.has_errors = True
            if len(replies) == request.count:
                waiting.popleft()
                self.outstanding -= request.count
                if not request.done.done():
                    request.done.set_result(replies)

    def pause_writing(self) -> None:
        """Take no more requests: see ``asyncio.Protocol``."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """Take requests again: see ``asyncio.Protocol``."""
        self.is_paused = False
        self._on_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what awaits a reply: it may have been applied."""
        self._is_over = True
        cause = exc or LostError("the connection was closed")
        for request in self._waiting:
            request.fail(lost(cause, in_doubt=True))
        self._waiting.clear()
        self.outstanding = 0
        self.ended.set()
        self._former.connection_lost(exc)
        self._on_ready()


def is_stale(connection: Any) -> bool:
    """Whether a connection of redis-py's ended, or anything came, while nobody used it.

    Its pools may ignore that, and an end is told once: a request would wait until its deadline.
    """
    reader, transport = connection._reader, connection._writer.transport  # noqa: SLF001
    return reader.at_eof() or bool(reader._buffer) or transport.is_closing()  # noqa: SLF001


def lost(cause: Exception, *, in_doubt: bool) -> BackendError:
    """Build the error of a request that got no reply."""
    error = translate(cause)
    error.details["in_doubt"] = in_doubt
    error.__cause__ = cause
    return error
