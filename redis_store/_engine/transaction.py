"""Transaction: the conditions and writes of one call; ``transact`` tries until they hold.

The manner is that of etcd's software transactional memory. What an attempt reads is a condition of
its writes; a refused commit tells what the keys hold now, so the next attempt need not read them.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from redis_store._connections.commands import Argument, Command
from redis_store._connections.slots import slot_of
from redis_store._engine import splices, steps
from redis_store._engine.commit import Commit, PlainCommit, Reconciler, refusal
from redis_store._engine.database import Database, Values
from redis_store._engine.sharded_commit import ShardedCommit
from redis_store._engine.steps import LONG, SlotScript
from redis_store.errors import ConcurrentUpdateError

# Each round of contending writers has a winner, so this many can race on one record.
MAX_ATTEMPTS = 1000


class Transaction:
    """Collects conditions and writes; ``commit`` applies them all or refuses them all.

    Args:
        db: The way to the server.
        known: What keys hold, as far as earlier attempts read it or were told by conflicts.
        commit: How the layout applies it.

    Attributes:
        db: The way to the server.
        known: Likewise.
        conflicts: The keys that refused the commit, as they are now.
    """

    def __init__(
        self, db: Database, known: Values | None = None, commit: Commit | None = None
    ) -> None:
        self.db = db
        self.keys = db.keys
        self.known: Values = known or {}
        self.conflicts: Values = {}
        layout = ShardedCommit if db.keys.hash_tags else PlainCommit
        self._commit: Commit = commit or layout(db)
        self._scripts: dict[int, SlotScript] = {}

    @property
    def has_writes(self) -> bool:
        """Whether there is more to do than to check."""
        return any(script.has_writes for script in self._scripts.values())

    async def read(self, key: str) -> bytes | None:
        """Return a string as it is known, else by one GET; a condition."""
        if key not in self.known:
            self.known[key] = await self.db.command("GET", key)
        return self.assume(key, None)

    async def read_unconditionally(self, keys: Sequence[str]) -> Values:
        """Return strings as they are known, else by one MGET for each slot; no conditions."""
        unknown = [key for key in keys if key not in self.known]
        if unknown:
            self.known |= await self.db.get(unknown)
        return {key: self.known[key] for key in keys}

    def assume(self, key: str, value: bytes | None) -> bytes | None:
        """Return a string as it is known, else ``value``; a condition."""
        value = self.known.get(key, value)
        self._script(key).expect(key, value)
        return value

    def expect(self, values: Mapping[str, bytes | None]) -> None:
        """Refuse unless every key holds its value (``None``: nothing).

        Of a long value only the digest crosses the wire.
        """
        scripts = [self._script(key) for key in values]
        for script, (key, value) in zip(scripts, values.items(), strict=True):
            script.expect(key, value)

    def expect_present(self, keys: Sequence[str]) -> None:
        """Refuse unless every key holds a string."""
        for group in self.keys.by_slot(keys):
            self._script(group[0]).conditions.append(steps.expect_present(group))

    def set(self, key: str, value: bytes | str) -> None:
        """Store a string."""
        self._script(key).set(key, value)

    def replace(self, key: str, before: bytes, after: bytes) -> None:
        """Store a string in place of another; refuse if that is not there any more.

        Of a long value only the difference crosses the wire.
        """
        script = self._script(key)
        script.expect(key, before)
        if len(after) <= LONG:
            script.set(key, after)
            return
        script.write(steps.splice(key, splices.diff(before, after)))
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
        """Run a command that does no harm where the transaction is refused after all.

        In the hash-tagged layout it goes out with the last script, and saves the round trip of
        ``command``.
        """
        self._commit.advise(self._script(key), (command, key, *args))

    def reconcile(self, reconciler: Reconciler) -> None:
        """Let indexes follow once all is written; needed in the hash-tagged layout only."""
        self._commit.reconcile(reconciler)

    def value_after(self, key: str) -> bytes | None:
        """Return what the transaction stores at a key; ``None`` if it removes it."""
        return self._script(key).values_after[key]

    async def check(self) -> Values:
        """Return the keys whose conditions do not hold, as they are now. One round trip.

        Nothing is written, whatever the transaction has.
        """
        calls = [script.call(checks_only=True) for script in self._scripts.values()]
        conflicts: Values = {}
        for reply in await self.db.send(calls):
            conflicts |= refusal(reply)
        return conflicts

    async def commit(self, *, repeatable: bool = True) -> bool:
        """Apply the transaction: one round trip in the plain layout, see ``sharded_commit``.

        Args:
            repeatable: Whether the change may be applied to a record that already has it, which
                nobody can exclude where a reply is lost and others write too.

        Returns:
            Whether it was applied; if not, ``conflicts`` has the keys that refused it.
        """
        self._finish()
        scripts = list(self._scripts.values())
        self.conflicts = await self._commit.run(scripts, repeatable=repeatable)
        return not self.conflicts

    def _finish(self) -> None:
        """Add what depends on all other writes."""

    def _script(self, key: str) -> SlotScript:
        """Return the script of the slot that has a key."""
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
    """Make attempts until one is applied: see ``transact_in``."""
    return transact_in(partial(Transaction, db), attempt, repeatable=repeatable)


async def transact_in(
    begin: Callable[[Values], Tx],
    attempt: Callable[[Tx], Awaitable[T]],
    *,
    repeatable: bool = True,
) -> T:
    """Make attempts, each in a transaction of its own, until one is applied.

    An attempt that adds no write is over when it returns, without a round trip.

    Args:
        begin: Begins a transaction, given what earlier conflicts told.
        attempt: Reads, and adds writes to the transaction. It runs again after a conflict.
        repeatable: See ``Transaction.commit``.

    Returns:
        What the attempt that was applied returned.

    Raises:
        ConcurrentUpdateError: Others won every time. Nothing was written.
    """
    known: Values = {}
    for _ in range(MAX_ATTEMPTS):
        tx = begin(known)
        result = await attempt(tx)
        if not tx.has_writes or await tx.commit(repeatable=repeatable):
            return result
        known = known | tx.conflicts
    raise ConcurrentUpdateError(MAX_ATTEMPTS)
