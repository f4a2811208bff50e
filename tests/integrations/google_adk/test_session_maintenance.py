"""Sessions take part in maintenance: erased and exported with their user, pruned, verified."""

from datetime import timedelta
from typing import Any

from redis_store import RedisStore
from redis_store._engine import clock
from redis_store._engine.database import Database
from redis_store._engine.timestamps import epoch_us
from redis_store.integrations.google_adk import RedisSessionService
from redis_store.maintenance import Integration, Retention
from redis_store.maintenance.integrations import registered
from redis_store.models import IntegrationRecord
from tests.integrations.google_adk.events import Names, created, event, read, texts
from tests.support.deployments.place import Place
from tests.support.wire.raw import Raw

ALL = [Names(app, user, id_) for app in ("a", "b") for user in ("ana", "bob") for id_ in "12"]


async def furnish(service: RedisSessionService) -> None:
    for n, names in enumerate(ALL):
        session = await created(service, names, n=n, user_u=names.user_id, app_a=names.app_name)
        await service.append_event(session, event(str(n)))


async def left(service: RedisSessionService) -> list[Names]:
    found = [(await service.list_sessions(app_name=app)).sessions for app in ("a", "b")]
    return sorted(Names(s.app_name, s.user_id, s.id) for listed in found for s in listed)


async def test_a_user_is_erased_from_every_app(
    opened: RedisStore, service: RedisSessionService, raw: Raw, place: Place
) -> None:
    await furnish(service)
    # State without a session is the user's too.
    session = await created(service, Names("c", "ana", "1"), user_u="ana")
    await service.delete_session(app_name="c", user_id="ana", session_id=session.id)
    erased = await opened.erase_resource("ana")
    assert erased.integrations == {"google_adk": 7}
    assert await left(service) == [names for names in ALL if names.user_id == "bob"]
    assert await service.get_user_state(app_name="a", user_id="ana") == {}
    assert await service.get_user_state(app_name="a", user_id="bob") == {"u": "bob"}
    keys = await raw.keys(place.keys.prefix)
    assert [key for key in keys if "ana" in key] == []
    assert (await opened.erase_resource("ana")).integrations == {}
    assert (await read(service, ALL[-1])).state == {"n": 7, "user:u": "bob", "app:a": "b"}


async def test_a_user_is_exported_from_every_app(
    opened: RedisStore, service: RedisSessionService
) -> None:
    await furnish(service)
    exported = [record async for record in opened.export_resource("ana")]
    found: dict[tuple[str, str, str], Any] = {}
    for record in exported:
        assert isinstance(record, IntegrationRecord)
        assert record.integration == "google_adk"
        found[record.kind, record.content["app_name"], record.id] = record.content
    sessions = {("session", names.app_name, names.session_id) for names in ALL}
    assert found.keys() == {*sessions, ("user_state", "a", "a"), ("user_state", "b", "b")}
    content = found["session", "b", "2"]
    assert (content["user_id"], content["state"]) == ("ana", {"n": 5})
    assert content["events"][0]["content"]["parts"] == [{"text": "5"}]
    assert found["user_state", "a", "a"]["state"] == {"u": "ana"}
    assert [record async for record in opened.export_resource("nobody")] == []


async def test_old_sessions_are_pruned(
    place: Place, opened: RedisStore, service: RedisSessionService
) -> None:
    await furnish(service)
    async with place.store(retention=Retention(integrations=timedelta(days=1))) as keeping:
        assert sum(pruned.deleted for pruned in await keeping.prune()) == 0
    async with place.store(retention=Retention(integrations=timedelta(microseconds=1))) as strict:
        # Other tests may have imported other integrations.
        (pruned,) = [each for each in await strict.prune() if each.kind == "google_adk"]
    assert (pruned.kind, pruned.deleted, pruned.done) == ("google_adk", len(ALL), True)
    assert await left(service) == []
    assert (await opened.verify()).ok


def _integration() -> Integration:
    (adk,) = [each for each in registered() if each.name == "google_adk"]
    return adk


async def test_what_is_stored_while_a_user_is_erased_is_found_again(
    opened: RedisStore, service: RedisSessionService, db: Database, raw: Raw, place: Place
) -> None:
    """After the sessions went, and before the rest did."""
    names = Names("a", "ana", "1")
    await created(service, names, user_u="ana")
    erase = _integration().erase
    assert erase is not None
    erased: list[int] = []
    async for number in erase(db, "ana"):
        if not erased:
            await created(service, names, x=1)
        erased.append(number)
    assert erased == [1, 1]
    assert (await read(service, names)).state == {"x": 1}
    exported = [record async for record in opened.export_resource("ana")]
    assert len(exported) == 1
    await opened.erase_resource("ana")
    assert [key for key in await raw.keys(place.keys.prefix) if "ana" in key] == []


async def test_a_session_that_is_used_meanwhile_is_not_pruned(
    service: RedisSessionService, db: Database
) -> None:
    session = await created(service)
    prune = _integration().prune
    assert prune is not None
    found = await clock.now(db)
    async for removal in prune(db, epoch_us(found)):
        await service.append_event(session, event("new"))
        assert await removal() == 0
    assert texts(await read(service)) == ["new"]


async def test_listings_are_verified_and_repaired(
    opened: RedisStore, service: RedisSessionService, raw: Raw, place: Place
) -> None:
    await furnish(service)
    assert (await opened.verify()).ok
    indexes = [key for key in await raw.keys(place.keys.prefix) if ":session_by:" in key]
    for key in indexes:
        await raw("DEL", key)
    await raw("ZADD", indexes[0], 1, "\x001:a4:none1:1")
    report = await opened.verify(repair=True)
    assert report.problems == {"missing entry": 2 * len(ALL), "stale entry": 1}
    assert (await opened.verify()).ok
    assert await left(service) == sorted(ALL)
