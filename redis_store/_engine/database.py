"""Database: a store's keys and settings, and the requests to its servers.

Tests: ``tests/faults/test_outages.py``, ``tests/faults/test_replication.py``,
``tests/contract/test_clear.py``, ``tests/contract/test_cluster_costs.py``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from time import monotonic
from typing import Self, TypeVar

import anyio
from anyio import to_thread

from redis_store._connections.commands import (
    Argument,
    Command,
    Replies,
    Reply,
    Script,
    is_script_missing,
    text,
    with_source,
)
from redis_store._connections.deployment import Deployment
from redis_store._connections.loops import PerLoop
from redis_store._engine.fingerprints import is_large
from redis_store._engine.keys import Keys
from redis_store._engine.locks import KeyedLocks
from redis_store.errors import BackendError, ReplicationError

T = TypeVar("T")

# Values of strings by key; ``None`` is a missing one.
Values = dict[str, bytes | None]

# Records per read where many must be read; keys per step of maintenance.
READ_CHUNK = 500
SCAN_CHUNK = 200


# How long a loop in another thread may take to close its connections.
_CLOSE_SECONDS = 5.0


class LoopState:
    """What one event loop has of a database: futures, timers and locks belong to a loop.

    Attributes:
        deployment: The loop's connections, once it has asked for any.
        is_ready: Whether the deployment was found, and checked.
        connecting: Held by whoever connects or closes.
        locks: Serialise the writers of one record.
        worker: Held by what runs in a thread. One at a time: each thread that needs the CPU delays
            the loop by up to 5 ms, the interpreter's switch interval.
    """

    def __init__(self) -> None:
        self.deployment: Deployment | None = None
        self.is_ready = False
        self.connecting = anyio.Lock()
        self.locks = KeyedLocks()
        self.worker = anyio.CapacityLimiter(1)

    async def close(self) -> None:
        """Close the connections. Only in the loop itself."""
        async with self.connecting:
            deployment = self._take()
            if deployment is not None:
                await deployment.close()

    def drop(self) -> None:
        """Give up the connections of a loop that does not run any more."""
        deployment = self._take()
        if deployment is not None:
            deployment.drop()

    def abandon(self) -> None:
        """Leave the connections to the parent process, after a fork."""
        if self.deployment is not None:
            self.deployment.abandon()

    def _take(self) -> Deployment | None:
        deployment, self.deployment, self.is_ready = self.deployment, None, False
        return deployment


class Database:
    """Keys, settings and requests, shared by all domains of a store.

    Args:
        keys: Spells the keys.
        connect: Returns the connected deployment, connecting it first if need be.
        scans: Whether listings read every record instead of an index.
        thread_ttl: How long an unused thread lives; ``None`` is for ever.
        server_clock: Whether dates that the caller did not give are the server's.

    Attributes:
        loops: What each event loop that uses the database has of it.
    """

    def __init__(
        self,
        keys: Keys,
        connect: Callable[[], Awaitable[Deployment]],
        *,
        scans: bool = False,
        thread_ttl: timedelta | None = None,
        server_clock: bool = False,
    ) -> None:
        self.keys = keys
        self.scans = scans
        self.thread_ttl = thread_ttl
        self.server_clock = server_clock
        self.loops = PerLoop(LoopState, drop=LoopState.drop, abandon=LoopState.abandon)
        self._connect = connect

    @classmethod
    def over(cls, deployment: Deployment, keys: Keys) -> Self:
        """Build the database of a connected deployment."""

        async def connected() -> Deployment:
            return deployment

        return cls(keys, connected)

    @property
    def deployment(self) -> Deployment | None:
        """The deployment of the running event loop, if it is ready."""
        state = self.loops.get()
        return state.deployment if state.is_ready else None

    @property
    def has_other_loops(self) -> bool:
        """Whether another event loop, which is not closed, has connections."""
        running = asyncio.get_running_loop()
        return any(
            state.deployment is not None and loop is not running and not loop.is_closed()
            for loop, state in self.loops.items()
        )

    @property
    def locks(self) -> KeyedLocks:
        """Locks that serialise the writers of one record within the running event loop."""
        return self.loops.get().locks

    async def compute(self, size: int, function: Callable[[], T]) -> T:
        """Call a function that handles a value of that size: in a thread if it is large.

        A call into C keeps the loop waiting even from there, so the function handles a large value
        in parts.
        """
        if is_large(size):
            return await to_thread.run_sync(function, limiter=self.loops.get().worker)
        return function()

    async def close(self) -> None:
        """Close the connections of every event loop, each in its own loop."""
        for loop, state in self.loops.items():
            if loop is asyncio.get_running_loop():
                await state.close()
            elif not (loop.is_running() and await _closed_in(loop, state)):
                state.drop()

    async def send(
        self,
        commands: Sequence[Command],
        *,
        then: Sequence[Command] = (),
        repeatable: bool = True,
        checks_replicas: bool = True,
    ) -> Replies:
        """Send commands, one write to each node, and return their replies: one round trip.

        Commands on one slot are applied in order; on a cluster, those on different slots may not
        be. Scripts that the server has lost are sent again with their source: one more round trip.

        Args:
            commands: The commands.
            then: Commands to apply once the others have been; one more round trip on a cluster.
            repeatable: Whether commands may be applied twice, so that they can be sent again if
                the connection breaks before their replies arrive.
            checks_replicas: Whether to raise if too few replicas confirmed; else the caller checks
                ``confirmed`` of the replies.

        Raises:
            BackendError: The first error reply, or the connection failed.
            ReplicationError: Everything is written, but too few replicas confirmed it.
        """
        if not commands and not then:
            return Replies()
        deployment = self.deployment or await self._connect()
        # One server applies commands in order, so `then` may be part of the same write.
        together = [*commands, *then] if then and deployment.keeps_order else commands
        replies = await deployment.send(together, repeatable=repeatable)
        if replies.has_errors:
            await _resend_scripts(
                deployment, together, replies, len(commands), repeatable=repeatable
            )
        if len(replies) < len(commands) + len(then):
            replies.add(await self.send(then, repeatable=repeatable, checks_replicas=False))
        if checks_replicas and replies.confirmed is not None:
            self.require_replicas(replies.confirmed)
        return replies

    def require_replicas(self, confirmed: int | None) -> None:
        """Raise ReplicationError if too few replicas confirmed; ``None``: nobody asked."""
        deployment = self.deployment
        if confirmed is not None and deployment and confirmed < deployment.min_replicas:
            raise ReplicationError(confirmed, deployment.min_replicas)

    async def command(self, *command: Argument) -> Reply:
        """Send one command: one round trip."""
        return (await self.send((command,)))[0]

    def ask(self, command: Command) -> Awaitable[Reply]:
        """Send one read and return its reply, as ``command`` does but in less time: one round trip.

        Outside of a public call it is one, with a deadline of its own: see ``lookup``.
        """
        state = self.loops.get()
        if state.is_ready and state.deployment is not None:
            return state.deployment.ask(command)
        return self._ask_first(command)

    async def _ask_first(self, command: Command) -> Reply:
        began = monotonic()
        return await (await self._connect()).ask(command, began=began)

    async def run(
        self, script: Script, keys: list[str], args: list[Argument], *, repeatable: bool = True
    ) -> Reply:
        """Run one script: one round trip."""
        return (await self.send([script.call(keys, args)], repeatable=repeatable))[0]

    async def get(self, keys: Sequence[str]) -> Values:
        """Read strings: one MGET per slot, in one round trip. One of another type is missing."""
        groups = self.keys.by_slot(dict.fromkeys(keys))
        replies = await self.send([("MGET", *group) for group in groups])
        found: Values = {}
        for group, values in zip(groups, replies, strict=True):
            found.update(zip(group, values, strict=True))
        return found

    async def scan(
        self, pattern: str, kind: str, cursor: str = ""
    ) -> AsyncIterator[tuple[str, list[str]]]:
        """Scan the keyspace of every node, some thousand keys per round trip.

        Yields the cursor to continue from, and matching keys; a key may come more than once. Keys
        that are no UTF-8 are left out: ids are text, so they cannot be the store's.
        """
        deployment = self.deployment or await self._connect()
        while True:
            cursor, found = await deployment.scan(pattern, kind, cursor)
            yield cursor, [k for key in dict.fromkeys(found) if (k := text(key)) is not None]
            if not cursor:
                return

    async def clear(self, patterns: dict[str, str]) -> None:
        """Remove every key that matches a pattern and has its type. Scans the whole keyspace.

        Keys that are no UTF-8 stay: see ``scan``.
        """
        for pattern, kind in patterns.items():
            async for _, found in self.scan(pattern, kind):
                await self.send([("UNLINK", key) for key in found])


async def _closed_in(loop: asyncio.AbstractEventLoop, state: LoopState) -> bool:
    """Close the connections of a loop that runs in another thread; ``False`` if it is stuck."""
    closing = state.close()
    try:
        future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(closing, loop))
    except RuntimeError:  # the loop was closed just now
        closing.close()
        return False
    done, _ = await asyncio.wait([future], timeout=_CLOSE_SECONDS)
    return bool(done)


async def _resend_scripts(
    deployment: Deployment,
    commands: Sequence[Command],
    replies: Replies,
    first: int,
    *,
    repeatable: bool,
) -> None:
    """Send scripts that the server has lost again with their source; raise the first error reply.

    Commands after the ``first`` ones depend on those, so with any script they are sent again.
    """
    # NOSCRIPT means that the script did not run, so it may be sent again even if it is not
    # repeatable. The other commands of the first part did run, and must not be.
    lost = {at for at, reply in enumerate(replies) if is_script_missing(reply)}
    if lost:
        again = [at for at in range(len(commands)) if at in lost or at >= first]
        calls = [with_source(commands[at]) if at in lost else commands[at] for at in again]
        repeated = await deployment.send(calls, repeatable=repeatable)
        # The first answer of WAIT counts too: another node may have written at the first attempt.
        replies.confirm(repeated.confirmed)
        for at, reply in zip(again, repeated, strict=True):
            replies[at] = reply
    # Only now: raised earlier, the error of one command would leave scripts without a second try.
    for reply in replies:
        if isinstance(reply, BackendError):
            raise reply
