"""Maintenance of ADK's sessions, which needs nothing of ADK."""

import json
from collections.abc import AsyncIterator

from redis_store import maintenance
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import Id, Listed
from redis_store.integrations.google_adk.stored_sessions import NAME, SessionId, StoredSessions
from redis_store.maintenance import Integration, Report, hash_records
from redis_store.maintenance.integrations import Removal
from redis_store.models import IntegrationRecord


def register() -> None:
    """Let maintenance of every store cover ADK's sessions."""
    maintenance.register(
        Integration(name=NAME, verify=_verify, prune=_prune, erase=_erase, export=_export)
    )


async def _verify(db: Database, report: Report, *, repair: bool) -> None:
    indexes = StoredSessions(db).logs.indexes
    await hash_records.HashVerification(db, indexes, report, repair=repair).run()


async def _prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    """Find old sessions by the index of each app; the apps by a scan."""
    logs = StoredSessions(db).logs

    async def delete(listed: Listed) -> bool:
        return await logs.delete(listed.id, unchanged_since_us=int(listed.score))

    async for _, found in db.scan(logs.indexes.indexes_pattern, "zset"):
        for index in map(logs.indexes.index_of, found):
            if index[0] == "app":
                async for removal in hash_records.prune(logs.indexes, index, limit_us, delete):
                    yield removal


async def _erase(db: Database, user: str) -> AsyncIterator[int]:
    """Remove a user's sessions, and state, of every app."""
    sessions = StoredSessions(db)
    logs, apps = sessions.logs, sessions.apps_key(user)

    async def delete(listed: Listed) -> bool:
        return await logs.delete(listed.id)

    for app in await _apps_of(sessions, db, user):
        async for erased in hash_records.erase(logs.indexes, _of(app, user), delete):
            yield erased
        state = sessions.user_state_key(app, user)
        (existed,) = await db.send([("UNLINK", state)])
        await db.command("HDEL", apps, app)
        # What was stored meanwhile would not be found again.
        if await db.command("EXISTS", state) or await logs.indexes.page(_of(app, user), limit=1):
            await db.command("HSET", apps, app, "")
        yield int(existed)


async def _export(db: Database, user: str) -> AsyncIterator[IntegrationRecord]:
    """Find a user's sessions with their events, and state, of every app."""
    sessions = StoredSessions(db)
    for app in await _apps_of(sessions, db, user):
        async for id_ in _listed(sessions, app, user):
            record = await _exported(sessions, id_)
            if record is not None:
                yield record
        if state := await sessions.get_user_state(app, user):
            yield IntegrationRecord(
                integration=NAME,
                kind="user_state",
                id=app,
                content={"app_name": app, "user_id": user, "state": state},
            )


async def _listed(sessions: StoredSessions, app: str, user: str) -> AsyncIterator[SessionId]:
    """Iterate over the ids of a user's sessions of an app, each once."""
    seen: set[SessionId] = set()
    async for listed in sessions.logs.indexes.walk(_of(app, user)):
        for id_ in (SessionId(*each.id) for each in listed):
            if id_ not in seen:
                seen.add(id_)
                yield id_


async def _exported(sessions: StoredSessions, id: SessionId) -> IntegrationRecord | None:
    log = await sessions.logs.read(id)
    if log is None:
        return None
    content = {
        "app_name": id.app,
        "user_id": id.user,
        "id": id.session,
        "state": sessions.own_state(id, log.head),
        "events": [json.loads(item.body) for item in log.items],
        "last_update_time": sessions.time(id, log.head),
    }
    return IntegrationRecord(integration=NAME, kind="session", id=id.session, content=content)


async def _apps_of(sessions: StoredSessions, db: Database, user: str) -> list[str]:
    return [app.decode() for app in await db.command("HKEYS", sessions.apps_key(user))]


def _of(app: str, user: str) -> Id:
    return ("user", app, user)
