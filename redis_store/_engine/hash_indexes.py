"""Indexes of records that are hashes: the heads of logs, and documents.

A record and its entries change in one step in the plain layout. In the hash-tagged layout the
indexes are in other slots: entries are written at the same time as the record, and removed after
it. So an entry is a hint: readers ask the record, and remove what is stale.

Tests: ``tests/integrations/test_documents.py``, ``tests/integrations/test_logs.py``.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from redis_store._connections.commands import Command, Reply, pairs
from redis_store._engine import steps
from redis_store._engine.database import READ_CHUNK, Database
from redis_store._engine.integration_keys import IntegrationKeys, join, split
from redis_store._engine.slot_script import SlotScript
from redis_store._engine.transaction import Transaction
from redis_store.errors import CorruptRecordError

# What identifies a record, and what names an index, within its kind.
Id = tuple[str, ...]
# The values of some fields of a hash, in a fixed order; all None if it does not exist.
Stored = Sequence[bytes | None]


class IndexEntry(NamedTuple):
    """A record's entry in one index.

    Attributes:
        by: The index.
        score: Its score there.
        text: What orders it among entries with one score, by bytes; it has no NUL.
    """

    by: Id
    score: float = 0
    text: str = ""


class Listed(NamedTuple):
    """An entry as an index has it."""

    id: Id
    score: float
    text: str

    @property
    def member(self) -> str:
        """The member of the sorted set."""
        return _member(self.id, self.text)


class HashIndexes:
    """The indexes of one kind of record.

    Args:
        db: The database.
        keys: The keys of the integration.
        kind: The kind, in its keys.
        fields: The fields from which the entries of a record follow.
        entries_of: Returns the entries of a record by its id and these fields.
    """

    def __init__(
        self,
        db: Database,
        keys: IntegrationKeys,
        kind: str,
        fields: Sequence[str],
        entries_of: Callable[[Id, Stored], Iterable[IndexEntry]],
    ) -> None:
        self.kind = kind
        self.records_pattern = keys.pattern(kind)
        self.indexes_pattern = keys.pattern(f"{kind}_by")
        self._db = db
        self._keys = keys
        self._fields = fields
        self._entries_of = entries_of

    def record(self, id: Id) -> str:
        """The key of a record."""
        return self._keys.key(self.kind, *id)

    def id_of(self, record: str) -> Id:
        """The id of the record at a key."""
        return self._keys.group(self.kind, record)

    def index(self, index: Id) -> str:
        """The key of an index."""
        return self._keys.index(f"{self.kind}_by", *index)

    def index_of(self, key: str) -> Id:
        """The index at a key."""
        return self._keys.group(f"{self.kind}_by", key)

    def entries_of(self, id: Id, stored: Stored) -> dict[tuple[str, str], float]:
        """Return the scores of a record's entries, by key and member; none if it does not exist.

        Raises:
            CorruptRecordError: They cannot be told.
        """
        if all(value is None for value in stored):
            return {}
        try:
            entries = self._entries_of(id, stored)
        except ValueError as exc:
            raise CorruptRecordError(self.record(id), "its index entries are unreadable") from exc
        return {(self.index(e.by), _member(id, e.text)): e.score for e in entries}

    async def read(self, ids: Sequence[Id]) -> list[Stored]:
        """Return the fields that entries follow from. One round trip."""
        return await self._db.send([("HMGET", self.record(id_), *self._fields) for id_ in ids])

    def enter(self, tx: Transaction, id: Id, entries: Iterable[IndexEntry]) -> None:
        """Write a record's entries with ``tx``, which writes the record."""
        for entry in entries:
            member = _member(id, entry.text)
            tx.advise("ZADD", self.index(entry.by), entry.score, member)

    def leave(self, tx: Transaction, id: Id, entries: Iterable[IndexEntry]) -> None:
        """Remove entries after ``tx`` has written the record, or removed it."""
        leaving: list[Command] = [
            ("ZREM", self.index(entry.by), _member(id, entry.text)) for entry in entries
        ]
        if leaving:
            tx.run(leaving)
            # Another writer may have stored and listed it again, before these were removed.
            tx.reconcile(partial(self.restore, [id]))

    async def restore(self, ids: Sequence[Id]) -> None:
        """Write the entries of records as they are now. Two round trips."""
        found = zip(ids, await self.read(ids), strict=True)
        entering: list[Command] = [
            ("ZADD", key, score, member)
            for id_, stored in found
            for (key, member), score in self.entries_of(id_, stored).items()
        ]
        await self._db.send(entering)

    async def page(
        self, index: Id, *, start: int = 0, limit: int | None = None, newest_first: bool = False
    ) -> list[Listed]:
        """Read a part of an index, sorted by score, then by text. One round trip."""
        command = "ZREVRANGE" if newest_first else "ZRANGE"
        stop = -1 if limit is None else start + limit - 1
        if limit == 0:
            return []
        key = self.index(index)
        return _listed(key, await self._db.command(command, key, start, stop, "WITHSCORES"))

    async def page_by_text(
        self, index: Id, prefix: str, *, after: Listed | None = None, limit: int | None = None
    ) -> list[Listed]:
        """Read the entries whose text starts with a prefix, sorted by text. One round trip.

        All entries of the index must have the score 0.

        Args:
            index: The index.
            prefix: The prefix; ``""`` is all.
            after: Only entries after this one.
            limit: At most so many; ``None`` is all.
        """
        low = f"[{prefix}" if after is None else f"({after.member}"
        # No UTF-8 has this byte, so it is above whatever follows the prefix.
        high = b"(" + prefix.encode() + b"\xff"
        count = -1 if limit is None else limit
        key = self.index(index)
        found = await self._db.command("ZRANGE", key, low, high, "BYLEX", "LIMIT", 0, count)
        return [_parse(key, member, 0) for member in found]

    async def up_to(self, index: Id, score: float, limit: int = READ_CHUNK) -> list[Listed]:
        """Read the entries with a lower score, the lowest first. One round trip."""
        key, window = self.index(index), ("-inf", f"({score!r}", "WITHSCORES", "LIMIT", 0, limit)
        return _listed(key, await self._db.command("ZRANGEBYSCORE", key, *window))

    async def down_from(
        self, index: Id, high: float | None, low: float | None, limit: int | None
    ) -> list[Listed]:
        """Read the entries with scores in a range, the highest first. One round trip.

        Args:
            index: The index.
            high: The highest score; ``None`` is any.
            low: The lowest score; ``None`` is any.
            limit: At most so many; ``None`` is all.
        """
        key = self.index(index)
        window = "+inf" if high is None else repr(high), "-inf" if low is None else repr(low)
        count = -1 if limit is None else limit
        command = "ZREVRANGEBYSCORE", key, *window, "WITHSCORES", "LIMIT", 0, count
        return _listed(key, await self._db.command(*command))

    async def count(self, index: Id) -> int:
        """Return how many entries an index has. One round trip."""
        return int(await self._db.command("ZCARD", self.index(index)))

    async def walk(self, index: Id) -> AsyncIterator[list[Listed]]:
        """Iterate over an index, 500 entries at once; what is removed meanwhile may be included.

        One round trip each. Entries that stay all the time come at least once.
        """
        key, cursor = self.index(index), b"0"
        while True:
            cursor, found = await self._db.command("ZSCAN", key, cursor, "COUNT", READ_CHUNK)
            if found:
                yield _listed(key, found)
            if cursor == b"0":
                return

    async def current(
        self, index: Id, listed: Sequence[Listed], stored: Sequence[Stored]
    ) -> list[bool]:
        """Return which records belong in an index; remove the entries of the others.

        Args:
            index: The index.
            listed: Entries of it.
            stored: The fields of their records.
        """
        key = self.index(index)
        belongs = [
            (key, entry.member) in self.entries_of(entry.id, values)
            for entry, values in zip(listed, stored, strict=True)
        ]
        stale = [each for each, valid in zip(listed, belongs, strict=True) if not valid]
        if stale:
            await self.remove_stale(key, stale)
        return belongs

    async def refresh(self, index: Id, listed: Sequence[Listed]) -> None:
        """Correct the entries of records that are gone, or have another score."""
        ids = [entry.id for entry in listed]
        await self.current(index, listed, await self.read(ids))
        await self.restore(ids)

    async def remove_stale(self, key: str, stale: Sequence[Listed]) -> None:
        """Remove entries whose score has not changed, and restore those of records listed again."""
        calls: list[Command] = []
        for entry in stale:
            script = SlotScript()
            script.conditions.append(steps.expect_score(key, entry.member, entry.score))
            script.command(("ZREM", key, entry.member))
            calls.append(script.call())
        await self._db.send(calls)
        await self.restore([entry.id for entry in stale])


def remembered(entries: Iterable[IndexEntry]) -> tuple[bytes, bytes]:
    """Return the fields ``indexes`` and ``scores`` of a record: see ``recalled``."""
    ordered = sorted(entries)
    indexes = join(part for entry in ordered for part in (join(entry.by), entry.text))
    return indexes.encode(), b" ".join(b"%r" % entry.score for entry in ordered)


def recalled(_: Id, stored: Stored) -> list[IndexEntry]:
    """Return the entries that a record remembers in its fields ``indexes`` and ``scores``.

    Raises:
        ValueError: They are corrupt.
    """
    indexes, scores = stored
    scored = zip(named(indexes), (scores or b"").split(), strict=True)
    return [entry._replace(score=float(score)) for entry, score in scored]


def named(indexes: bytes | None) -> list[IndexEntry]:
    """Return the entries that a record remembers in its field ``indexes``, without their scores.

    Raises:
        ValueError: They are corrupt.
    """
    parts = split((indexes or b"").decode())
    return [
        IndexEntry(split(by), text=text) for by, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def _member(id: Id, text: str) -> str:
    return f"{text}\0{join(id)}"


def _listed(key: str, reply: Reply) -> list[Listed]:
    return [_parse(key, member, float(score)) for member, score in pairs(reply)]


def _parse(key: str, member: bytes, score: float) -> Listed:
    try:
        text, id_ = member.decode().split("\0", 1)
        return Listed(split(id_), score, text)
    except ValueError as exc:
        raise CorruptRecordError(key, f"the member {member!r} names no record") from exc
