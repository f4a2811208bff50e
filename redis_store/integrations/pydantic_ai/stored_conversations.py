"""Conversations as they are stored: a head, and entries that each name the one before.

====================  ===========  ================================================================
key                   type         holds
====================  ===========  ================================================================
conversation          hash         ``revision``, ``record``, and what it remembers of its index
                                   entries
conversation_entries  hash         by id: the id of the parent after its length in bytes and ``:``,
                                   then the message
conversation_by       sorted set   conversations by date in µs: ``all``, and those of a ``scope``
====================  ===========  ================================================================

A conversation is in one slot, and has all entries of its histories itself: a fork has copies.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from redis_store._connections.commands import Argument, Command, Reply, pairs
from redis_store._engine import steps
from redis_store._engine.arguments import check_id
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import (
    HashIndexes,
    Id,
    IndexEntry,
    named,
    recalled,
    remembered,
)
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.scripts import of_integration
from redis_store._engine.slot_script import SlotScript
from redis_store._engine.timestamps import to_ms
from redis_store._engine.transaction import Transaction, transact
from redis_store.errors import CorruptRecordError

NAME = "pydantic_ai"
ALL: Id = ("all",)

_HISTORY = of_integration("redis_store.integrations.pydantic_ai", "history", read_only=True)
# Entries per HSET: Lua unpacks at most 8,000 values.
_CHUNK = 2000
_FIELDS = ("indexes", "scores", "revision", "record")


class StoredEntry(NamedTuple):
    """An entry; a ``parent`` of ``""`` is none."""

    id: str
    parent: str
    message: bytes


class StoredRecord(NamedTuple):
    """A conversation's record as JSON, and what is searched by."""

    revision: str
    json: bytes
    head: str | None
    scope: str | None
    updated_us: int


class StoredConversations(Repository):
    """The conversations of a store.

    Args:
        db: The database of the store.
        ttl: How long an unused conversation lives; ``None`` is for ever.
    """

    def __init__(self, db: Database, ttl: timedelta | None = None) -> None:
        super().__init__(db)
        self._own = IntegrationKeys(db.keys, NAME)
        self._ttl_ms = None if ttl is None else to_ms(ttl)
        self.indexes = HashIndexes(db, self._own, "conversation", _FIELDS[:2], recalled)

    @query
    async def read(self, id: str) -> bytes | None:
        """Read a record, and extend its conversation's lifetime. One round trip."""
        read: Command = ("HGET", self.head_key(check_id("conversation_id", id)), "record")
        found: bytes | None = (await self._db.send([read, *self._keep_alive(id)]))[0]
        return found

    @query
    async def list_by(self, index: Id, limit: int | None) -> list[tuple[str, bytes]]:
        """List the ids and records of an index, the last saved first. Two round trips.

        Two more if it has entries of conversations that expired: those are removed, so that the
        list is not short.
        """
        while True:
            listed = await self.indexes.page(index, limit=limit, newest_first=True)
            keys = [self.indexes.record(entry.id) for entry in listed]
            found = await self._db.send([("HMGET", key, *_FIELDS) for key in keys])
            stored = [values[:2] for values in found]
            belongs = await self.indexes.current(index, listed, stored)
            if all(belongs):
                return [
                    (entry.id[0], values[-1])
                    for entry, values in zip(listed, found, strict=True)
                    if values[-1] is not None
                ]

    @operation
    async def write(
        self,
        id: str,
        record: StoredRecord,
        entries: Sequence[StoredEntry],
        *,
        expect: str | None,
        copied_from: str | None = None,
    ) -> bool:
        """Store a record and new entries, in one step. One round trip; two for a copy.

        In the hash-tagged layout two more where it is refused.

        Args:
            id: The conversation.
            record: Its record; its head is among ``entries``, or is stored.
            entries: The new entries.
            expect: The revision that is stored; ``None`` is none.
            copied_from: Another conversation that has the entries before these, or the head.

        Returns:
            Whether it was applied; ``False`` if the conversation is not as expected.
        """
        start = entries[0].parent if entries else record.head
        copies: Sequence[StoredEntry] | None = []
        if copied_from is not None and start:
            copies = await self.history(copied_from, start)
        if copies is None:
            return False
        added = [*copies, *entries]
        head, stored = self.head_key(check_id("conversation_id", id)), self.entries_key(id)

        async def attempt(tx: Transaction) -> bool:
            if tx.known:
                return False
            revision = record.revision.encode()
            tx.require(steps.expect_field(head, "revision", [expect or ""]), revision)
            if record.head is not None and record.head not in {entry.id for entry in added}:
                tx.require(steps.expect_field(stored, record.head))
            self._write(tx, id, record, added)
            return True

        done = await transact(self._db, attempt)
        if not done and self._keys.hash_tags:
            # The entries were written all the same, with the date of what was refused.
            await self.indexes.restore([(id,)])
        return done

    @operation
    async def delete(
        self, id: str, *, expect: str | None = None, updated_us: int | None = None
    ) -> bool:
        """Delete a conversation with all its entries. Two round trips (four hash-tagged).

        Args:
            id: The conversation.
            expect: Delete it only if it has this revision; ``None`` is any.
            updated_us: Delete it only if it was last saved then; ``None`` is any time.

        Returns:
            Whether it existed, and was as expected.
        """
        head = self.head_key(check_id("conversation_id", id))

        async def attempt(tx: Transaction) -> bool:
            indexes, scores, revision = await self._db.command("HMGET", head, *_FIELDS[:3])
            if revision is None or expect not in {None, revision.decode()}:
                return False
            if updated_us is not None and updated_us not in map(int, scores.split()):
                return False
            tx.require(steps.expect_field(head, "revision", [revision]))
            tx.delete([head, self.entries_key(id)])
            self.indexes.leave(tx, (id,), named(indexes))
            return True

        return await transact(self._db, attempt)

    @query
    async def history(
        self, id: str, last: str, limit: int | None = None
    ) -> list[StoredEntry] | None:
        """Read a history up to an entry, oldest first; ``None`` if an entry is missing.

        One round trip.
        """
        key = self.entries_key(id)
        reply = await self._db.run(_HISTORY, [key], [last, -1 if limit is None else limit])
        if reply is None:
            return None
        ids, values = reply[-2::-2], reply[-1::-2]
        return [_entry(key, *each) for each in zip(ids, values, strict=True)]

    @query
    async def entry(self, id: str, entry: str) -> StoredEntry | None:
        """Read one entry. One round trip."""
        key = self.entries_key(id)
        value: bytes | None = await self._db.command("HGET", key, entry)
        return None if value is None else _entry(key, entry.encode(), value)

    async def entries(self, id: str) -> list[StoredEntry]:
        """Read all entries of a conversation, in any order. One round trip."""
        key = self.entries_key(id)
        reply: Reply = await self._db.command("HGETALL", key)
        return [_entry(key, *each) for each in pairs(reply)]

    def head_key(self, id: str) -> str:
        """The key of a conversation's head."""
        return self.indexes.record((id,))

    def entries_key(self, id: str) -> str:
        """The key of a conversation's entries."""
        return self._own.key("conversation_entries", id)

    def _write(
        self, tx: Transaction, id: str, record: StoredRecord, added: Sequence[StoredEntry]
    ) -> None:
        head, stored = self.head_key(id), self.entries_key(id)
        listed = [IndexEntry(by, record.updated_us) for by in _listed_in(record.scope)]
        indexes, scores = remembered(listed)
        for first in range(0, len(added), _CHUNK):
            chunk = added[first : first + _CHUNK]
            tx.command("HSET", stored, *(part for entry in chunk for part in _packed(entry)))
        values: list[Argument] = [indexes, scores, record.revision, record.json]
        fields = zip(_FIELDS, values, strict=True)
        tx.command("HSET", head, *(part for field in fields for part in field))
        if self._ttl_ms is not None:
            tx.run([("PEXPIRE", key, self._ttl_ms) for key in (head, stored)])
        self.indexes.enter(tx, (id,), listed)

    def _keep_alive(self, id: str) -> list[Command]:
        """Build what extends a lifetime: one script, so that the keys expire together."""
        if self._ttl_ms is None:
            return []
        script = SlotScript()
        for key in (self.head_key(id), self.entries_key(id)):
            script.command(("PEXPIRE", key, self._ttl_ms))
        return [script.call()]


def scope_index(scope: str) -> Id:
    """Name the index of the conversations of a scope."""
    return ("scope", scope)


def _listed_in(scope: str | None) -> list[Id]:
    return [ALL] if scope is None else [ALL, scope_index(scope)]


def _packed(entry: StoredEntry) -> tuple[str, bytes]:
    parent = entry.parent.encode()
    return entry.id, b"%d:%b%b" % (len(parent), parent, entry.message)


def _entry(key: str, id: bytes, value: bytes) -> StoredEntry:
    length, _, rest = value.partition(b":")
    try:
        parent = rest[: int(length)].decode()
        return StoredEntry(id.decode(), parent, rest[int(length) :])
    except ValueError as exc:
        raise CorruptRecordError(key, f"the entry {id!r} is unreadable") from exc
