"""Commit of the plain layout: one script, applied whole or refused whole.

``Commit`` is the interface that both layouts implement; ``sharded_commit`` is the other one.

Tests: ``tests/faults/test_lost_replies.py``, ``tests/faults/test_replication.py``,
``tests/contract/test_save_all_or_nothing.py``, ``tests/contract/test_costs.py``.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from redis_store._connections.commands import Command, Replies, Reply, decoded
from redis_store._engine.database import Database, Values
from redis_store._engine.scripts import REWRITE
from redis_store._engine.slot_script import SlotScript
from redis_store.errors import BackendError, BackendTimeoutError, BackendUnavailableError

# Work that remains once a transaction is applied in several steps.
Reconciler = Callable[[], Awaitable[None]]


class Commit(ABC):
    """Applies one transaction, whole or not at all."""

    @abstractmethod
    def advise(self, script: SlotScript, command: Command) -> None:
        """Add a write that does no harm even if the transaction is refused.

        Args:
            script: The script of the key's slot.
            command: The write.
        """

    @abstractmethod
    def reconcile(self, reconciler: Reconciler) -> None:
        """Run this once everything is written, to update indexes in other slots."""

    @abstractmethod
    async def run(self, scripts: Sequence[SlotScript], *, repeatable: bool) -> Values:
        """Apply the transaction.

        Args:
            scripts: The scripts of its slots.
            repeatable: Whether the change may be applied a second time. That can happen if the
                reply was lost and another writer has changed the record since: then nobody can
                tell whether the change was applied before that.

        Returns:
            The keys whose conditions failed, with their current values; empty if it was applied.

        Raises:
            BackendError: The server failed; or the change may have been applied, and is not
                repeatable.
            ReplicationError: It was applied, but too few replicas confirmed it.
        """


class PlainCommit(Commit):
    """One script for everything, so that nobody sees a part of the transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def advise(self, script: SlotScript, command: Command) -> None:
        """Add the write to the script: see ``Commit``."""
        script.command(command)

    def reconcile(self, reconciler: Reconciler) -> None:
        """Do nothing: indexes change in the same step."""

    async def run(self, scripts: Sequence[SlotScript], *, repeatable: bool) -> Values:
        """Run the script, if there is one: see ``Commit``. One round trip."""
        applied = await apply(self._db, scripts, repeatable=repeatable)
        if not applied.conflicts:
            if applied.confirmed is not None:
                self._db.require_replicas(applied.confirmed)
            for script, results in applied.results:
                script.take_results(results)
        return applied.conflicts


class Applied(NamedTuple):
    """The outcome of ``apply``.

    Attributes:
        conflicts: The keys whose conditions failed, with their current values; empty if all
            scripts were applied.
        results: The results of the scripts, except of those whose reply was lost.
        advice: The replies to the commands before the scripts.
        then: The replies to the commands after them.
        confirmed: How many replicas confirmed the writes; ``None`` if nobody asked.
    """

    conflicts: Values
    results: Sequence[tuple[SlotScript, Sequence[Reply]]]
    advice: Sequence[Reply]
    then: Sequence[Reply]
    confirmed: int | None


async def apply(
    db: Database,
    scripts: Sequence[SlotScript],
    *,
    repeatable: bool,
    advice: Sequence[Command] = (),
    then: Sequence[Command] = (),
) -> Applied:
    """Run scripts at once; each is applied whole or refused whole.

    Args:
        db: The database.
        scripts: One for each slot.
        repeatable: See ``Commit.run``.
        advice: Commands to send before them.
        then: Commands to send once they have run.
    """
    commands = [*advice, *(script.call() for script in scripts)]
    replies, doubt = await send_in_doubt(db, commands, then)
    end = len(advice) + len(scripts)
    conflicts: Values = {}
    results: list[tuple[SlotScript, Sequence[Reply]]] = []
    for script, reply in zip(scripts, replies[len(advice) : end], strict=True):
        if reply[0]:
            results.append((script, reply[1:]))
        else:
            conflicts |= refusal(reply)
    confirmed = replies.confirmed
    if doubt is not None and conflicts:
        # A script that had been applied has no entry in `results`: its reply was lost for good, so
        # whoever takes results must be right without them.
        if _holds(scripts, conflicts):
            confirmed = await _rewrite(db, conflicts)
            conflicts = {}
        elif not repeatable:
            # Another writer's value. This change may have come before it or not at all.
            raise doubt
    return Applied(conflicts, results, replies[: len(advice)], replies[end:], confirmed)


async def send_in_doubt(
    db: Database, commands: Sequence[Command], then: Sequence[Command] = ()
) -> tuple[Replies, BackendError | None]:
    """Send scripts, and again if their reply is lost: they may have been applied the first time.

    Returns:
        The replies, and the error that left the first time in doubt.
    """
    try:
        # Not repeatable: below the commit, a repeat would turn a success whose reply was lost into
        # a conflict with itself.
        return await _send(db, commands, then, repeatable=False), None
    except (BackendUnavailableError, BackendTimeoutError) as error:
        if not error.details.get("in_doubt"):
            raise
        # Running them again is safe: if they were applied, their conditions refuse the repeat, and
        # the conflicting keys hold the values that they wrote.
        return await _send(db, commands, then, repeatable=True), error


def refusal(reply: Reply) -> Values:
    """Parse a script's reply: the keys whose conditions failed, with their current values."""
    if reply[0]:
        return {}
    return {decoded(key): value for key, value in zip(reply[1::2], reply[2::2], strict=True)}


async def _send(
    db: Database, commands: Sequence[Command], then: Sequence[Command], *, repeatable: bool
) -> Replies:
    return await db.send(commands, then=then, repeatable=repeatable, checks_replicas=False)


def _holds(scripts: Sequence[SlotScript], conflicts: Values) -> bool:
    """Whether the conflicting keys hold the values that the scripts write."""
    after: Values = {}
    for script in scripts:
        after |= script.values_after
    return all(key in after and after[key] == value for key, value in conflicts.items())


async def _rewrite(db: Database, written: Values) -> int | None:
    """Rewrite a key in place, and return how many replicas confirm it.

    WAIT covers the writes of its own connection, and the one that ran the scripts is gone. ``None``
    if every key was deleted: nothing is left to rewrite.
    """
    kept = [key for key, value in written.items() if value is not None]
    # One key is enough: a replica that has this write has all earlier ones of its primary.
    calls = [REWRITE.call([key], []) for key in kept[:1]]
    return (await _send(db, calls, (), repeatable=True)).confirmed
