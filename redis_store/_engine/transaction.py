"""Transactions: the conditions and writes of one call; ``transact`` retries it on conflicts.

Modelled on etcd's software transactional memory. The values that an attempt reads are conditions of
its writes. A refused commit returns the current values of the keys that conflicted, so the next
attempt need not read them.

Tests: ``tests/contract/test_thread_races.py``, ``tests/contract/test_workflow_races.py``,
``tests/contract/test_save_races.py``, ``tests/faults/test_lost_replies.py``.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from redis_store._connections.commands import Argument, Command
from redis_store._connections.slots import slot_of
from redis_store._engine import splices, steps
from redis_store._engine.commit import Commit, PlainCommit, Reconciler, refusal
from redis_store._engine.database import Database, Values
from redis_store._engine.fingerprints import Fingerprint, fingerprint, is_large
from redis_store._engine.sharded_commit import ShardedCommit
from redis_store._engine.slot_script import LONG, SlotScript
from redis_store._engine.splices import Splice
from redis_store._engine.steps import Step
from redis_store.errors import ConcurrentUpdateError

# Each round of contending writers has a winner, so this many can race on one record.
MAX_ATTEMPTS = 1000


class Transaction:
    """Collects conditions and writes; ``commit`` applies all of them or none.

    Args:
        db: The database.
        known: Values by key, as far as earlier attempts learned them.
        commit: The commit of the layout; ``None`` is the one for ``db``.

    Attributes:
        db: The database.
        known: Values by key, as ``read`` and ``assume`` return them.
        conflicts: The keys whose conditions failed, with their current values, except large ones.
    """

    def __init__(
        self, db: Database, known: Values | None = None, commit: Commit | None = None
    ) -> None:
        self.db = db
        self.keys = db.keys
        # May be out of date. A write that depends on a value from here needs a condition on it.
        self.known: Values = {} if known is None else known
        self.conflicts: Values = {}
        layout = ShardedCommit if db.keys.hash_tags else PlainCommit
        self._commit: Commit = commit or layout(db)
        self._scripts: dict[int, SlotScript] = {}

    @property
    def has_writes(self) -> bool:
        """Whether there is anything to write."""
        return any(script.has_writes for script in self._scripts.values())

    async def read(self, key: str) -> bytes | None:
        """Return a string's known value, else GET it; the value becomes a condition."""
        if key not in self.known:
            self.known[key] = await self.db.command("GET", key)
        return self.assume(key, None)

    async def read_unconditionally(self, keys: Sequence[str]) -> Values:
        """Return the known values of strings, else MGET them; adds no conditions."""
        unknown = [key for key in keys if key not in self.known]
        if unknown:
            self.known |= await self.db.get(unknown)
        return {key: self.known[key] for key in keys}

    def assume(self, key: str, value: bytes | None) -> bytes | None:
        """Return a string's known value, else ``value``; it becomes a condition."""
        # A wrong guess costs one refused commit, which returns the value; a right one, no GET.
        value = self.known.get(key, value)
        self._script(key).expect(key, value)
        return value

    def expect(self, values: Mapping[str, bytes | None]) -> None:
        """Refuse unless each string has its value; ``None`` is a missing one.

        Of a long value only the digest is sent; for a large one pass its fingerprint.
        """
        scripts = [self._script(key) for key in values]
        for script, (key, value) in zip(scripts, values.items(), strict=True):
            script.expect(key, value)

    def expect_present(self, keys: Sequence[str]) -> None:
        """Refuse unless each string exists."""
        for group in self.keys.by_slot(keys):
            self._script(group[0]).conditions.append(steps.expect_present(group))

    def require(self, condition: Step, after: bytes | None = None) -> None:
        """Add a condition on one key.

        Args:
            condition: Its step.
            after: What a conflict would report once the transaction is applied, if its own writes
                break the condition: that proves it if its reply is lost.
        """
        (key,) = condition.keys
        script = self._script(key)
        script.conditions.append(condition)
        if after is not None:
            script.values_after[key] = after

    def write(self, step: Step) -> None:
        """Add a step that writes to keys of one slot."""
        self._script(step.keys[0]).write(step)

    def set(self, key: str, value: bytes | str) -> None:
        """Store a string."""
        self._script(key).set(key, value)

    def replace(self, key: str, before: bytes, after: bytes) -> None:
        """Replace a string's value; refuse unless it still is ``before``.

        Of a long value only the difference is sent. Of a large one, comparing takes 5 ms per MB.
        """
        if is_large(max(len(before), len(after))):
            edits = splices.diff(before, after)
            self.splice(key, fingerprint(before), edits, fingerprint(after))
        elif len(after) > LONG:
            self.splice(key, before, splices.diff(before, after), after)
        else:
            self._script(key).expect(key, before)
            self._script(key).set(key, after)

    def splice(self, key: str, before: bytes, edits: Sequence[Splice], after: bytes) -> None:
        """Edit a string's value; refuse unless it still is ``before``.

        Args:
            key: The string.
            before: Its value, or its fingerprint.
            edits: What turns it into the new value.
            after: The new value, or its fingerprint.
        """
        script = self._script(key)
        # Splices are byte offsets into `before`: without this condition they corrupt the record.
        script.expect(key, before)
        build = steps.splice_in_place if isinstance(before, Fingerprint) else steps.splice
        script.write(build(key, edits))
        script.values_after[key] = after

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys."""
        for script, key in [(self._script(key), key) for key in keys]:
            script.delete(key)

    def command(self, command: str, key: str, *args: Argument) -> None:
        """Run a command on one sorted set, hash or string."""
        self._script(key).command((command, key, *args))

    def run(self, commands: Sequence[Command]) -> None:
        """Run commands, each on its first argument: a sorted set, hash or string."""
        scripts = [self._script(str(key)) for _, key, *_ in commands]
        for script, command in zip(scripts, commands, strict=True):
            script.command(command)

    def advise(self, command: str, key: str, *args: Argument) -> None:
        """Run a command that does no harm even if the transaction is refused.

        In the hash-tagged layout it is sent with the last script, which saves the round trip of
        ``command``.
        """
        self._commit.advise(self._script(key), (command, key, *args))

    def reconcile(self, reconciler: Reconciler) -> None:
        """Run this once everything is written; the plain layout, which is atomic, never does."""
        self._commit.reconcile(reconciler)

    def value_after(self, key: str) -> bytes | None:
        """Return the value that the transaction stores at a key; ``None`` if it deletes it.

        Of a large value that it edits, this is the fingerprint.
        """
        return self._script(key).values_after[key]

    async def check(self) -> Values:
        """Return the keys whose conditions fail, with their current values. One round trip.

        Nothing is written, although the transaction may have writes. The slots of the hash-tagged
        layout are checked at different moments.
        """
        calls = [script.call(checks_only=True) for script in self._scripts.values()]
        conflicts: Values = {}
        for reply in await self.db.send(calls):
            conflicts |= refusal(reply)
        return conflicts | await self.db.get(self._fingerprinted(conflicts))

    async def commit(self, *, repeatable: bool = True) -> bool:
        """Apply the transaction: one round trip in the plain layout; see ``sharded_commit``.

        Args:
            repeatable: See ``Commit.run``.

        Returns:
            Whether it was applied.
        """
        self._finish()
        scripts = list(self._scripts.values())
        conflicts = await self._commit.run(scripts, repeatable=repeatable)
        large = self._fingerprinted(conflicts)
        self.conflicts = {key: value for key, value in conflicts.items() if key not in large}
        return not conflicts

    def _finish(self) -> None:
        """Add the steps that depend on all other writes."""

    def _fingerprinted(self, keys: Iterable[str]) -> list[str]:
        """Return those keys whose expected values, and so their conflicts, are fingerprints."""
        return [key for key in keys if isinstance(self._script(key).expected(key), Fingerprint)]

    def _script(self, key: str) -> SlotScript:
        """Return the script of a key's slot."""
        # One script for all keys in the plain layout: that is what makes a commit atomic there.
        slot = slot_of(key) if self.keys.hash_tags else 0
        script = self._scripts.get(slot)
        if script is None:
            script = self._scripts[slot] = SlotScript()
        return script


Tx = TypeVar("Tx", bound=Transaction)
T = TypeVar("T")


def transact(
    db: Database,
    attempt: Callable[[Transaction], Awaitable[T]],
    *,
    repeatable: bool = True,
) -> Awaitable[T]:
    """Attempt a transaction until it is applied: see ``transact_in``."""
    return transact_in(partial(Transaction, db), attempt, repeatable=repeatable)


async def transact_in(
    begin: Callable[[Values], Tx],
    attempt: Callable[[Tx], Awaitable[T]],
    *,
    repeatable: bool = True,
    known: Values | None = None,
) -> T:
    """Attempt a transaction until it is applied, each time in a new one.

    An attempt that adds no write needs no commit, and so no round trip.

    Args:
        begin: Builds the transaction of an attempt from the values known so far.
        attempt: Reads, and adds writes to the transaction. It runs again after a conflict.
        repeatable: See ``Commit.run``.
        known: Values by key that the caller knows already; they may be out of date.

    Returns:
        The result of the attempt that was applied.

    Raises:
        ConcurrentUpdateError: Other writers won every time. Nothing was written.
    """
    known = known or {}
    for _ in range(MAX_ATTEMPTS):
        tx = begin(known)
        result = await attempt(tx)
        if not tx.has_writes or await tx.commit(repeatable=repeatable):
            return result
        # Conflicts are newer than anything that was read before them.
        known = known | tx.conflicts
    raise ConcurrentUpdateError(MAX_ATTEMPTS)
