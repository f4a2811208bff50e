"""Deployment: the one interface to the servers, and what every topology does alike.

A call sends its commands once in the usual case. Commands that were not applied are sent again,
until the call's deadline.

Tests: ``tests/faults/test_outages.py``, ``tests/faults/test_server_errors.py``,
``tests/faults/test_lost_replies.py``, ``tests/property/test_shared_calls.py``.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

from redis_store._connections.avoided import Avoided
from redis_store._connections.commands import (
    Command,
    Replies,
    Reply,
    is_read,
    is_script_missing,
    with_source,
)
from redis_store._connections.current_call import Call, current_call, under_way
from redis_store._connections.errors import timed_out, translate
from redis_store._connections.limits import Limits
from redis_store._connections.multiplexer import Multiplexer
from redis_store._connections.pending_commands import PendingCommands
from redis_store._connections.pipelined import cut
from redis_store._connections.pools import Connection, Pool
from redis_store.errors import BackendError, BackendTimeoutError

# WAIT blocks for at most this share of the time left, and ends at least so many seconds before the
# deadline: servers check timeouts of blocked clients ten times a second, and its reply must come.
_WAIT_SHARE = 0.5
_WAIT_MARGIN = 0.3


# Error replies of a server that the connection should not lead to, or without a login: a primary
# that was demoted, and a connection on which the login was skipped. A new connection may cure them.
_MISDIRECTED = frozenset({"READONLY", "MASTERDOWN", "NOAUTH"})


class NodeBatch(NamedTuple):
    """One node's share of an attempt.

    Attributes:
        multiplexer: Sends to the node.
        positions: Which of the pending commands.
        asking: Whether each needs ASKING before it, as the node is only importing their slot.
    """

    multiplexer: Multiplexer
    positions: Sequence[int]
    asking: bool = False


class Deployment(ABC):
    """Connections to a server, to the servers behind sentinels, or to a cluster.

    Attributes:
        client: The redis.asyncio client whose connections are used.
        min_replicas: How many replicas must confirm a write.
        keeps_order: Whether commands to different slots are applied in their order too.
        retries: Whether temporary failures are retried until the deadline. Off during init, so that
            a wrong address fails at once, and after close.
    """

    keeps_order = True

    def __init__(self, client: object, limits: Limits) -> None:
        self.client: Any = client
        self.limits = limits
        self.min_replicas = limits.min_replicas
        self.retries = False
        # Kept, as to free a transport unregisters its socket from the epoll that a fork shares.
        self._parents_connections: list[list[Connection]] = []
        # When the primary first refused a write as a replica; None once it has taken one again.
        self._demoted_at: float | None = None
        # Reads go elsewhere, where there is a choice.
        self._avoided = Avoided(limits.silence)

    @abstractmethod
    async def discover(self) -> None:
        """Find the primaries.

        Raises:
            BackendError: They cannot be found, or it is another kind of deployment.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the connections, and the client unless it is borrowed."""

    @abstractmethod
    def _pools(self) -> list[Pool]:
        """Return the pools of all connections."""

    def drop(self) -> None:
        """Give up all connections without awaiting anything: their event loop was closed."""
        for pool in self._pools():
            for connection in pool.empty():
                cut(connection)

    def abandon(self) -> None:
        """Leave all connections to the parent process, after a fork: none is closed or freed."""
        self._parents_connections = [pool.empty() for pool in self._pools()]

    @abstractmethod
    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Scan some thousand keys of one node: one round trip.

        Args:
            pattern: A glob pattern.
            kind: The type of the values, or ``""`` for any.
            cursor: The cursor that the previous call returned; ``""`` to begin.

        Returns:
            The next cursor, ``""`` at the end of the last node, and the keys that matched.
        """

    async def send(self, commands: Sequence[Command], *, repeatable: bool = True) -> Replies:
        """Send commands, one write to each node, and return their replies: one round trip.

        An error reply is a ``BackendError`` in its place; it is not raised. Commands that were not
        applied for a temporary reason are sent again, until the call's deadline.

        Args:
            commands: The commands.
            repeatable: Whether commands whose reply was lost may be sent again, so that they may be
                applied twice.

        Raises:
            BackendUnavailableError: No connection, or it was lost; writes may have been applied
                where ``details["in_doubt"]`` says so.
            BackendTimeoutError: No reply in time; writes may have been applied.
        """
        deadline = self._deadline()
        confirms = self.min_replicas and self._needs_confirmation(commands)
        multiplexer = None if confirms else self._only_node(commands)
        outcome: Replies | BackendError | None = None
        if multiplexer is not None:
            # The usual case ends here: it needs no bookkeeping for retries.
            try:
                outcome = await multiplexer.send(commands, deadline)
                if not outcome.has_errors:
                    if self._demoted_at is not None and not all(map(is_read, commands)):
                        self._demoted_at = None
                    return outcome
            except BackendError as error:
                outcome = error
        pending = PendingCommands(commands, repeatable=repeatable)
        if multiplexer is not None and outcome is not None:
            self._record(pending, NodeBatch(multiplexer, pending.take()), outcome)
        return await self._finish(pending)

    async def ask(self, command: Command, *, began: float | None = None) -> Reply:
        """Send one read, and return its reply or raise its error: one round trip.

        As ``send``, but a lost script is sent again with its source; and outside of a public call
        it is one that ``began`` now or earlier, whose context is made only in trouble.
        """
        call = current_call.get()
        start = call.began if call else began or monotonic()
        multiplexer = self._node_to_ask(command)
        outcome: Reply | BackendError = None
        if multiplexer is not None:
            try:
                outcome = await multiplexer.ask(command, start + self.limits.timeout)
                if not isinstance(outcome, Exception):
                    return outcome
            except BackendError as error:
                outcome = error
        with under_way(call or Call(start, read_only=True)):
            return await self._ask_again(command, multiplexer, outcome)

    async def _ask_again(
        self, command: Command, multiplexer: Multiplexer | None, outcome: Reply | BackendError
    ) -> Reply:
        """Do what ``send`` does if the first attempt had this outcome; without one, if none."""
        if multiplexer is None:
            (reply,) = await self.send((command,))
        else:
            failed = outcome if isinstance(outcome, BackendError) else Replies([outcome])
            pending = PendingCommands((command,), repeatable=True)
            self._record(pending, NodeBatch(multiplexer, pending.take()), failed)
            (reply,) = await self._finish(pending)
        if is_script_missing(reply):
            (reply,) = await self.send((with_source(command),))
        if isinstance(reply, BackendError):
            raise reply
        return reply

    async def _finish(self, pending: PendingCommands) -> Replies:
        """Send what is pending until nothing is, and return the replies."""
        self._raise_unless_retrying(pending)
        if pending.positions:
            await self._retry(pending, self._attempt)
        return pending.replies

    async def send_to_primaries(self, commands: Sequence[Command]) -> list[list[Reply]]:
        """Send the same commands to every primary; return the replies of each: one round trip.

        Raises:
            BackendError: As ``send`` does.
        """
        return [await self.send(commands)]

    @abstractmethod
    def _only_node(self, commands: Sequence[Command]) -> Multiplexer | None:
        """Return the node that serves all commands; ``None`` if they go to several."""

    @abstractmethod
    def _node_to_ask(self, command: Command) -> Multiplexer | None:
        """Return the node that serves a read; ``None`` if replicas may, or there is none."""

    @abstractmethod
    def _assign(self, pending: PendingCommands) -> list[NodeBatch]:
        """Take the pending commands and divide them among the nodes."""

    async def _attempt(self, pending: PendingCommands) -> None:
        """Send the pending commands once."""
        await self._send_batches(pending, self._assign(pending))

    async def _retry(
        self, pending: PendingCommands, attempt: Callable[[PendingCommands], Awaitable[None]]
    ) -> None:
        """Attempt until no command is pending, or the call's deadline passes."""
        try:
            async with asyncio.timeout(self._deadline() - monotonic()):
                while True:
                    await attempt(pending)
                    if not pending.positions:
                        return
                    self._raise_unless_retrying(pending)
                    await asyncio.sleep(pending.pause())
        except TimeoutError as exc:
            # An attempt's BackendTimeoutError is a TimeoutError too, and says more.
            if isinstance(exc, BackendError):
                raise
            if pending.error is None or isinstance(pending.error, BackendTimeoutError):
                in_doubt = not all(map(is_read, pending.commands))
                raise timed_out(self.limits.timeout, in_doubt=in_doubt) from exc
            raise pending.exhausted() from exc

    def _raise_unless_retrying(self, pending: PendingCommands) -> None:
        if pending.positions and pending.error is not None and not self.retries:
            raise pending.error

    async def _send_batches(self, pending: PendingCommands, batches: Sequence[NodeBatch]) -> None:
        """Send to all nodes at once, await every reply, and record them."""
        if not batches:
            return
        sent = [asyncio.ensure_future(self._send_batch(pending, batch)) for batch in batches]
        try:
            await asyncio.wait(sent)
        except asyncio.CancelledError:
            for future in sent:
                future.cancel()
            # One on a dedicated connection still waits for the reply to what it wrote. Were it left
            # behind, the caller's next request could be applied first.
            await asyncio.wait(sent)
            raise
        # Record all before raising: an exception that nobody retrieves is logged by asyncio.
        errors: list[Exception] = []
        for batch, future in zip(batches, sent, strict=True):
            try:
                self._record(pending, batch, _outcome(future))
            except Exception as error:  # noqa: BLE001 - the first is raised below
                errors.append(error)
        if errors:
            raise errors[0]

    def _send_batch(self, pending: PendingCommands, batch: NodeBatch) -> Awaitable[Replies]:
        commands = [pending.commands[position] for position in batch.positions]
        confirms = self._needs_confirmation(commands)
        if batch.asking:
            commands = [each for command in commands for each in (("ASKING",), command)]
        if confirms:
            left = self._deadline() - monotonic()
            seconds = min(left * _WAIT_SHARE, left - _WAIT_MARGIN)
            commands.append(("WAIT", self.min_replicas, max(1, int(seconds * 1000))))
        # WAIT blocks its connection, and counts only the writes of that connection.
        return batch.multiplexer.send(commands, self._deadline(), dedicated=confirms)

    def _record(
        self, pending: PendingCommands, batch: NodeBatch, outcome: Replies | BackendError
    ) -> None:
        """Record one node's replies, or that there are none."""
        if isinstance(outcome, BackendError):
            self._avoided.add(batch.multiplexer)
            pending.lose(batch.positions, outcome)
            return
        step = 2 if batch.asking else 1
        if len(outcome) > step * len(batch.positions):
            confirmed = outcome.pop()
            pending.replies.confirm(confirmed if isinstance(confirmed, int) else 0)
        for position, reply in zip(batch.positions, outcome[step - 1 :: step], strict=True):
            self._record_reply(pending, position, reply, batch.multiplexer)

    def _record_reply(
        self, pending: PendingCommands, position: int, reply: Reply, multiplexer: Multiplexer
    ) -> None:
        """Record a reply. A server that is no longer the primary is left, and its successor asked.

        During init it is not: a plainly wrong address fails at once.
        """
        if not isinstance(reply, Exception):
            if self._demoted_at is not None and not is_read(pending.commands[position]):
                self._demoted_at = None
        elif self.retries:
            error = translate(reply)
            error.__cause__ = reply
            reason = error.details["reason"]
            if reason in _MISDIRECTED:
                multiplexer.reconnect("the server is not the primary, or the login was skipped")
            if (reason in _MISDIRECTED and pending.attempts == 1) or (
                reason == "READONLY" and self._is_failing_over()
            ):
                pending.requeue([position], error)
                return
        pending.resolve(position, reply)

    def _is_failing_over(self) -> bool:
        """Whether to wait for the primary: until one timeout after the first refused write.

        An address that leads to a replica for good costs that once. Later writes are tried on one
        more connection, and fail.
        """
        now = monotonic()
        if self._demoted_at is None:
            self._demoted_at = now
        return now - self._demoted_at < self.limits.timeout

    def _needs_confirmation(self, commands: Sequence[Command]) -> bool:
        """Whether replicas must confirm any of the commands."""
        return self.min_replicas > 0 and not all(map(is_read, commands))

    def _deadline(self) -> float:
        """Return the current call's deadline, on the monotonic clock."""
        call = current_call.get()
        return (call.began if call else monotonic()) + self.limits.timeout


def _outcome(future: asyncio.Future[Replies]) -> Replies | BackendError:
    try:
        return future.result()
    except BackendError as error:
        return error
