"""``RedisKeyValue`` against py-key-value's store in memory."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("key_value", reason="needs redis-store[frameworks]")

from key_value.aio.stores.simple import SimpleStore

from redis_store import CorruptRecordError, RedisStore
from redis_store._engine.database import Database
from redis_store.integrations.mcp import RedisKeyValue
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

if TYPE_CHECKING:
    from key_value.aio.protocols import AsyncKeyValue


@pytest.fixture
def values(opened: RedisStore) -> RedisKeyValue:
    return RedisKeyValue(opened)


@on_each_topology
async def test_random_programs_do_what_the_store_in_memory_does(values: RedisKeyValue) -> None:
    with pytest.warns(UserWarning, match="unstable"):
        model: AsyncKeyValue = SimpleStore()
    stored: AsyncKeyValue = values
    seed = random.randrange(10**6)  # noqa: S311 - a test's program
    rng = random.Random(seed)  # noqa: S311
    names = ["a", "b::c", "}{", "é\0", "2:ab", "*"]
    for step in range(120):
        key, keys = rng.choice(names), rng.choices(names, k=3)
        value = {"n": step, "nested": [{"x": None}, 1.5, "é"]}
        calls: dict[str, tuple[Any, ...]] = {
            "put": (key, value),
            "put_many": (keys, [{"n": n} for n in range(3)]),
            "get": (key,),
            "get_many": (keys,),
            "ttl": (key,),
            "delete": (key,),
            "delete_many": (keys,),
        }
        name = rng.choice(["put", *calls])
        collection = rng.choice([None, "b", "c::b", "}{"])
        found = await getattr(stored, name)(*calls[name], collection=collection)
        expected = await getattr(model, name)(*calls[name], collection=collection)
        assert found == expected, f"seed {seed}, step {step}: {name}"


@on_each_topology
async def test_values_expire(values: RedisKeyValue, raw: Raw, db: Database) -> None:
    await values.put("a", {"x": 1}, ttl=60)
    value, ttl = await values.ttl("a")
    assert value == {"x": 1}
    assert ttl is not None
    assert 55 < ttl <= 60
    (key,) = [key for key in await raw.keys(db.keys.prefix) if "key_value:value:" in key]
    assert 55_000 < await raw("PTTL", key) <= 60_000
    await values.put("a", {"x": 2})
    assert await raw("PTTL", key) == -1
    await values.put("a", {"x": 3}, ttl=0.001)
    await asyncio.sleep(0.01)
    assert await values.get("a") is None


async def test_a_corrupt_record_names_its_key(
    values: RedisKeyValue, raw: Raw, db: Database
) -> None:
    await values.put("a", {"x": 1})
    (key,) = [key for key in await raw.keys(db.keys.prefix) if "key_value:value:" in key]
    for bad in ("no JSON", b"\xff"):
        await raw("SET", key, bad)
        with pytest.raises(CorruptRecordError) as caught:
            await values.get("a")
        assert caught.value.key == key


async def test_costs(
    values: RedisKeyValue, metered_store: RedisStore, proxy: CountingProxy
) -> None:
    await values.put("a", {"x": 1})
    metered = RedisKeyValue(metered_store)
    await metered.get("a")
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "put": lambda: metered.put("a", {"x": 1}, ttl=5),
        "put_many": lambda: metered.put_many(["a", "b"], [{}, {}]),
        "get": lambda: metered.get("a"),
        "get_many": lambda: metered.get_many(["a", "b"]),
        "ttl": lambda: metered.ttl("a"),
        "delete": lambda: metered.delete("a"),
        "delete_many": lambda: metered.delete_many(["a", "b"]),
    }
    found: dict[str, int] = {}
    for name, call in calls.items():
        with proxy.measure() as cost:
            await call()
        found[name] = cost.round_trips
    assert found == dict.fromkeys(calls, 1)
