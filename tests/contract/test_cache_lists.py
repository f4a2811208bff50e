"""Lists and counters of the server cache: atomic, with their time to live."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from redis_store import BackendError, CacheStore, RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.inspection.leftovers import emptied
from tests.support.wire.monitor import monitored
from tests.support.wire.raw import Raw

CALLS = 50


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.cache):
        yield


@pytest.fixture
async def caches(store: RedisStore, place: Place) -> AsyncIterator[list[CacheStore]]:
    """The caches of two stores on the same data."""
    async with place.store() as other:
        yield [store.cache, other.cache]


def named(place: Place, key: str) -> str:
    """The key at which the cache stores."""
    return f"{place.keys.prefix}mastra:cache:{key}"


async def test_a_list_is_read_by_position(store: RedisStore) -> None:
    """CA-01: both ends included; below 0 counts from the end; a push returns the new length."""
    cache = store.cache
    assert [await cache.list_push("l", n) for n in range(5)] == [1, 2, 3, 4, 5]
    assert await cache.list_length("l") == 5
    for (start, stop), expected in {
        (0, -1): [0, 1, 2, 3, 4],
        (1, 3): [1, 2, 3],
        (2, 2): [2],
        (-2, -1): [3, 4],
        (3, 99): [3, 4],
        (3, 1): [],
        (9, 10): [],
        (-99, 0): [0],
    }.items():
        assert await cache.list_from_to("l", start, stop) == expected
    assert await cache.list_from_to("l", 3) == [3, 4]


@pytest.mark.races
async def test_concurrent_pushes_are_all_kept(caches: list[CacheStore]) -> None:
    """CA-02: from two stores; every length is returned once."""
    lengths = await asyncio.gather(*(caches[n % 2].list_push("l", n) for n in range(CALLS)))
    assert sorted(lengths) == list(range(1, CALLS + 1))
    stored = await caches[0].list_from_to("l", 0)
    assert all(stored[length - 1] == n for n, length in enumerate(lengths))


@pytest.mark.races
async def test_concurrent_increments_all_count(caches: list[CacheStore]) -> None:
    """CA-02: from two stores; every value is returned once."""
    values = await asyncio.gather(*(caches[n % 2].increment("n") for n in range(CALLS)))
    assert sorted(values) == list(range(1, CALLS + 1))
    assert await caches[0].get("n") == CALLS


async def test_a_counter_goes_on_from_what_is_stored(store: RedisStore) -> None:
    """CA-02: as ``set`` left it; beyond 64 bits it is an error, not a wrong number."""
    await store.cache.set("n", -3)
    assert await store.cache.increment("n") == -2
    await store.cache.set("n", 2**53)
    assert await store.cache.increment("n") == 2**53 + 1
    assert await store.cache.get("n") == 2**53 + 1
    await store.cache.set("n", 2**63 - 1)
    with pytest.raises(BackendError):
        await store.cache.increment("n")
    assert await store.cache.get("n") == 2**63 - 1


@pytest.mark.parametrize("keys", [("l", "n"), ("{x}l", "{x}n")], ids=["apart", "in one slot"])
@pytest.mark.races
async def test_concurrent_indexed_pushes_get_their_position(
    caches: list[CacheStore], place: Place, raw: Raw, keys: tuple[str, str]
) -> None:
    """CA-02: 50 calls from two stores give 0 to 49, each at its index; the counter follows."""
    indexes = await asyncio.gather(
        *(caches[n % 2].list_push_indexed(*keys, {"n": n, "index": -7}) for n in range(CALLS))
    )
    assert sorted(indexes) == list(range(CALLS))
    stored = await caches[0].list_from_to(keys[0], 0)
    assert [each["index"] for each in stored] == list(range(CALLS))
    assert all(stored[index] == {"n": n, "index": index} for n, index in enumerate(indexes))
    assert await raw("GET", named(place, keys[1])) == str(CALLS).encode()


OBJECTS: list[dict[str, Any]] = [
    {},
    {"index": 5},
    {"index": None, "a": 1},
    {"a": {"index": 9}, "b": [{"index": 9}]},
    {"a": 2**70, "l": [], "o": {}, "t": '"index":3}', "é": "😀"},
    {"z": 1, "a": 2},
]


async def test_an_indexed_push_stores_the_object_with_its_index(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """CA-02: a given index is discarded, everything else is kept; the caller's dict as well."""
    for position, value in enumerate(OBJECTS):
        given = json.loads(json.dumps(value))
        assert await store.cache.list_push_indexed("l", "n", given) == position
        assert given == value
    stored = await store.cache.list_from_to("l", 0)
    for position, value in enumerate(OBJECTS):
        assert repr(stored[position]) == repr(
            {k: v for k, v in value.items() if k != "index"} | {"index": position}
        )
    texts = await raw("LRANGE", named(place, "l"), 0, -1)
    assert [json.loads(text)["index"] for text in texts] == list(range(len(OBJECTS)))


async def test_an_indexed_push_starts_anew_where_the_list_is_gone(store: RedisStore) -> None:
    """CA-02: position equals index, also where only the counter is left, or only the list."""
    for _ in range(3):
        await store.cache.list_push_indexed("l", "n", {})
    await store.cache.delete("n")
    assert await store.cache.list_push_indexed("l", "n", {}) == 3
    assert await store.cache.get("n") == 4
    await store.cache.delete("l")
    assert await store.cache.list_push_indexed("l", "n", {}) == 0
    assert await store.cache.list_from_to("l", 0) == [{"index": 0}]


async def test_an_indexed_push_raises_the_counter_and_keeps_how_long_it_lives(
    place: Place, raw: Raw
) -> None:
    """CA-02: a higher counter stays, one that is no number is replaced; neither lives for ever."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    options: dict[str, Any] = {"key_prefix": prefix, "hash_tags": hash_tags, "cache_ttl": None}
    async with RedisStore(place.url, **options) as store:
        for before, after in ((9, 9), ("text", 1)):
            await store.cache.set("n", before, ttl=timedelta(seconds=90))
            assert await store.cache.list_push_indexed("l", "n", {}) == 0
            assert await store.cache.get("n") == after
            assert 0 < await raw("PTTL", named(place, "n")) <= 90_000
            await store.cache.clear()


async def test_every_write_refreshes_the_time_to_live(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """CA-02: of a list, a counter, and both of an indexed push."""

    async def write() -> None:
        await store.cache.list_push("l", 1)
        await store.cache.increment("c")
        await store.cache.list_push_indexed("il", "in", {})

    await write()
    for key in ("l", "c", "il", "in"):
        assert await raw("PEXPIRE", named(place, key), 30_000) == 1
    await write()
    for key in ("l", "c", "il", "in"):
        assert 280_000 < await raw("PTTL", named(place, key)) <= 300_000, key


async def test_a_write_and_its_time_to_live_are_one_step(server: Server, place: Place) -> None:
    """CA-02: in one script, so that no key is left that lives for ever."""
    prefix = place.keys.prefix
    options: dict[str, Any] = {"key_prefix": prefix, "cache_ttl": timedelta(minutes=1)}
    async with RedisStore(server.url, **options) as store, monitored(server) as monitor:
        for call in (
            store.cache.list_push("l", 1),
            store.cache.increment("c"),
            store.cache.list_push_indexed("il", "in", {}),
        ):
            await monitor.take()
            await call
            own = [each for each in await monitor.take() if each.command[0] != b"PING"]
            outside = [each.command[0] for each in own if not each.by_script]
            inside = {each.command[0].upper() for each in own if each.by_script}
            assert outside == [b"EVALSHA"]
            assert b"PEXPIRE" in inside
        await store.cache.clear()
        async with Raw(server.url) as raw:
            await raw("DEL", f"{prefix}redis_store:indexes")
