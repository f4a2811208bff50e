"""Multiplexer: many callers share one pipelined connection to a server.

Commands are packed once and written once. A request is never written twice here: if its reply was
lost, it may have been applied, and only the caller knows whether it may be repeated.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from math import inf
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from anyio import CancelScope, Semaphore
from redis import exceptions

from redis_store._connections.commands import Command, Replies, Reply
from redis_store._connections.errors import unanswered
from redis_store._connections.limits import PROBE_AFTER
from redis_store._connections.pipelined import PipelinedConnection, Request, is_stale, pack
from redis_store._connections.pools import Connection, Pool, lost_if_closed
from redis_store.errors import BackendError

# Commands in flight on the shared connection.
MAX_IN_FLIGHT = 10_000
# Larger requests get a dedicated connection. At 14 bytes or more per command, a shared request has
# fewer than MAX_IN_FLIGHT commands, so it always fits in the end.
_LARGE_BYTES = 65536
# Seconds that a cancelled call waits for the reply to what the server has already received.
_CANCEL_GRACE = 1.0
_CLOSED = "the store is closed"
# How often deadlines are checked, as a share of the timeout.
_CHECK_INTERVAL = 0.02
_NEARLY_SILENT = 0.9
# An idle connection is probed for so much of the timeout.
_PROBE_SHARE = 0.2
_PROBE = pack(("PING",))


class Multiplexer:
    """Sends the requests of many callers to one server.

    Requests of the same turn of the event loop share one write on the shared connection. Large and
    blocking ones get a dedicated connection, as they would delay the others.

    Args:
        pool: Where connections come from.
        owned: Whether the pool is the store's own. A connection of a borrowed client is not kept:
            each request acquires a dedicated one.
        timeout: Seconds without a reply after which a connection counts as dead.
        probe_after: Seconds of idleness after which a connection is probed before it is used.
        host: The server's host; a cluster redirect may omit it.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        owned: bool,
        timeout: float,
        probe_after: float = PROBE_AFTER,
        host: str = "",
    ) -> None:
        self.host = host
        self._pool = pool
        self._owned = owned
        # The shared connection is kept, so of a single one a dedicated request would never get any.
        self._shares = owned and pool.size > 1
        self._timeout = timeout
        self._probe_after = probe_after
        self._available = Semaphore(pool.size, fast_acquire=True)
        self._queue: deque[Request] = deque()
        self._shared: PipelinedConnection | None = None
        self._dedicated: set[PipelinedConnection] = set()
        # When connections last answered; -inf for those that must not be used again as they are.
        self._last_answers: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        self._connecting: asyncio.Task[None] | None = None
        self._deadline_timer: asyncio.TimerHandle | None = None
        self._next_check = 0.0
        self._is_flush_due = False
        self._is_closed = False

    def send(
        self, commands: Sequence[Command], deadline: float, *, dedicated: bool = False
    ) -> Awaitable[Replies]:
        """Send commands and return their replies; an error reply is an exception in its place.

        On the shared connection they are queued before this returns, so that several servers can
        be sent to before any is awaited. Otherwise it returns a coroutine, to be awaited at once.

        Args:
            commands: The commands.
            deadline: When to stop waiting, on the monotonic clock.
            dedicated: Whether to use a dedicated connection, because they block.

        Raises:
            BackendError: No connection, no reply in time, or the connection was lost;
                ``details["in_doubt"]`` says whether the commands may have been applied.
        """
        future = asyncio.get_running_loop().create_future()
        return self._send(Request(pack(*commands), len(commands), deadline, future, dedicated))

    def ask(self, command: Command, deadline: float) -> Awaitable[Reply]:
        """Send one command and return its reply: as ``send``, without a list of replies."""
        future = asyncio.get_running_loop().create_future()
        return self._send(Request(pack(command), 1, deadline, future, replies=None))

    def _send(self, request: Request) -> Awaitable[Any]:
        is_large = len(request.data) > _LARGE_BYTES
        if request.blocks or is_large or not self._shares or self._is_closed:
            return self._send_dedicated(request)
        self._queue.append(request)
        if self._deadline_timer is None:
            self._start_timer()
        if not self._is_flush_due:
            self._is_flush_due = True
            request.future.get_loop().call_soon(self._flush)
        return request.future

    def reconnect(self, reason: str) -> None:
        """Use new connections from now on; those in use close once their replies have come."""
        self._distrust_pool()
        for pipelined in (*self._dedicated, *filter(None, [self._shared])):
            pipelined.drain(reason)

    def _distrust_pool(self) -> None:
        """Let no connection of the pool be used again as it is."""
        for connection in list(self._last_answers):
            self._last_answers[connection] = -inf

    async def close(self) -> None:
        """Close the connections; calls under way fail."""
        self._is_closed = True
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._fail_queued(exceptions.ConnectionError(_CLOSED))
        # Those of a borrowed client are not ours to close: their requests end first.
        for connection in self._dedicated if self._owned else ():
            connection.invalidate(_CLOSED)
        if self._shared is not None:
            self._shared.invalidate(_CLOSED)
        await self._close_shared()

    def _flush(self) -> None:
        """Serve the queue. Due whenever a request, capacity or a connection arrives."""
        self._is_flush_due = False
        if not self._queue or self._connecting is not None:
            return
        # A queued request is served in one of three ways:
        # 1. there is no usable connection, or one that was idle for long: one task connects, or
        #    probes the idle one, and flushes when it ends;
        # 2. the connection has capacity: the request joins this write;
        # 3. it is paused or full: the request waits, and the connection calls back.
        shared = self._shared
        if shared is None or not shared.usable or shared.is_idle(self._probe_after):
            connecting = asyncio.ensure_future(self._connect())
            # An eager task may have ended, and flushed, before it is returned.
            if not connecting.done():
                self._connecting = connecting
            return
        requests, queue = list[Request](), self._queue
        capacity = 0 if shared.paused else MAX_IN_FLIGHT - shared.in_flight
        while queue and queue[0].count <= capacity:
            request = queue.popleft()
            # A request whose caller was cancelled before the write is never written.
            if not request.future.done():
                requests.append(request)
                capacity -= request.count
        shared.full = bool(queue)
        if requests:
            shared.write(requests)

    def _start_timer(self) -> None:
        delay = self._timeout * _CHECK_INTERVAL
        self._next_check = monotonic() + delay
        loop = asyncio.get_running_loop()
        self._deadline_timer = loop.call_later(delay, self._check_deadlines)

    def _check_deadlines(self) -> None:
        """Fail expired requests. One timer for all of them, as one for each costs 10 µs."""
        self._deadline_timer = None
        now = monotonic()
        for request in self._queue:
            if request.deadline <= now:
                request.fail(unanswered(TimeoutError("no connection"), in_doubt=False))
        self._queue = deque(request for request in self._queue if not request.future.done())
        shared, any_expired = self._shared, False
        if shared is not None:
            any_expired = shared.expire(now)
        # If the event loop was blocked, replies may be there that it has not read.
        if now - self._next_check < self._timeout * _CHECK_INTERVAL:
            # A request is queued shortly before it is written, so it can expire before the
            # connection has been silent for the full timeout. Give up at 90 % then; else the retry
            # goes to the dead connection.
            silence = self._timeout * (_NEARLY_SILENT if any_expired else 1)
            for pipelined in (*self._dedicated, *filter(None, [shared])):
                pipelined.invalidate_if_silent(silence)
        if self._queue or self._dedicated or (shared is not None and shared.in_flight):
            self._start_timer()

    async def _connect(self) -> None:
        """Replace the shared connection, unless it was only idle and still answers."""
        try:
            if self._shared is None or not await self._answers(self._shared):
                await self._replace_shared()
        except Exception as exc:  # noqa: BLE001 - any, such as a credential provider's: callers get it
            self._fail_queued(exc)
        finally:
            # Before the flush, which connects again only while no task does.
            self._connecting = None
        self._flush()

    async def _replace_shared(self) -> None:
        await self._close_shared()
        await self._available.acquire()
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._acquire()
        except BaseException:
            self._available.release()
            raise
        self._shared = PipelinedConnection(connection, self._flush)

    async def _answers(self, pipelined: PipelinedConnection) -> bool:
        """Whether a connection answers, within a share of the timeout."""
        if not pipelined.usable:
            return False
        seconds = self._timeout * _PROBE_SHARE
        future = asyncio.get_running_loop().create_future()
        pipelined.write([Request(_PROBE, 1, monotonic() + seconds, future)])
        try:
            async with asyncio.timeout(seconds):
                await future
        except (TimeoutError, BackendError):
            # What happened to one may have happened to all: they are not probed one by one.
            self._distrust_pool()
            return False
        return pipelined.usable

    def _fail_queued(self, exc: Exception) -> None:
        """Fail the requests that were never written."""
        is_translatable = isinstance(exc, (exceptions.RedisError, OSError))
        for request in self._queue:
            request.fail(unanswered(exc, in_doubt=False) if is_translatable else exc)
        self._queue.clear()

    async def _close_shared(self) -> None:
        """Close the shared connection and release it to the pool."""
        shared = self._shared
        if shared is None:
            return
        if shared.draining:
            await shared.closed.wait()
        shared.invalidate("the connection was closed")
        try:
            with CancelScope(shield=True):
                await shared.connection.disconnect()
                await self._pool.release(shared.connection)
        finally:
            # Not before the pool has the connection: the next holder of the permit acquires it, and
            # an exhausted pool raises.
            self._shared = None
            self._available.release()

    async def _acquire(self) -> Connection:
        """Acquire a connection that is alive. The caller holds a permit."""
        with lost_if_closed():
            connection = await self._pool.acquire()
            try:
                if not await self._is_alive(connection):
                    await connection.disconnect()
                    await connection.connect()
                    self._last_answers[connection] = monotonic()
            except BaseException:
                with CancelScope(shield=True):
                    # It may be open without a login: it must not be kept so.
                    await connection.disconnect(nowait=True)
                    await self._pool.release(connection)
                raise
            return connection

    async def _is_alive(self, connection: Connection) -> bool:
        """Whether a connection of the pool can be used as it is; an idle one is probed."""
        if is_stale(connection):
            return False
        # One that was never used here is new, unless it is the caller's: that may have been idle.
        last_answer = self._last_answers.get(connection, monotonic() if self._owned else 0.0)
        if last_answer == -inf or monotonic() - last_answer < self._probe_after:
            return last_answer != -inf
        pipelined = PipelinedConnection(connection)
        if await self._answers(pipelined) and pipelined.reusable:
            pipelined.hand_back()
            return True
        pipelined.invalidate("the connection was idle, and does not answer")
        return False

    async def _send_dedicated(self, request: Request) -> Any:
        if self._is_closed:
            raise unanswered(exceptions.ConnectionError(_CLOSED), in_doubt=False)
        in_doubt = False
        try:
            async with asyncio.timeout(request.deadline - monotonic()), self._available:
                async with asyncio.timeout(self._timeout):
                    connection = await self._acquire()
                in_doubt = not self._is_closed
                return await self._round_trip(connection, request)
        except BackendError:
            raise
        except (exceptions.RedisError, OSError) as exc:
            raise unanswered(exc, in_doubt=in_doubt) from exc

    async def _round_trip(self, connection: Connection, request: Request) -> Any:
        """Send one request over a dedicated connection, and release it."""
        pipelined = PipelinedConnection(connection)
        self._dedicated.add(pipelined)
        future, deadline = request.future, request.deadline
        try:
            # close() may have run while this connected, and has not seen this connection.
            if self._is_closed and self._owned:
                pipelined.invalidate(_CLOSED)
                raise exceptions.ConnectionError(_CLOSED)
            pipelined.write([request])
            if self._deadline_timer is None:
                self._start_timer()
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # A request that the server has received will be applied. Wait for its reply, so that
            # it is applied before the caller's next request; a request that was written in part is
            # cut off by closing the connection below.
            if pipelined.flushed and monotonic() < deadline:
                with CancelScope(shield=True):
                    await asyncio.wait([future], timeout=min(_CANCEL_GRACE, deadline - monotonic()))
            future.cancel()
            raise
        finally:
            self._dedicated.discard(pipelined)
            with CancelScope(shield=True):
                if pipelined.reusable:
                    pipelined.hand_back()
                    self._last_answers[connection] = monotonic()
                else:
                    pipelined.invalidate("the call ended")
                    await connection.disconnect(nowait=True)
                await self._pool.release(connection)
