"""Sessions take part in maintenance: erased and exported with their user, pruned, verified."""

from datetime import timedelta
from typing import Any

from claude_agent_sdk import SessionKey

from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore
from redis_store.maintenance import Retention
from redis_store.models import IntegrationRecord
from tests.integrations.claude_agent_sdk.entries import entries
from tests.support.deployments.place import Place
from tests.support.wire.raw import Raw

KEYS: list[SessionKey] = [
    {"project_key": project, "session_id": id_} for project in "pq" for id_ in "12"
]


async def furnish(store: RedisStore, user: str) -> RedisSessionStore:
    sessions = RedisSessionStore(store, user=user)
    for key in KEYS:
        await sessions.append(key, entries("ab"))
        await sessions.append({**key, "subpath": "agent"}, entries("c"))
    # An agent's transcript alone.
    alone: SessionKey = {"project_key": "p", "session_id": "3", "subpath": "agent"}
    await sessions.append(alone, entries("c"))
    return sessions


async def test_a_user_is_erased(opened: RedisStore, raw: Raw, place: Place) -> None:
    await furnish(opened, "ana")
    bobs = await furnish(opened, "bob")
    assert (await opened.erase_resource("ana")).integrations == {"claude_agent_sdk": 5}
    assert [key for key in await raw.keys(place.keys.prefix) if "ana" in key] == []
    assert len(await bobs.list_sessions("p")) == 2
    assert (await opened.erase_resource("ana")).integrations == {}


async def test_a_user_is_exported(opened: RedisStore) -> None:
    await furnish(opened, "ana")
    await furnish(opened, "bob")
    found: dict[tuple[str, str], Any] = {}
    async for record in opened.export_resource("ana"):
        assert isinstance(record, IntegrationRecord)
        assert (record.integration, record.kind) == ("claude_agent_sdk", "session")
        found[record.content["project_key"], record.id] = record.content["transcripts"]
    both = {"": entries("ab"), "agent": entries("c")}
    assert found.pop(("p", "3")) == {"agent": entries("c")}
    assert found == {(key["project_key"], key["session_id"]): both for key in KEYS}


async def test_old_sessions_are_pruned(opened: RedisStore, place: Place) -> None:
    sessions = await furnish(opened, "ana")
    async with place.store(retention=Retention(integrations=timedelta(days=1))) as keeping:
        assert sum(pruned.deleted for pruned in await keeping.prune()) == 0
    async with place.store(retention=Retention(integrations=timedelta(microseconds=1))) as strict:
        done = {pruned.kind: pruned for pruned in await strict.prune()}
    pruned = done["claude_agent_sdk"]
    assert (pruned.deleted, pruned.done) == (5, True)
    assert await sessions.list_sessions("p") == []
    assert (await opened.verify()).ok


async def test_listings_are_verified_and_repaired(
    opened: RedisStore, raw: Raw, place: Place
) -> None:
    sessions = await furnish(opened, "ana")
    assert (await opened.verify()).ok
    indexes = [key for key in await raw.keys(place.keys.prefix) if ":session_by:" in key]
    for key in indexes:
        await raw("DEL", key)
    await raw("ZADD", indexes[0], 1, "\x003:ana1:p4:none")
    report = await opened.verify(repair=True)
    assert report.problems == {"missing entry": 9, "stale entry": 1}
    assert (await opened.verify()).ok
    assert len(await sessions.list_sessions("p")) == 2
