"""Applies a plan: one script in the plain layout, an order of them in the hash-tagged one.

There every slot that needs a script gets one call, and plain commands ride along with the last:
first the claims of message ids (hints), then the threads (truth), then the remaining hints. What a
crash leaves in between is a hint without a record, which readers skip.

A script whose reply was lost is run again: its checks tell whether it was applied the first time.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from redis_store._connections.commands import Command, Replies, Reply
from redis_store._engine.database import Batch
from redis_store._engine.plan import Found, Part, Plan
from redis_store._engine.scripts import REWRITE
from redis_store.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ReplicationError,
)

# Removes copies of messages from a thread that their index does not lead to.
Evict = Callable[[str, Sequence[str]], Awaitable[None]]


class Commit:
    """Applies one plan, once.

    Args:
        batch: The way to the server.
        plan: What to do.
        evict: Removes copies that a move leaves.
        repeatable: See ``Transaction``.
    """

    def __init__(self, batch: Batch, plan: Plan, evict: Evict, *, repeatable: bool) -> None:
        self._batch = batch
        self._plan = plan
        self._evict = evict
        self._repeatable = repeatable
        self._confirmed: list[Reply] = []
        self._in_doubt: BackendError | None = None
        self._unconfirmed: ReplicationError | None = None

    async def run(self) -> Found:
        """Apply the plan; return the keys whose checks refused it."""
        scripted = [part for part in self._plan.parts.values() if part.needs_script]
        refused: Found = {}
        if self._plan.claims or len(scripted) > 1:
            refused = await self._prepare(scripted)
        refused = refused or await self._take_over() or await self._write(scripted)
        if not refused:
            if self._plan.follows:
                await self._follow()
            if self._unconfirmed is not None:
                raise self._unconfirmed
        return refused

    def _loose(self) -> list[Command]:
        parts = [part for part in self._plan.parts.values() if not part.needs_script]
        return [command for part in parts for command in part.commands()]

    async def _prepare(self, scripted: list[Part]) -> Found:
        """Claim ids, and check every part before the first one writes: no script spans slots."""
        claim = self._plan.claims.claim()
        checks = [part.script(checks_only=True) for part in scripted]
        replies = await self._send([*claim, *checks])
        claimed, checked = replies[: len(claim)], replies[len(claim) :]
        refused = self._plan.claims.refused(claimed)
        for reply in checked:
            refused |= _refused(reply)
        if refused:
            await self._send(self._plan.claims.release(claimed))
        return refused

    async def _take_over(self) -> Found:
        """Take the ids that move; all or none."""
        if not self._plan.claims:
            return {}
        refused = self._plan.claims.not_taken(await self._send(self._plan.claims.take_over()))
        if refused:
            await self._send(self._plan.claims.give_back())
        return refused

    async def _write(self, scripted: list[Part]) -> Found:
        """Write part by part, after those that only check."""
        results: list[tuple[Callable[[Any], None], Any]] = []
        steps = _steps(scripted)
        for parts in steps:
            refused = await self._write_parts(parts, results, is_last=parts is steps[-1])
            if refused and not self._was_applied(refused):
                await self._undo_moves()
                return refused
            if refused:
                self._plan.dropped = self._plan.dropping
                await self._send(_no_change(refused))
        for take, result in results:
            take(result)
        return {}

    async def _write_parts(
        self,
        parts: list[Part],
        results: list[tuple[Callable[[Any], None], Any]],
        *,
        is_last: bool,
    ) -> Found:
        """Run scripts at once; hints and the confirmation ride along with the last ones."""
        hints, confirm = (self._plan.hints, self._plan.claims.confirm()) if is_last else ([], [])
        replies = await self._apply([*hints, *(part.script() for part in parts)], confirm)
        end = len(hints) + len(parts)
        self._plan.hinted, self._confirmed = replies[: len(hints)], replies[end:]
        refused: Found = {}
        for part, reply in zip(parts, replies[len(hints) : end], strict=True):
            if reply[0]:
                results += zip(part.results, reply[1:], strict=True)
            else:
                refused |= _refused(reply)
        return refused

    async def _apply(self, commands: Sequence[Command], confirm: Sequence[Command]) -> Replies:
        """Send what writes; once more where its reply was lost, as the checks tell what became."""
        self._in_doubt = None
        try:
            return await self._send(commands, then=confirm, repeatable=False)
        except (BackendUnavailableError, BackendTimeoutError) as error:
            if not error.details.get("in_doubt"):
                raise
            self._in_doubt = error
        return await self._send(commands, then=confirm)

    def _was_applied(self, refused: Found) -> bool:
        """Whether a second attempt was refused because the first one was applied.

        Raises:
            BackendError: Nobody can tell, and to repeat the change might do harm.
        """
        if self._in_doubt is None:
            return False
        if all(
            key in self._plan.outcomes and self._plan.outcomes[key] == refused[key]
            for key in refused
        ):
            return True
        if not self._repeatable:
            raise self._in_doubt
        return False

    async def _send(
        self, commands: Sequence[Command], *, then: Sequence[Command] = (), repeatable: bool = True
    ) -> Replies:
        """Send commands; that too few replicas confirm them must not stop what is to follow."""
        if not commands and not then:
            return Replies()
        try:
            return await self._batch.send(commands, then=then, repeatable=repeatable)
        except ReplicationError as error:
            self._unconfirmed = error
            return cast("Replies", error.replies)

    async def _undo_moves(self) -> None:
        """Give ids back to where their messages are, and remove the copies made so far."""
        await self._send(self._plan.claims.give_back())
        for thread_id, ids in self._plan.claims.arrivals().items():
            await self._evict(thread_id, ids)

    async def _follow(self) -> None:
        """Write what may only follow the threads, and settle whose the messages are."""
        forgetting = self._plan.claims.forgetting()
        there = self._plan.claims.forgotten()
        replies = await self._send([*forgetting, *self._loose(), *self._plan.late], then=there)
        await self._send(self._plan.claims.recall(replies[len(replies) - len(there) :]))
        for thread_id, ids in self._plan.claims.copies(self._confirmed).items():
            await self._evict(thread_id, ids)
        for settle in self._plan.settlements:
            await settle()


def _no_change(found: Found) -> list[Command]:
    """Write something that changes nothing, so that replicas can confirm what was written before.

    WAIT tells of what its own connection wrote, and that of the first attempt is gone.
    """
    kept = [key for key, value in found.items() if value is not None]
    return [REWRITE.call([key], []) for key in kept[:1]]


def _steps(scripted: list[Part]) -> list[list[Part]]:
    """Put together what can run at once: what only checks; then each part that writes."""
    checking = [part for part in scripted if not part.writes_anything]
    writing = [[part] for part in scripted if part.writes_anything]
    return [checking, *writing] if checking else writing


def _refused(reply: list[Any]) -> Found:
    if reply[0]:
        return {}
    return {key.decode(): value for key, value in zip(reply[1::2], reply[2::2], strict=True)}
