"""What every deployment does alike: it sends again what was not applied, until a deadline."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from redis_store._connections.commands import Command, Replies, Reply, is_read
from redis_store._connections.current_call import CURRENT
from redis_store._connections.errors import translate
from redis_store._connections.multiplexer import Node
from redis_store.errors import BackendError, BackendTimeoutError, BackendUnavailableError

_LONGEST_PAUSE = 0.25
# What WAIT leaves of the call's time, in parts and in seconds at least, so that its answer comes
# before the deadline: a server looks ten times a second whether a client has waited enough.
_WAIT_SHARE = 0.5
_WAIT_SLACK = 0.3

# Refusals that pass: the command was not applied.
_PASSING = frozenset({"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"})
# Trouble with a connection that does not pass by itself.
_FINAL = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a store asks of its connections.

    Attributes:
        timeout: Seconds for a public call, retries included.
        min_replicas: How many replicas must confirm a write.
    """

    timeout: float
    min_replicas: int = 0


class Job:
    """Commands on their way: what is answered, and what must be sent again."""

    def __init__(self, commands: Sequence[Command], *, repeatable: bool) -> None:
        self.commands = commands
        self.replies = Replies([None] * len(commands))
        self.pending: list[int] = list(range(len(commands)))
        self.error: BackendError | None = None
        # Where the next attempt of a command must ask for a slot that is being moved.
        self.asking: dict[int, Any] = {}
        self._repeatable = repeatable

    def lost(self, positions: Sequence[int], error: BackendError) -> None:
        """Note that commands got no reply; raise unless they can be sent again."""
        lost = isinstance(error, (BackendUnavailableError, BackendTimeoutError))
        in_doubt = error.details.get("in_doubt", False) and not self._repeatable
        if not lost or in_doubt or error.details["reason"] in _FINAL:
            raise error
        self.refused(positions, error)

    def refused(self, positions: Sequence[int], error: BackendError) -> None:
        """Note that commands were not applied, and must be sent again."""
        self.error = error
        self.pending += positions

    def take(self, at: int, reply: Reply) -> None:
        """Note a reply."""
        if not isinstance(reply, Exception):
            self.replies[at] = reply
            return
        error = translate(reply)
        error.__cause__ = reply
        if error.details["reason"] in _PASSING:
            self.refused([at], error)
        else:
            self.replies[at] = error
            self.replies.has_errors = True


class Part(NamedTuple):
    """What one node gets of a job.

    Attributes:
        node: The node.
        positions: Which of the commands.
        asking: Whether the node does not own their slot yet.
    """

    node: Node
    positions: Sequence[int]
    asking: bool = False


class Deployment(ABC):
    """Connections to one deployment: see ``client.Client``.

    Attributes:
        raw: The client of redis.asyncio.
        patient: Whether trouble that may pass is waited for; not while the store initialises.
    """

    keeps_order = True

    def __init__(self, raw: object, limits: Limits) -> None:
        self.raw: Any = raw
        self.limits = limits
        self.min_replicas = limits.min_replicas
        self.patient = False

    @abstractmethod
    async def connect(self) -> None:
        """Find the deployment.

        Raises:
            BackendError: It cannot be reached, or is none of this kind.
        """

    @abstractmethod
    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Look at some keys: see ``Client.scan``."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections, unless the client is borrowed."""

    async def send(self, commands: Sequence[Command], *, repeatable: bool = True) -> Replies:
        """Send commands: see ``Client.send``."""
        waits = self.min_replicas and self._waits_for(commands)
        node = None if waits else self._only_node(commands)
        answer: Replies | BackendError | None = None
        if node is not None:
            # The usual case, without what only trouble needs.
            try:
                answer = await node.exchange(commands, self._deadline())
            except BackendError as error:
                answer = error
            else:
                if not answer.has_errors:
                    return answer
        job = Job(commands, repeatable=repeatable)
        if node is not None and answer is not None:
            self._note(job, answer, node)
        if job.pending:
            await self._finish(job, self._round)
        return job.replies

    def _note(self, job: Job, answer: Replies | BackendError, node: Node) -> None:
        """Note what became of a first attempt; raise where there shall be no other."""
        positions, job.pending = job.pending, []
        if isinstance(answer, BackendError):
            job.lost(positions, answer)
        else:
            for at, reply in enumerate(answer):
                self._take(job, at, reply, node)
        if job.pending and not self.patient and job.error is not None:
            raise job.error

    @abstractmethod
    def _only_node(self, commands: Sequence[Command]) -> Node | None:
        """Return the node that all commands go to, if there is just one."""

    async def _finish(self, job: Job, attempt: Callable[[Job], Awaitable[None]]) -> None:
        """Attempt until nothing is pending, or the call's deadline passes."""
        try:
            async with asyncio.timeout(self._deadline() - monotonic()):
                for pause in _pauses():
                    await attempt(job)
                    if not job.pending:
                        return
                    if not self.patient and job.error is not None:
                        raise job.error
                    await asyncio.sleep(pause)
        except TimeoutError as exc:
            if isinstance(exc, BackendError):
                raise
            if job.error is None or isinstance(job.error, BackendTimeoutError):
                raise _late(self.limits.timeout, job.commands) from exc
            raise job.error from exc

    @abstractmethod
    async def _round(self, job: Job) -> None:
        """Send what is pending, once."""

    async def _exchange(self, job: Job, parts: Sequence[Part]) -> None:
        """Send parts at once and await all replies; what got none is pending again."""
        if not parts:
            return
        sent = [asyncio.ensure_future(self._send(job, part)) for part in parts]
        try:
            await asyncio.wait(sent)
        except asyncio.CancelledError:
            for replies in sent:
                replies.cancel()
            await asyncio.wait(sent)
            raise
        errors: list[Exception] = []
        for part, replies in zip(parts, sent, strict=True):
            try:
                self._take_all(job, part, replies)
            except Exception as error:  # noqa: BLE001 - raised below, when all are looked at
                errors.append(error)
        if errors:
            raise errors[0]

    def _send(self, job: Job, part: Part) -> Awaitable[Replies]:
        commands = [job.commands[at] for at in part.positions]
        waits = self._waits_for(commands)
        if part.asking:
            commands = [each for command in commands for each in (("ASKING",), command)]
        if waits:
            left = self._deadline() - monotonic()
            seconds = min(left * _WAIT_SHARE, left - _WAIT_SLACK)
            commands.append(("WAIT", self.min_replicas, max(1, int(seconds * 1000))))
        return part.node.exchange(commands, self._deadline(), alone=waits)

    def _take_all(self, job: Job, part: Part, sent: asyncio.Future[Replies]) -> None:
        """Note the replies to a part."""
        try:
            replies = sent.result()
        except BackendError as error:
            job.lost(part.positions, error)
            return
        each = 2 if part.asking else 1
        if len(replies) > each * len(part.positions):
            confirmed = replies.pop()
            job.replies.confirm(confirmed if isinstance(confirmed, int) else 0)
        for at, reply in zip(part.positions, replies[each - 1 :: each], strict=True):
            self._take(job, at, reply, part.node)

    def _waits_for(self, commands: Sequence[Command]) -> bool:
        """Whether replicas must confirm these."""
        return self.min_replicas > 0 and not all(map(is_read, commands))

    def _take(self, job: Job, at: int, reply: Reply, node: Node) -> None:  # noqa: ARG002
        """Note what a node replied."""
        job.take(at, reply)

    def _deadline(self) -> float:
        """Return until when the call may go on, on the monotonic clock."""
        call = CURRENT.get()
        return (call.began if call else monotonic()) + self.limits.timeout


def _pauses() -> Iterator[float]:
    """Seconds between attempts: none at first, as a redirected command need not wait."""
    yield 0.0
    pause = 0.005
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def _late(seconds: float, commands: Sequence[Command]) -> BackendTimeoutError:
    in_doubt = not all(map(is_read, commands))
    return BackendTimeoutError(
        f"no answer within {seconds:g} s" + ("; a write may have been applied" * in_doubt),
        code="BACKEND_TIMEOUT",
        details={"reason": "TIMEOUT", "in_doubt": in_doubt, "seconds": seconds},
    )
