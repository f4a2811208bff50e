"""``RedisPushNotificationConfigStore`` against the SDK's store in memory."""

import asyncio
import random
from typing import Any

import pytest

pytest.importorskip("a2a", reason="needs redis-store[frameworks]")

from a2a.server.tasks import InMemoryPushNotificationConfigStore
from a2a.types.a2a_pb2 import TaskPushNotificationConfig as Config

from redis_store import CorruptRecordError, RedisStore
from redis_store._engine.database import Database
from redis_store.integrations.a2a import RedisPushNotificationConfigStore
from tests.integrations.a2a.tasks import caller
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw


@pytest.fixture
def configs(opened: RedisStore) -> RedisPushNotificationConfigStore:
    return RedisPushNotificationConfigStore(opened)


@on_each_topology
async def test_random_programs_do_what_the_store_in_memory_does(
    configs: RedisPushNotificationConfigStore, opened: RedisStore
) -> None:
    model = InMemoryPushNotificationConfigStore()
    seed = random.randrange(10**6)  # noqa: S311 - a test's program
    rng = random.Random(seed)  # noqa: S311
    for step in range(60):
        context, id_ = caller(rng.choice(["ana", "", "}b"])), rng.choice(["t1", "}{\0"])
        config = Config(id=rng.choice(["", "1", "2"]), url=f"https://{step}", token="x")
        wanted = rng.choice([None, "1", "2", id_])
        calls: dict[str, tuple[Any, ...]] = {
            "set_info": (id_, config, context),
            "get_info": (id_, context),
            "delete_info": (id_, context, wanted),
            "get_info_for_dispatch": (id_,),
        }
        name = rng.choice(["set_info", *calls])
        found = await getattr(configs, name)(*calls[name])
        expected = await getattr(model, name)(*calls[name])
        if name == "get_info_for_dispatch":
            found, expected = (sorted(each, key=str) for each in (found, expected))
        assert found == expected, f"seed {seed}, step {step}: {name}"
    assert (await opened.verify()).ok


@on_each_topology
async def test_racing_writers_lose_nothing(configs: RedisPushNotificationConfigStore) -> None:
    await asyncio.gather(
        *(configs.set_info("t", Config(id=f"{n}"), caller("ana")) for n in range(12))
    )
    assert len(await configs.get_info("t", caller("ana"))) == 12


async def test_a_corrupt_record_names_its_key(
    configs: RedisPushNotificationConfigStore, raw: Raw, db: Database
) -> None:
    await configs.set_info("t", Config(), caller("ana"))
    (record,) = [key for key in await raw.keys(db.keys.prefix) if "a2a:push:" in key]
    await raw("HSET", record, "body", b"\xff")
    with pytest.raises(CorruptRecordError) as caught:
        await configs.get_info("t", caller("ana"))
    assert caught.value.key == record


async def test_costs(
    configs: RedisPushNotificationConfigStore,
    metered_store: RedisStore,
    proxy: CountingProxy,
    place: Place,
) -> None:
    await configs.set_info("t", Config(id="1"), caller("ana"))
    metered, found = RedisPushNotificationConfigStore(metered_store), dict[str, int]()
    await metered.get_info("t", caller("ana"))
    calls: dict[str, tuple[Any, ...]] = {
        "set_info": ("t", Config(id="2"), caller("ana")),
        "get_info": ("t", caller("ana")),
        "get_info_for_dispatch": ("t",),
        "delete_info": ("t", caller("ana")),
    }
    for name, arguments in calls.items():
        with proxy.measure() as cost:
            await getattr(metered, name)(*arguments)
        found[name] = cost.round_trips
    last = 4 if place.keys.hash_tags else 2
    assert found == {"set_info": 2, "get_info": 1, "get_info_for_dispatch": 2, "delete_info": last}
