"""Maintenance of Claude's sessions, which needs nothing of the SDK."""

import json
from collections.abc import AsyncIterator

from redis_store import maintenance
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import Id, Listed
from redis_store.integrations.claude_agent_sdk.stored_sessions import (
    NAME,
    SessionId,
    StoredSessions,
)
from redis_store.maintenance import Integration, Report, hash_records
from redis_store.maintenance.integrations import Removal
from redis_store.models import IntegrationRecord


def register() -> None:
    """Let maintenance of every store cover Claude's sessions."""
    maintenance.register(
        Integration(name=NAME, verify=_verify, prune=_prune, erase=_erase, export=_export)
    )


async def _verify(db: Database, report: Report, *, repair: bool) -> None:
    indexes = StoredSessions(db).indexes
    await hash_records.HashVerification(db, indexes, report, repair=repair).run()


async def _prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    """Find old sessions by the index of each user; the users by a scan."""
    sessions = StoredSessions(db)

    async def delete(listed: Listed) -> bool:
        return await sessions.delete(SessionId(*listed.id), unchanged_since_ms=int(listed.score))

    async for _, found in db.scan(sessions.indexes.indexes_pattern, "zset"):
        for index in map(sessions.indexes.index_of, found):
            if index[0] == "user":
                limit_ms = limit_us / 1000
                async for removal in hash_records.prune(sessions.indexes, index, limit_ms, delete):
                    yield removal


async def _erase(db: Database, user: str) -> AsyncIterator[int]:
    sessions = StoredSessions(db)

    async def delete(listed: Listed) -> bool:
        return await sessions.delete(SessionId(*listed.id))

    async for erased in hash_records.erase(sessions.indexes, _of(user), delete):
        yield erased


async def _export(db: Database, user: str) -> AsyncIterator[IntegrationRecord]:
    sessions = StoredSessions(db)
    seen: set[Id] = set()
    async for listed in sessions.indexes.walk(_of(user)):
        for id_ in (SessionId(*each.id) for each in listed):
            if id_ not in seen:
                seen.add(id_)
                if transcripts := await _transcripts(sessions, id_):
                    yield IntegrationRecord(
                        integration=NAME,
                        kind="session",
                        id=id_.session,
                        content={
                            "project_key": id_.project,
                            "session_id": id_.session,
                            "transcripts": transcripts,
                        },
                    )


async def _transcripts(sessions: StoredSessions, id: SessionId) -> dict[str, list[object]]:
    """Read a session's transcripts, by subpath; the main one is at ``""``."""
    subpaths = ["", *await sessions.list_subpaths(id)]
    found = {subpath: await sessions.load(id, subpath) for subpath in subpaths}
    return {
        subpath: [json.loads(entry) for entry in entries]
        for subpath, entries in found.items()
        if entries
    }


def _of(user: str) -> Id:
    return ("user", user)
