"""Maintenance of integrations whose records are documents: what they register.

Tests: ``tests/integrations/strands/``, ``tests/integrations/a2a/``.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from redis_store._engine.database import Database
from redis_store._engine.documents import Documents
from redis_store._engine.hash_indexes import Id, Listed
from redis_store.maintenance import Integration, Report
from redis_store.maintenance.hash_records import HashVerification, erase, prune
from redis_store.maintenance.integrations import Removal
from redis_store.models import IntegrationRecord

# What the names of these indexes start with: of documents by the µs of their last write, and of
# those of an owner.
UPDATED = "updated"
OWNER = "owner"


class Kind(NamedTuple):
    """A kind of document.

    Attributes:
        name: What it is called in exports.
        documents: Its documents in a database.
        content: Returns what is exported of one, by its id and body.
    """

    name: str
    documents: Callable[[Database], Documents]
    content: Callable[[Id, bytes], Any] | None = None


def integration(name: str, kinds: Sequence[Kind], *, owned: bool = False) -> Integration:
    """Return what to register: documents with an index ``(UPDATED, …)``.

    Args:
        name: The integration.
        kinds: Its kinds of documents.
        owned: Whether they also have an index ``(OWNER, resource id)``.
    """
    return Integration(
        name=name,
        verify=partial(_verify, kinds),
        prune=partial(_prune, kinds),
        erase=partial(_erase, kinds) if owned else None,
        export=partial(_export, name, kinds) if owned else None,
    )


async def _verify(kinds: Sequence[Kind], db: Database, report: Report, *, repair: bool) -> None:
    for kind in kinds:
        indexes = kind.documents(db).indexes
        await HashVerification(db, indexes, report, repair=repair).run()


async def _prune(kinds: Sequence[Kind], db: Database, limit_us: int) -> AsyncIterator[Removal]:
    for kind in kinds:
        documents = kind.documents(db)
        indexes = documents.indexes
        async for _, found in db.scan(indexes.indexes_pattern, "zset"):
            for index in map(indexes.index_of, found):
                if index[0] == UPDATED:
                    delete = partial(_delete_unchanged, documents, index)
                    async for removal in prune(indexes, index, limit_us, delete):
                        yield removal


async def _delete_unchanged(documents: Documents, index: Id, listed: Listed) -> bool:
    """Delete a document if it still is as its entry says."""
    document = await documents.get(listed.id)
    if document is None:
        return False
    # Read after the version: what is written later has another version.
    (stored,) = await documents.indexes.read([listed.id])
    entries = documents.indexes.entries_of(listed.id, stored)
    if entries.get((documents.indexes.index(index), listed.member)) != listed.score:
        return False
    return await documents.delete(listed.id, expect=document.version)


async def _erase(kinds: Sequence[Kind], db: Database, resource_id: str) -> AsyncIterator[int]:
    for kind in kinds:
        documents = kind.documents(db)

        async def delete(listed: Listed, documents: Documents = documents) -> bool:
            return await documents.delete(listed.id)

        async for erased in erase(documents.indexes, (OWNER, resource_id), delete):
            yield erased


async def _export(
    name: str, kinds: Sequence[Kind], db: Database, resource_id: str
) -> AsyncIterator[IntegrationRecord]:
    for kind in kinds:
        documents = kind.documents(db)
        seen: set[Id] = set()
        async for listed in documents.indexes.walk((OWNER, resource_id)):
            ids = [each.id for each in listed if each.id not in seen]
            seen.update(ids)
            for id_, document in zip(ids, await documents.get_many(ids), strict=True):
                if document is not None and kind.content is not None:
                    content = kind.content(id_, document.body)
                    yield IntegrationRecord(
                        integration=name, kind=kind.name, id=id_[-1], content=content
                    )
