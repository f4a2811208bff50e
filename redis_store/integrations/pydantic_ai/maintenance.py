"""Maintenance of Pydantic AI's conversations, which needs nothing of the framework."""

import json
from collections.abc import AsyncIterator

from redis_store import maintenance
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import Listed
from redis_store.integrations.pydantic_ai.stored_conversations import (
    ALL,
    NAME,
    StoredConversations,
    scope_index,
)
from redis_store.maintenance import Integration, Report, hash_records
from redis_store.maintenance.integrations import Removal
from redis_store.models import IntegrationRecord


def register() -> None:
    """Let maintenance of every store cover Pydantic AI's conversations."""
    maintenance.register(
        Integration(name=NAME, verify=_verify, prune=_prune, erase=_erase, export=_export)
    )


async def _verify(db: Database, report: Report, *, repair: bool) -> None:
    indexes = StoredConversations(db).indexes
    await hash_records.HashVerification(db, indexes, report, repair=repair).run()


async def _prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    conversations = StoredConversations(db)

    async def delete(listed: Listed) -> bool:
        return await conversations.delete(listed.id[0], updated_us=int(listed.score))

    async for removal in hash_records.prune(conversations.indexes, ALL, limit_us, delete):
        yield removal


async def _erase(db: Database, scope: str) -> AsyncIterator[int]:
    conversations = StoredConversations(db)

    async def delete(listed: Listed) -> bool:
        return await conversations.delete(listed.id[0])

    async for erased in hash_records.erase(conversations.indexes, scope_index(scope), delete):
        yield erased


async def _export(db: Database, scope: str) -> AsyncIterator[IntegrationRecord]:
    """Find the conversations of a scope, with the entries of all their branches."""
    conversations = StoredConversations(db)
    seen: set[str] = set()
    async for listed in conversations.indexes.walk(scope_index(scope)):
        for id_ in (entry.id[0] for entry in listed):
            if id_ not in seen and (record := await conversations.read(id_)) is not None:
                seen.add(id_)
                entries = [
                    {"id": each.id, "parent_id": each.parent, "message": json.loads(each.message)}
                    for each in await conversations.entries(id_)
                ]
                content = {"record": json.loads(record), "entries": entries}
                yield IntegrationRecord(
                    integration=NAME, kind="conversation", id=id_, content=content
                )
