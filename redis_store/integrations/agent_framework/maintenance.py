"""Maintenance of histories, checkpoints and sessions, which needs nothing of the framework."""

import json
from collections.abc import AsyncIterator

from redis_store import maintenance
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import HashIndexes, Id, Listed
from redis_store.integrations.agent_framework.stored_documents import (
    CHECKPOINT,
    SESSION,
    StoredDocuments,
    of_user,
)
from redis_store.integrations.agent_framework.stored_history import (
    NAME,
    HistoryId,
    StoredHistories,
)
from redis_store.maintenance import Integration, Report, hash_records
from redis_store.maintenance.hash_records import Delete
from redis_store.maintenance.integrations import Removal
from redis_store.models import IntegrationRecord


def register() -> None:
    """Let maintenance of every store cover them."""
    maintenance.register(
        Integration(name=NAME, verify=_verify, prune=_prune, erase=_erase, export=_export)
    )


def _documents(db: Database) -> list[StoredDocuments]:
    return [StoredDocuments(db, kind) for kind in (CHECKPOINT, SESSION)]


async def _verify(db: Database, report: Report, *, repair: bool) -> None:
    every = [StoredHistories(db).logs.indexes, *(d.documents.indexes for d in _documents(db))]
    for indexes in every:
        await hash_records.HashVerification(db, indexes, report, repair=repair).run()


async def _prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    """Find what is old by the index of each user; the users by a scan."""
    logs = StoredHistories(db).logs

    async def delete(listed: Listed) -> bool:
        return await logs.delete(listed.id, unchanged_since_us=int(listed.score))

    kinds: list[tuple[HashIndexes, Delete]] = [(logs.indexes, delete)]
    kinds += [(each.documents.indexes, each.delete_unchanged) for each in _documents(db)]
    for indexes, remove in kinds:
        async for _, found in db.scan(indexes.indexes_pattern, "zset"):
            for index in map(indexes.index_of, found):
                if index[0] == "user":
                    async for removal in hash_records.prune(indexes, index, limit_us, remove):
                        yield removal


async def _erase(db: Database, user: str) -> AsyncIterator[int]:
    logs = StoredHistories(db).logs

    async def delete(listed: Listed) -> bool:
        return await logs.delete(listed.id)

    async for erased in hash_records.erase(logs.indexes, of_user(user), delete):
        yield erased
    for each in _documents(db):
        async for erased in _erased(each, user):
            yield erased


def _erased(stored: StoredDocuments, user: str) -> AsyncIterator[int]:
    async def delete(listed: Listed) -> bool:
        return await stored.documents.delete(listed.id)

    return hash_records.erase(stored.documents.indexes, of_user(user), delete)


async def _export(db: Database, user: str) -> AsyncIterator[IntegrationRecord]:
    histories = StoredHistories(db)
    async for id_ in _listed(histories.logs.indexes, user):
        history = HistoryId(*id_)
        if messages := await histories.get_messages(history, None):
            content = {
                "source_id": history.source,
                "messages": [json.loads(message) for message in messages],
            }
            yield IntegrationRecord(
                integration=NAME, kind="history", id=history.session, content=content
            )
    for each in _documents(db):
        async for _, name in _listed(each.documents.indexes, user):
            if body := await each.get(user, name):
                yield IntegrationRecord(
                    integration=NAME, kind=each.kind, id=name, content=json.loads(body)
                )


async def _listed(indexes: HashIndexes, user: str) -> AsyncIterator[Id]:
    """Iterate over the ids of a user's records, each once."""
    seen: set[Id] = set()
    async for listed in indexes.walk(of_user(user)):
        for id_ in (each.id for each in listed):
            if id_ not in seen:
                seen.add(id_)
                yield id_
