"""Commit of the hash-tagged layout: several slots, so several steps, in four phases.

===========  ==================================================  ===============================
phase        sends                                               if a condition refuses
===========  ==================================================  ===============================
1 reserve    ``SET NX`` and ``GET`` per new message id, and       release the new claims
             every slot's conditions, without writing; then
             one compare-and-set per id that moves                give back the moved ids
2 apply      slots that only check; then slot after slot, one     give back the moved ids, and evict
             script each. Advisory writes go with the last one;   the copies written so far
             claims are confirmed after it
3 publish    forgets ids; plain commands; index entries           none can
4 reconcile  recalls ids that are in use again, evicts copies,    none can
             settles indexes until no other writer interferes
===========  ==================================================  ===============================

A thread is in one slot, so each thread changes in one step of phase 2. A crash between steps leaves
hints (pointers or index entries) that lead to no record, never an acknowledged message that its
thread does not list. Readers skip such hints, and ``verify`` repairs them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from anyio import CancelScope

from redis_store._connections.commands import Command, Replies, Reply
from redis_store._engine.commit import Commit, Reconciler, apply, refusal
from redis_store._engine.database import Database, Values
from redis_store._engine.id_claims import IdClaims
from redis_store._engine.slot_script import SlotScript, Take

T = TypeVar("T")

# Removes messages from a thread that their pointers do not lead to.
Evict = Callable[[str, Sequence[str]], Awaitable[None]]


class ShardedCommit(Commit):
    """The four phases, around one script for each slot.

    Attributes:
        evict: Removes messages from a thread that their pointers do not lead to. Whoever adds
            claims sets it.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._advice: list[tuple[Command, Take | None]] = []
        self._after: list[Command] = []
        self._reconcilers: list[Reconciler] = []
        # How many replicas confirmed each step that was followed by WAIT.
        self._replicas: list[int] = []
        self._claims: IdClaims | None = None
        self.evict: Evict = _evict_nothing

    @property
    def claims(self) -> IdClaims:
        """The message ids that the transaction gives to threads, moves and forgets."""
        if self._claims is None:
            self._claims = IdClaims(self._db.keys)
        return self._claims

    @property
    def has_claims(self) -> bool:
        """Whether there are any."""
        return self._claims is not None

    def advise(self, script: SlotScript, command: Command) -> None:  # noqa: ARG002 - see Commit
        """Send the write with the last script: see ``Commit``."""
        self.ask(command, None)

    def ask(self, command: Command, take: Take | None) -> None:
        """Send an advisory write with the last script; ``take`` gets its reply."""
        self._advice.append((command, take))

    def reconcile(self, reconciler: Reconciler) -> None:
        """Run it in phase 4: see ``Commit``."""
        self._reconcilers.append(reconciler)

    def publish(self, command: Command) -> None:
        """Send a write in phase 3, once the threads are written."""
        self._after.append(command)

    async def run(self, scripts: Sequence[SlotScript], *, repeatable: bool) -> Values:
        """Go through the phases: see ``Commit``.

        One round trip to reserve, unless there is one script and no claim; one for each slot that a
        script writes; one to publish, if there is anything. Four more if messages move.
        """
        # A call cancelled between two phases would leave claims unused or indexes unsettled.
        return await uninterrupted(self._run(scripts, repeatable=repeatable))

    async def _run(self, scripts: Sequence[SlotScript], *, repeatable: bool) -> Values:
        plain, checking, writing = _divide(scripts)
        conflicts = await self._reserve([*checking, *writing])
        if conflicts:
            return conflicts
        # Checks come first, as a refusal then leaves every slot as it was; writes in the order of
        # the transaction, which puts the threads that messages move to first.
        rounds = [[script] for script in writing]
        if checking:
            rounds.insert(0, checking)
        conflicts, confirmations = await self._apply(rounds, repeatable=repeatable)
        if conflicts:
            return conflicts
        again = await self._publish(plain)
        await self._reconcile(again, confirmations)
        # Only now: the later phases must run although too few replicas confirmed a step.
        if self._replicas:
            self._db.require_replicas(min(self._replicas))
        return {}

    async def _reserve(self, scripts: Sequence[SlotScript]) -> Values:
        """Phase 1. Without conflicts, all conditions hold and all ids are ours.

        With conflicts, no message has moved. New ids may stay claimed, which is a hint at most.
        """
        claims = self._claims if self._claims and self._claims.reserves else None
        if claims is None and len(scripts) < 2:  # noqa: PLR2004 - one script needs no rehearsal
            return {}
        claim = claims.claim() if claims else []
        # No script spans slots, so each is asked whether it would refuse before any writes. That
        # makes a refusal in phase 2 rare, not impossible: conditions are checked again there.
        checks = [script.call(checks_only=True) for script in scripts]
        replies = await self._send([*claim, *checks])
        claimed = replies[: len(claim)]
        conflicts = claims.conflicts(claimed) if claims else {}
        for reply in replies[len(claim) :]:
            conflicts |= refusal(reply)
        undone: list[Command] = []
        if claims and not conflicts:
            conflicts = claims.not_taken(await self._send(claims.take_over()))
            undone = claims.give_back()
        if claims and conflicts:
            taken = claims.taken(claimed)
            undone += claims.release(taken)
            # A call refused for want of a thread gives up; any other claims the same ids at once.
            given_up = taken if None in conflicts.values() else {}
            again = (await self._send(undone, claims.look_again(given_up)))[len(undone) :]
            # Another writer may have relied on a claim, and written the message.
            await self._send(claims.recall(given_up, again))
        return conflicts

    async def _apply(
        self, rounds: Sequence[Sequence[SlotScript]], *, repeatable: bool
    ) -> tuple[Values, Sequence[Reply]]:
        """Phase 2. From here on threads may be written.

        No path may leave without either phase 3 or undoing the moves. Advisory writes go with the
        last script, because a refusal before it must leave no trace; the confirmation goes after
        it, because only a message that is written can be claimed for good.

        Returns:
            The conflicts, and the replies to the confirmation.
        """
        results: list[tuple[SlotScript, Sequence[Reply]]] = []
        confirmations: Sequence[Reply] = ()
        for scripts in rounds:
            is_last = scripts is rounds[-1]
            applied = await apply(
                self._db,
                scripts,
                repeatable=repeatable,
                advice=[command for command, _ in self._advice] if is_last else (),
                then=self._claims.confirm() if is_last and self._claims else (),
            )
            self._note_replicas(applied.confirmed)
            if applied.conflicts:
                # New ids stay claimed: some of their messages are written, and the next attempt
                # finds the other claims its own.
                await self._undo_moves()
                return applied.conflicts, ()
            results += applied.results
            if is_last:
                self._take_advice(applied.advice)
                confirmations = applied.then
        # Not before every slot is written: results add index entries to phase 3.
        for script, replies in results:
            script.take_results(replies)
        return {}, confirmations

    async def _publish(self, scripts: Sequence[SlotScript]) -> Sequence[Reply]:
        """Phase 3. Return which of the forgotten messages exist again."""
        forgetting = self._claims.forgetting() if self._claims else []
        plain = [command for script in scripts for command in script.plain_commands()]
        commands = [*forgetting, *plain, *self._after]
        # Look again only when the pointers are gone. Whoever saves such an id either wrote the
        # message before, so that this sees it, or claims the pointer afterwards.
        look = self._claims.look_again(self._claims.forgotten) if self._claims else ()
        replies = await self._send(commands, look)
        return replies[len(commands) :]

    async def _reconcile(self, again: Sequence[Reply], confirmations: Sequence[Reply]) -> None:
        """Phase 4. Of two interleaved writers, the last to get here corrects the other slots."""
        if self._claims:
            await self._send(self._claims.recall(self._claims.forgotten, again))
            for thread_id, ids in self._claims.copies(confirmations).items():
                await self.evict(thread_id, ids)
        for reconciler in self._reconcilers:
            await reconciler()

    async def _undo_moves(self) -> None:
        """Point moved ids back at the threads they were in, and evict the copies made so far."""
        if self._claims:
            # In this order: eviction spares the messages that their pointers lead to.
            await self._send(self._claims.give_back())
            for thread_id, ids in self._claims.arrivals().items():
                await self.evict(thread_id, ids)

    def _take_advice(self, replies: Sequence[Reply]) -> None:
        for (_, take), reply in zip(self._advice, replies, strict=True):
            if take is not None:
                take(reply)

    async def _send(self, commands: Sequence[Command], then: Sequence[Command] = ()) -> Replies:
        replies = await self._db.send(commands, then=then, checks_replicas=False)
        self._note_replicas(replies.confirmed)
        return replies

    def _note_replicas(self, confirmed: int | None) -> None:
        if confirmed is not None:
            self._replicas.append(confirmed)


def _divide(
    scripts: Iterable[SlotScript],
) -> tuple[list[SlotScript], list[SlotScript], list[SlotScript]]:
    """Return scripts that plain commands can replace, those that only check, those that write."""
    plain: list[SlotScript] = []
    checking: list[SlotScript] = []
    writing: list[SlotScript] = []
    for script in scripts:
        kind = writing if script.has_writes else checking
        (kind if script.has_steps else plain).append(script)
    return plain, checking, writing


async def _evict_nothing(thread_id: str, message_ids: Sequence[str]) -> None:
    """Do nothing: without claims there are no copies."""


async def uninterrupted(steps: Coroutine[Any, Any, T]) -> T:
    """Run steps to the end, even if the caller is cancelled meanwhile.

    A shield stops anyio's scopes but not ``Task.cancel()``, which ``asyncio.timeout`` and
    ``asyncio.wait_for`` use, so the steps run in a task of their own. A cancelled caller waits for
    them first; cancelled a second time, it leaves them to finish alone.
    """
    task = asyncio.ensure_future(steps)
    with CancelScope(shield=True):
        try:
            await asyncio.wait([task])
        finally:
            # Only Task.cancel() gets here with the task under way. A second one ends this wait.
            if not task.done():
                await asyncio.wait([task])
            # Retrieve the exception: a cancelled caller never will, and asyncio logs those that
            # nobody retrieved.
            _ = task.cancelled() or task.exception()
    return task.result()
