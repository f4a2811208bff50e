"""What an integration registers takes part in maintenance, and clearing needs no registration."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from redis_store import InvalidArgumentError, Progress, Pruned, RedisStore
from redis_store._engine.database import Database
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store.maintenance import Integration, Report, Retention, register
from redis_store.maintenance.integrations import Removal
from redis_store.models import IntegrationRecord
from tests.support.deployments.place import Place
from tests.support.wire.raw import Raw


def _record(resource_id: str) -> IntegrationRecord:
    return IntegrationRecord(
        integration="toy", kind="session", id="s", content={"user": resource_id}
    )


async def _verify(db: Database, report: Report, *, repair: bool) -> None:
    assert not db.keys.prefix.startswith("other")
    report.checked["toys"] += 1
    report.add("stale entry", "toy key", "toy member")
    report.repaired += repair


async def _prune(_: Database, limit_us: int) -> AsyncIterator[Removal]:
    async def two() -> int:
        return 2

    assert limit_us > 0
    yield two
    yield two


async def _erase(_: Database, resource_id: str) -> AsyncIterator[int]:
    for erased in (3, 1) if resource_id == "ana" else ():
        yield erased


async def _export(_: Database, resource_id: str) -> AsyncIterator[IntegrationRecord]:
    yield _record(resource_id)


TOY = Integration(name="toy", verify=_verify, prune=_prune, erase=_erase, export=_export)


async def test_verify_asks_an_integration(store: RedisStore) -> None:
    assert (await store.verify()).ok
    register(TOY)
    report = await store.verify(repair=True)
    assert report.checked["toys"] == 1
    assert report.problems == {"stale entry": 1}
    assert report.repaired == 1


async def test_prune_asks_an_integration_in_batches(place: Place) -> None:
    register(TOY)
    done: list[Progress] = []
    retention = Retention(integrations=timedelta(days=1))
    async with place.store(retention=retention) as store:
        assert await store.prune(progress=done.append) == [Pruned("toy", 4, done=True)]
        assert await store.prune(max_batches=1) == [Pruned("toy", 2, done=False)]
    assert done == [Progress("toy", 2), Progress("toy", 4)]
    async with place.store(retention=Retention(threads=timedelta(days=1))) as store:
        assert [each.kind for each in await store.prune()] == ["threads"]


async def test_a_resource_is_erased_from_an_integration(store: RedisStore) -> None:
    register(TOY)
    done: list[Progress] = []
    erased = await store.erase_resource("ana", progress=done.append)
    assert erased.integrations == {"toy": 4}
    assert done[-2:] == [Progress("toy", 3), Progress("toy", 4)]
    assert (await store.erase_resource("bob")).integrations == {}


async def test_a_resource_is_exported_with_an_integrations_records(store: RedisStore) -> None:
    register(TOY)
    assert [each async for each in store.export_resource("ana")] == [_record("ana")]


async def test_an_integration_need_not_take_part(store: RedisStore) -> None:
    register(TOY)
    register(Integration(name="toy"))
    assert (await store.verify()).ok
    assert (await store.erase_resource("ana")).integrations == {}
    assert [each async for each in store.export_resource("ana")] == []


async def test_integrations_are_cleared_whether_imported_or_not(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """One of them, or all; nothing else; whatever types their keys have."""
    toy, toys = IntegrationKeys(place.keys, "toy"), IntegrationKeys(place.keys, "toys")
    mine = [toy.key("events", "*"), toy.key("header", "*"), toy.index("by_user", "u")]
    await raw("RPUSH", mine[0], "e")
    await raw("HSET", mine[1], "f", "v")
    await raw("ZADD", mine[2], 1, "m")
    others = [toys.key("events", "a"), f"{place.keys.prefix}redis_store:integration:toy:x"]
    for key in others:
        await raw("SET", key, "1")
    await store.dangerously_clear_integrations("toy")
    assert await raw.keys(place.keys.prefix) == sorted(others)
    await store.dangerously_clear_integrations()
    assert await raw.keys(place.keys.prefix) == others[1:]
    await raw("DEL", others[1])


async def test_a_name_that_is_none_is_refused(store: RedisStore) -> None:
    with pytest.raises(InvalidArgumentError):
        await store.dangerously_clear_integrations("")
