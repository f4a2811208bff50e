"""One write and its replies, over a connection that redis-py made.

Commands are packed once and written once. Nothing is sent twice here: a write whose reply was lost
may have been applied.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from time import monotonic
from typing import Any, Protocol, cast

from anyio import CancelScope, Semaphore
from redis import exceptions

from redis_store._connections.commands import Command, Replies
from redis_store._connections.pipelined import Line, Request, is_stale, lost, pack
from redis_store.errors import BackendError

# A call waits for one of these connections: redis-py's own pools would fail instead.
MAX_CONNECTIONS = 50
# Bytes from which commands get a connection of their own.
_LARGE = 65536
# Commands that await replies on a shared connection.
_MOST_OUTSTANDING = 10_000
# Seconds that a cancelled call awaits the reply to what cannot be taken back.
_GRACE = 1.0
# How often deadlines are looked at, as a share of the longest.
_TICK = 0.02
_NEARLY = 0.9


class Connection(Protocol):
    """The slice of ``redis.asyncio.Connection`` that is used."""

    # As redis-py has them.
    # ruff: disable[FBT001, FBT002]
    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = False) -> None: ...
    def should_reconnect(self) -> bool: ...

    # ruff: enable[FBT001, FBT002]


class Connections(Protocol):
    """Where connections to one server come from."""

    async def take(self) -> Connection:
        """Return a connected one."""
        ...

    async def give_back(self, connection: Connection) -> None:
        """Take one back, whatever its state."""
        ...


class Pool:
    """The pool of a ``redis.asyncio.Redis``."""

    def __init__(self, pool: object) -> None:
        self._pool = cast("Any", pool)
        self.size = min(self._pool.max_connections, MAX_CONNECTIONS)

    async def take(self) -> Connection:
        """Return a connected one; no more than ``size`` at once."""
        return cast("Connection", await self._pool.get_connection())

    async def give_back(self, connection: Connection) -> None:
        """Take one back."""
        await self._pool.release(connection)


class Node:
    """Commands to one server.

    Those of one turn of the event loop share a write on one connection. What is large or may block
    gets a connection of its own: it would keep the others waiting.

    Args:
        connections: Where connections come from.
        size: How many may be taken at once.
        host: Where the server is.
        shares: Whether callers share a connection and keep it: not one of a borrowed client.
        patience: Seconds without a reply after which a connection counts as dead.
    """

    def __init__(
        self,
        connections: Connections,
        size: int,
        *,
        shares: bool,
        patience: float,
        host: str = "",
    ) -> None:
        self.host = host
        self._connections = connections
        self._free = Semaphore(size, fast_acquire=True)
        self._owned = shares
        self._shares = shares and size > 1
        self._patience = patience
        self._queue: deque[Request] = deque()
        self._line: Line | None = None
        self._alone: set[Line] = set()
        self._connecting: asyncio.Task[None] | None = None
        self._is_flush_due = False
        self._is_closed = False
        self._clock: asyncio.TimerHandle | None = None

    def exchange(
        self, commands: Sequence[Command], deadline: float, *, alone: bool = False
    ) -> Awaitable[Replies]:
        """Send commands; give their replies, an error in its place as an exception.

        They are on their way when this returns, so that several nodes work at the same time; a
        coroutine, for those that need a connection of their own, must be awaited at once.

        Args:
            commands: The commands.
            deadline: Until when replies are awaited, on the monotonic clock.
            alone: Whether they need a connection of their own.

        Raises:
            BackendError: No connection; or it broke, ``in_doubt`` if commands may be applied.
        """
        data = pack(commands[0]) if len(commands) == 1 else b"".join(map(pack, commands))
        loop = asyncio.get_running_loop()
        request = Request(data, len(commands), deadline, loop.create_future())
        if alone or not self._shares or len(data) > _LARGE or self._is_closed:
            return self._exchange_alone(request)
        self._queue.append(request)
        if self._clock is None:
            self._clock = loop.call_later(self._patience * _TICK, self._tick)
        if not self._is_flush_due:
            self._is_flush_due = True
            loop.call_soon(self._flush)
        return request.done

    def _tick(self) -> None:
        """Fail what waits too long: one timer for all requests, as one each costs 10 µs."""
        self._clock = None
        now = monotonic()
        for request in self._queue:
            if request.deadline <= now:
                request.fail(lost(TimeoutError("no connection"), in_doubt=False))
        self._queue = deque(request for request in self._queue if not request.done.done())
        line = self._line
        if line is not None:
            # A request's time begins a moment before it is sent: what comes next must not go out on
            # a connection that this one's silence condemns.
            is_late = line.expire(now)
            line.give_up_after(self._patience * (_NEARLY if is_late else 1))
        if self._queue or (line is not None and line.outstanding):
            loop = asyncio.get_running_loop()
            self._clock = loop.call_later(self._patience * _TICK, self._tick)

    def _flush(self) -> None:
        """Write what is queued, as far as bounds allow."""
        self._is_flush_due = False
        if not self._queue:
            return
        line = self._line
        if line is None or line.is_lost:
            if self._connecting is None:
                self._connecting = asyncio.ensure_future(self._connect())
            return
        requests: list[Request] = []
        room = 0 if line.is_paused else _MOST_OUTSTANDING - line.outstanding
        while self._queue and self._queue[0].count <= room:
            request = self._queue.popleft()
            # Not what its caller left before it was sent.
            if not request.done.done():
                requests.append(request)
                room -= request.count
        line.is_full = bool(self._queue)
        if requests:
            line.send(requests)

    async def _connect(self) -> None:
        """Get a connection to share."""
        try:
            await self._drop()
            await self._free.acquire()
            try:
                async with asyncio.timeout(self._patience):
                    connection = await self._take()
            except BaseException:
                self._free.release()
                raise
            self._line = Line(connection, self._flush)
        except TimeoutError:
            pass  # Those who still wait have deadlines of their own: it is tried again.
        except Exception as exc:  # noqa: BLE001 - a credential provider's, say: it is the callers'
            self._fail_queued(exc)
        finally:
            self._connecting = None
        self._flush()

    def _fail_queued(self, exc: Exception) -> None:
        """Tell the callers of what was not sent why."""
        is_usual = isinstance(exc, (exceptions.RedisError, OSError))
        for request in self._queue:
            request.fail(lost(exc, in_doubt=False) if is_usual else exc)
        self._queue.clear()

    def reset(self) -> None:
        """Send no more on the shared connection: the server is not what it was."""
        if self._line is not None:
            self._line.retire()

    async def close(self) -> None:
        """Give back what is kept; calls under way get an error."""
        self._is_closed = True
        if self._clock is not None:
            self._clock.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._fail_queued(_closed())
        for line in self._alone if self._owned else ():
            line.abort()
        if self._line is not None:
            self._line.abort()
        await self._drop()

    async def _drop(self) -> None:
        """Give back the connection that was shared, once it is closed."""
        line = self._line
        if line is None:
            return
        if line.is_retired and line.outstanding:
            await line.ended.wait()
        line.abort()
        try:
            with CancelScope(shield=True):
                await line.connection.disconnect()
                await self._connections.give_back(line.connection)
        finally:
            self._line = None
            self._free.release()

    async def _take(self) -> Connection:
        connection = await self._connections.take()
        try:
            if is_stale(connection):
                await connection.disconnect()
                await connection.connect()
        except BaseException:
            with CancelScope(shield=True):
                await self._connections.give_back(connection)
            raise
        return connection

    async def _exchange_alone(self, request: Request) -> Replies:
        if self._is_closed:
            raise lost(_closed(), in_doubt=False)
        in_doubt = False
        try:
            async with asyncio.timeout(request.deadline - monotonic()), self._free:
                connection = await self._take()
                in_doubt = not self._is_closed
                return await self._exchange(connection, request)
        except BackendError:
            raise
        except (exceptions.RedisError, OSError) as exc:
            raise lost(exc, in_doubt=in_doubt) from exc

    async def _exchange(self, connection: Connection, request: Request) -> Replies:
        line = Line(connection, _nothing)
        self._alone.add(line)
        done, deadline = request.done, request.deadline
        try:
            if self._is_closed and self._owned:
                line.abort()
                raise _closed()
            line.send([request])
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            # What the server has whole will be applied: before the caller's next request, if its
            # reply is awaited. The rest must not arrive any more.
            if line.is_written and monotonic() < deadline:
                with CancelScope(shield=True):
                    await asyncio.wait([done], timeout=min(_GRACE, deadline - monotonic()))
            done.cancel()
            raise
        finally:
            self._alone.discard(line)
            with CancelScope(shield=True):
                if not line.hand_back():
                    await connection.disconnect(nowait=True)
                await self._connections.give_back(connection)


def _nothing() -> None:
    """Nobody waits for a connection that is not shared."""


def _closed() -> Exception:
    return exceptions.ConnectionError("the store is closed")
