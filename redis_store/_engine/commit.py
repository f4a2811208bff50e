"""The plain layout's commit: one script, applied whole or refused whole.

``Commit`` is what a transaction asks of either layout; ``sharded_commit`` has the other one.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from redis_store._connections.commands import Command, Replies, Reply
from redis_store._engine.database import Database, Values
from redis_store._engine.scripts import REWRITE
from redis_store._engine.steps import SlotScript
from redis_store.errors import BackendError, BackendTimeoutError, BackendUnavailableError

# What is left to do once a transaction is applied, where that takes more than one step.
Reconciler = Callable[[], Awaitable[None]]


class Commit(ABC):
    """How a layout applies a transaction, whole or not at all."""

    @abstractmethod
    def advise(self, script: SlotScript, command: Command) -> None:
        """Add a write that does no harm where the transaction is refused after all.

        Args:
            script: The script of the key's slot.
            command: The write.
        """

    @abstractmethod
    def reconcile(self, reconciler: Reconciler) -> None:
        """Let the indexes in other slots follow what was written, once it is."""

    @abstractmethod
    async def run(self, scripts: Sequence[SlotScript], *, repeatable: bool) -> Values:
        """Apply the transaction.

        Args:
            scripts: The scripts of its slots.
            repeatable: Whether the change may be applied to a record that already has it, which
                nobody can exclude where a reply is lost and others write too.

        Returns:
            Nothing if it was applied; else the keys whose conditions refused it, as they are now.

        Raises:
            BackendError: The server failed; or nobody can tell whether the change was applied.
            ReplicationError: It was applied; too few replicas confirmed it.
        """


class PlainCommit(Commit):
    """One script for everything: no moment at which a part is written and another is not."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def advise(self, script: SlotScript, command: Command) -> None:
        """Make the write part of the script: see ``Commit``."""
        script.command(command)

    def reconcile(self, reconciler: Reconciler) -> None:
        """Indexes change in the same step: there is nothing to reconcile."""

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
    """What became of scripts.

    Attributes:
        conflicts: The keys that refused them, as they are now; empty if they were applied.
        results: The results of each script that tells any.
        advice: The replies to the commands before the scripts.
        then: The replies to the commands after them.
        confirmed: How many replicas have what was written; ``None`` if nobody asked.
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
    """Run scripts at once, each whole or not at all.

    Args:
        db: The way to the server.
        scripts: One for each slot.
        repeatable: See ``Commit.run``.
        advice: Commands to send before them.
        then: Commands to send when they ended.
    """
    commands = [*advice, *(script.call() for script in scripts)]
    doubt: BackendError | None = None
    try:
        replies = await _send(db, commands, then, repeatable=False)
    except (BackendUnavailableError, BackendTimeoutError) as error:
        if not error.details.get("in_doubt"):
            raise
        # The scripts may have been applied. To run them again is safe: if they were, their
        # conditions refuse them now, and the keys that do hold what the scripts wrote.
        doubt = error
        replies = await _send(db, commands, then, repeatable=True)
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
        if _holds(scripts, conflicts):
            confirmed = await _rewrite(db, conflicts)
            conflicts = {}
        elif not repeatable:
            raise doubt
    return Applied(conflicts, results, replies[: len(advice)], replies[end:], confirmed)


def refusal(reply: Reply) -> Values:
    """Read the keys that refused a script, as they are now."""
    if reply[0]:
        return {}
    return {key.decode(): value for key, value in zip(reply[1::2], reply[2::2], strict=True)}


async def _send(
    db: Database, commands: Sequence[Command], then: Sequence[Command], *, repeatable: bool
) -> Replies:
    return await db.send(commands, then=then, repeatable=repeatable, checks_replicas=False)


def _holds(scripts: Sequence[SlotScript], conflicts: Values) -> bool:
    """Whether the keys that refused scripts hold what the scripts write."""
    after: Values = {}
    for script in scripts:
        after |= script.values_after
    return all(key in after and after[key] == value for key, value in conflicts.items())


async def _rewrite(db: Database, written: Values) -> int | None:
    """Write what is there once more, and return how many replicas confirm it.

    WAIT counts for its own connection, and the one that wrote the scripts' keys is gone.
    """
    kept = [key for key, value in written.items() if value is not None]
    calls = [REWRITE.call([key], []) for key in kept[:1]]
    return (await _send(db, calls, (), repeatable=True)).confirmed
