"""Documents: bytes by key, with a version and entries in indexes.

A document is a hash: ``body``, ``version``, and what it remembers of its entries, ``indexes`` and
``scores``. So neither listing nor ``verify`` needs to decode a body, and a document whose indexes
change leaves the old ones.

Tests: ``tests/integrations/test_documents.py``.
"""

from collections.abc import Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Final, NamedTuple

from redis_store._connections.commands import Command
from redis_store._engine import steps
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import (
    HashIndexes,
    Id,
    IndexEntry,
    Listed,
    Stored,
    named,
    recalled,
    remembered,
)
from redis_store._engine.integration_keys import IntegrationKeys, check_field
from redis_store._engine.timestamps import to_ms
from redis_store._engine.transaction import Transaction, transact

_FIELDS = ("indexes", "scores", "version", "body")


class Version(NamedTuple):
    """A version of a document, for compare-and-set. What it consists of is no caller's business."""

    token: bytes
    indexes: bytes


class Document(NamedTuple):
    """A document as it was read."""

    body: bytes
    version: Version


MISSING: Final = Version(b"", b"")


class Documents:
    """The documents of one kind. Every call is one round trip, except as stated.

    Args:
        db: The database.
        keys: The keys of the integration.
        kind: The kind, in its keys.
        ttl: How long an unused document lives; ``None`` is for ever.
    """

    def __init__(
        self, db: Database, keys: IntegrationKeys, kind: str, *, ttl: timedelta | None = None
    ) -> None:
        self._db = db
        self._ttl_ms = None if ttl is None else to_ms(ttl)
        self.indexes = HashIndexes(db, keys, kind, _FIELDS[:2], recalled)

    async def put(
        self,
        id: Id,
        body: bytes,
        entries: Sequence[IndexEntry] = (),
        *,
        expect: Version | None = None,
    ) -> Version | None:
        """Store a document and its index entries, in one step.

        One round trip. If the stored document has an entry in another index, or with another text,
        one more without ``expect``, and three more in the hash-tagged layout.

        Args:
            id: The document.
            body: Its body.
            entries: All its entries; no two in one index have the same text.
            expect: Store it only if it has this version; ``MISSING`` only if it does not exist.

        Returns:
            The new version; ``None`` if it had another one than expected.
        """
        for entry in entries:
            check_field("text", entry.text)
        key, token = self.indexes.record(id), token_hex(8).encode()
        indexes, scores = remembered(entries)

        async def attempt(tx: Transaction) -> Version | None:
            if expect is None:
                # Assume that the indexes stay the same, the usual case. If not, the conflict has
                # those of the stored document.
                before = tx.known.get(key)
                tx.require(steps.expect_field(key, "indexes", [before or b"", indexes]))
            elif tx.known:
                return None
            else:
                before = expect.indexes
                tx.require(steps.expect_field(key, "version", [expect.token]), token)
            fields = {"body": body, "version": token, "indexes": indexes, "scores": scores}
            tx.command("HSET", key, *(part for field in fields.items() for part in field))
            tx.run([("PEXPIRE", key, self._ttl_ms) if self._ttl_ms else ("PERSIST", key)])
            self.indexes.enter(tx, id, entries)
            self.indexes.leave(tx, id, _left(before, indexes))
            return Version(token, indexes)

        return await transact(self._db, attempt)

    async def get(self, id: Id) -> Document | None:
        """Read a document, and extend its lifetime; ``None`` if there is none."""
        return (await self.get_many([id]))[0]

    async def get_many(self, ids: Sequence[Id]) -> list[Document | None]:
        """Read documents, and extend their lifetimes; ``None`` for each that does not exist."""
        return [_document(stored) for stored in await self._read(ids)]

    async def delete(self, id: Id, *, expect: Version | None = None) -> bool:
        """Delete a document and its index entries.

        One round trip with ``expect``, else two; in the hash-tagged layout two more if it has any.

        Args:
            id: The document.
            expect: Delete it only if it has this version.

        Returns:
            Whether it existed, and had the version.
        """
        key = self.indexes.record(id)

        async def attempt(tx: Transaction) -> bool:
            if expect is not None and tx.known:
                return False
            version = expect or await self._version(id)
            if version is None:
                return False
            tx.require(steps.expect_field(key, "version", [version.token]))
            tx.delete([key])
            self.indexes.leave(tx, id, _left(version.indexes, b""))
            return True

        return await transact(self._db, attempt)

    async def list_by(
        self, index: Id, *, start: int = 0, limit: int | None = None, newest_first: bool = False
    ) -> list[tuple[Listed, Document]]:
        """List documents by score, then by text. Two round trips.

        Documents that are gone are left out, so a page may be short; their entries are removed.
        """
        page = self.indexes.page(index, start=start, limit=limit, newest_first=newest_first)
        return await self._listed(index, await page)

    async def list_by_text(
        self, index: Id, prefix: str, *, after: Listed | None = None, limit: int | None = None
    ) -> list[tuple[Listed, Document]]:
        """List documents whose text starts with a prefix: see ``HashIndexes.page_by_text``.

        Two round trips.
        """
        page = self.indexes.page_by_text(index, prefix, after=after, limit=limit)
        return await self._listed(index, await page)

    async def _listed(self, index: Id, listed: list[Listed]) -> list[tuple[Listed, Document]]:
        stored = await self._read([entry.id for entry in listed])
        belongs = await self.indexes.current(index, listed, [values[:2] for values in stored])
        return [
            (entry, document)
            for entry, values, valid in zip(listed, stored, belongs, strict=True)
            if valid and (document := _document(values)) is not None
        ]

    async def _read(self, ids: Sequence[Id]) -> list[Stored]:
        keys = [self.indexes.record(id_) for id_ in ids]
        reads: list[Command] = [("HMGET", key, *_FIELDS) for key in keys]
        extensions: list[Command] = []
        if self._ttl_ms is not None:
            extensions = [("PEXPIRE", key, self._ttl_ms) for key in keys]
        return (await self._db.send([*reads, *extensions]))[: len(keys)]

    async def _version(self, id: Id) -> Version | None:
        key = self.indexes.record(id)
        token, indexes = await self._db.command("HMGET", key, "version", "indexes")
        return None if token is None else Version(token, indexes or b"")


def _document(stored: Stored) -> Document | None:
    indexes, _, token, body = stored
    if token is None or body is None:
        return None
    return Document(body, Version(token, indexes or b""))


def _left(before: bytes | None, after: bytes) -> list[IndexEntry]:
    """Return the entries that a document had and has no more."""
    kept = set(named(after))
    return [entry for entry in named(before) if entry not in kept]
