"""Checkpoints and sessions as they are stored: documents of a user, listed by when they were saved.

Checkpoints are also listed by workflow, scored by their own time.
"""

from collections.abc import Sequence
from datetime import timedelta

from redis_store._engine import clock
from redis_store._engine.arguments import check_id
from redis_store._engine.database import Database
from redis_store._engine.documents import Document, Documents
from redis_store._engine.hash_indexes import Id, IndexEntry, Listed
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.timestamps import epoch_us
from redis_store.integrations.agent_framework.stored_history import NAME

CHECKPOINT, SESSION = "checkpoint", "session"


class StoredDocuments(Repository):
    """The documents of one kind.

    Args:
        db: The database of the store.
        kind: ``CHECKPOINT`` or ``SESSION``.
        ttl: How long an unused document lives; ``None`` is for ever.
    """

    def __init__(self, db: Database, kind: str, ttl: timedelta | None = None) -> None:
        super().__init__(db)
        self.kind = kind
        self.documents = Documents(db, IntegrationKeys(db.keys, NAME), kind, ttl=ttl)

    @operation
    async def put(
        self, user: str, id: str, body: bytes, entries: Sequence[IndexEntry] = ()
    ) -> None:
        """Store a document. One round trip."""
        saved = IndexEntry(of_user(user), epoch_us(await clock.now(self._db)))
        await self.documents.put(_checked(user, id), body, [saved, *entries])

    @query
    async def get(self, user: str, id: str) -> bytes | None:
        """Read a document. One round trip."""
        found = await self.documents.get(_checked(user, id))
        return None if found is None else found.body

    @operation
    async def delete(self, user: str, id: str) -> bool:
        """Delete a document. Two round trips (four hash-tagged)."""
        return await self.documents.delete(_checked(user, id))

    @query
    async def list_by(self, index: Id) -> list[tuple[str, bytes]]:
        """List the ids and bodies of an index, by score. Two round trips."""
        found = await self.documents.list_by(index)
        return [(listed.id[1], document.body) for listed, document in found]

    @query
    async def list_ids(self, index: Id) -> list[str]:
        """List the ids of an index, by score. Two round trips."""
        indexes = self.documents.indexes
        listed = await indexes.page(index)
        stored = await indexes.read([entry.id for entry in listed])
        belongs = await indexes.current(index, listed, stored)
        return [entry.id[1] for entry, valid in zip(listed, belongs, strict=True) if valid]

    @query
    async def newest(self, index: Id) -> tuple[str, bytes] | None:
        """Read the document with the highest score. Two round trips.

        Three more for each that expired and is listed yet.
        """
        while True:
            for listed, document in await self.documents.list_by(index, limit=1, newest_first=True):
                return listed.id[1], document.body
            # Nothing is listed, or what was is gone, and its entry removed.
            if not await self.documents.indexes.page(index, limit=1):
                return None

    async def delete_unchanged(self, listed: Listed) -> bool:
        """Delete a document if it was last saved when its entry says. Three round trips."""
        document: Document | None = await self.documents.get(listed.id)
        if document is None:
            return False
        (stored,) = await self.documents.indexes.read([listed.id])
        scores = self.documents.indexes.entries_of(listed.id, stored)
        index = self.documents.indexes.index(of_user(listed.id[0]))
        if scores.get((index, listed.member)) != listed.score:
            return False
        return await self.documents.delete(listed.id, expect=document.version)


def of_user(user: str) -> Id:
    """Name the index of a user's documents."""
    return ("user", user)


def _checked(user: str, id: str) -> Id:
    return (user, check_id("id", id))
