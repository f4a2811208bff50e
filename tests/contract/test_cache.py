"""The server cache: values and their time to live, and what clearing it leaves alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from redis_store import BackendError, RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.leftovers import emptied
from tests.support.records.json_values import json_values, same
from tests.support.schedules.waiting import until
from tests.support.wire.proxies import CountingProxy, metered_store
from tests.support.wire.raw import Raw

DEFAULT_MS = 300_000
# How much of a time to live may have passed before it is asked for.
SLACK_MS = 20_000

VALUES: list[Any] = [
    *(None, True, False, 0, -0.0, 1.0, 0.1, 2**53 + 1, -(2**70), "", " ", [], {}, [[], {}]),
    *("null", "true", "0", "1.0", '"quoted"', '{"a": 1}', "[1]", "{", "NaN", "\x00", "1\x00"),
    *({"a": {"b": [None, "é😀", '\\"']}}, {"": 1, "a.b": 2}, ["x" * 10_000], "\u2028\ufeff1"),
]


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.cache):
        yield


def store_with(place: Place, **options: Any) -> RedisStore:
    """Build a further store on a test's data."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    return RedisStore(place.url, key_prefix=prefix, hash_tags=hash_tags, **options)


def named(place: Place, key: str, prefix: str = "mastra:cache:") -> str:
    """The key at which the cache stores."""
    return f"{place.keys.prefix}{prefix}{key}"


async def test_any_json_round_trips(store: RedisStore) -> None:
    """CA-01: falsy values and text that looks like JSON keep their type."""
    for value in VALUES:
        await store.cache.set("k", value)
        assert same(await store.cache.get("k"), value)
        await store.cache.list_push("l", value)
    assert same(await store.cache.list_from_to("l", 0), VALUES)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=json_values)
async def test_any_json_round_trips_to_the_last_digit(store: RedisStore, value: Any) -> None:
    """CA-01: whatever it is made of."""
    await store.cache.set("k", value)
    assert same(await store.cache.get("k"), value)


async def test_what_is_no_json_comes_back_as_text(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """CA-01: as another program may store it; bytes that are no text as near as can be."""
    texts = ["", "text", "{", "[1,]", "NaN", "-Infinity", "01", "1 2", "1\x00", "\x001", "\ufeff1"]
    for text in texts:
        await raw("SET", named(place, "k"), text)
        assert await store.cache.get("k") == text
        await raw("RPUSH", named(place, "l"), text)
    assert await store.cache.list_from_to("l", 0) == texts
    await raw("SET", named(place, "k"), b"a\xff")
    assert await store.cache.get("k") == "a\ufffd"


async def test_an_unknown_key_is_absent(store: RedisStore) -> None:
    """CA-01, GEN-05: a value, a list, a counter, and to delete."""
    assert await store.cache.get("k") is None
    assert await store.cache.list_length("k") == 0
    assert await store.cache.list_from_to("k", 0) == []
    await store.cache.delete("k")
    await store.cache.clear()


async def test_deleting_removes_one_key(store: RedisStore) -> None:
    """CA-01: a value, a list or a counter; not what it is a prefix or a pattern of."""
    for key in ("k", "k2", "*", "?"):
        await store.cache.set(key, key)
    await store.cache.list_push("l", 1)
    await store.cache.increment("n")
    for key in ("*", "?", "l", "n", "k"):
        await store.cache.delete(key)
        assert await store.cache.get(key) is None
    assert await store.cache.list_length("l") == 0
    assert await store.cache.get("k2") == "k2"


# Arguments of set(), and the time to live in ms that they give; -1 is for ever.
TIMES: list[tuple[dict[str, Any], int]] = [
    ({}, DEFAULT_MS),
    ({"ttl": timedelta(days=2, milliseconds=3)}, 172_800_003),
    ({"ttl": timedelta(seconds=90, microseconds=999)}, 90_000),
    ({"ttl": None}, -1),
    ({"ttl": timedelta(0)}, -1),
    ({"ttl": timedelta(days=-1)}, -1),
    ({"ttl": timedelta.max}, timedelta.max // timedelta(milliseconds=1)),
]


async def test_a_value_lives_as_long_as_it_is_told(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """CA-01: 300 s by default; ``None`` or not positive is for ever, also where it had a time."""
    for options, ttl_ms in TIMES:
        await store.cache.set("k", 1, **options)
        assert ttl_ms - SLACK_MS <= await raw("PTTL", named(place, "k")) <= ttl_ms, options


async def test_less_than_a_second_is_a_second(store: RedisStore, raw: Raw, place: Place) -> None:
    """CA-01: rounded up, so that it is neither for ever nor gone at once."""
    for us in (1, 1000, 999_999):
        await store.cache.set("k", 1, ttl=timedelta(microseconds=us))
        assert 500 < await raw("PTTL", named(place, "k")) <= 1000


async def test_a_value_expires(store: RedisStore, raw: Raw, place: Place) -> None:
    """CA-01: and reads as unknown then; its time is cut short here, as a test should not wait."""
    await store.cache.set("k", 1, ttl=timedelta(seconds=1))
    await store.cache.list_push("l", 1)
    for key in ("k", "l"):
        assert await raw("PEXPIRE", named(place, key), 20) == 1

    async def is_gone() -> bool:
        return await store.cache.get("k") is None and await store.cache.list_length("l") == 0

    await until(is_gone, "both expired")


@pytest.mark.parametrize(
    ("ttl", "least_ms", "most_ms"),
    [
        (timedelta(hours=1), 3_600_000 - SLACK_MS, 3_600_000),
        (timedelta(microseconds=1), 500, 1000),
        (None, -1, -1),
        (timedelta(0), -1, -1),
    ],
    ids=["an hour", "a microsecond", "None", "zero"],
)
async def test_the_default_is_the_stores(
    place: Place, raw: Raw, ttl: timedelta | None, least_ms: int, most_ms: int
) -> None:
    """CA-02: ``cache_ttl`` for values, lists, counters; what is given with a value wins."""
    async with store_with(place, cache_ttl=ttl) as other:
        await other.cache.set("k", 1)
        await other.cache.list_push("l", 1)
        await other.cache.increment("n")
        await other.cache.list_push_indexed("il", "in", {})
        for key in ("k", "l", "n", "il", "in"):
            assert least_ms <= await raw("PTTL", named(place, key)) <= most_ms, key
        await other.cache.set("k", 1, ttl=timedelta(minutes=5))
        assert DEFAULT_MS - SLACK_MS <= await raw("PTTL", named(place, "k")) <= DEFAULT_MS


async def test_the_prefix_is_the_stores(store: RedisStore, place: Place, raw: Raw) -> None:
    """CA-03: ``cache_prefix`` keeps two caches apart, and clearing one leaves the other."""
    async with store_with(place, cache_prefix="mine:") as other:
        await other.cache.set("k", "mine")
        await store.cache.set("k", "default")
        assert await raw("GET", named(place, "k", "mine:")) == b'"mine"'
        assert await other.cache.get("k") == "mine"
        assert await store.cache.get("k") == "default"
        await other.cache.clear()
        assert await other.cache.get("k") is None
        assert await store.cache.get("k") == "default"


# A prefix, and what a pattern that is made of it carelessly would take with it.
NEIGHBOURS = {
    "app*": ["apple:k", "app:k", "app"],
    "a?c:": ["abc:k", "aXc:k"],
    "[ab]:": ["a:k", "b:k"],
    "a\\": ["a", "a/k"],
    "[a": ["a", "["],
    "[^x]": ["y", "a"],
    "a-z:": ["b:k"],
    "é:": ["e:k", "É:k"],
    "mastra:cache:": ["mastra:cache", "mastra:cachek", "Mastra:cache:k", "xmastra:cache:k"],
}


async def test_clearing_takes_all_and_only_what_has_the_prefix(place: Place, raw: Raw) -> None:
    """CA-03: of any type; glob characters in the prefix mean themselves."""
    for prefix, neighbours in NEIGHBOURS.items():
        for name in neighbours:
            await raw("SET", place.keys.prefix + name, "neighbour")
        kept = await raw.keys(place.keys.prefix)
        async with store_with(place, cache_prefix=prefix) as other:
            for key in ("k", "*", "[x]", "é"):
                await other.cache.set(key, 1)
            await other.cache.list_push("l", 1)
            await other.cache.list_push_indexed("il", "in", {})
            assert len(await raw.keys(place.keys.prefix)) == len(kept) + 7
            await other.cache.clear()
        assert await raw.keys(place.keys.prefix) == kept, prefix
        await raw("DEL", *(place.keys.prefix + name for name in neighbours))


async def test_clearing_many_takes_all(store: RedisStore, raw: Raw, place: Place) -> None:
    """CA-03: more than one SCAN returns; records of other domains stay."""
    await store.workflows.persist_workflow_snapshot("w", "r", {})
    kept = await raw.keys(place.keys.prefix)
    await asyncio.gather(*(store.cache.set(f"k{n}", n) for n in range(1500)))
    await store.cache.clear()
    assert await raw.keys(place.keys.prefix) == kept
    await store.workflows.dangerously_clear_all()


async def test_a_key_of_another_type_is_an_error(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-04: never an absent value, and nothing is overwritten but by ``set``."""
    await store.cache.list_push("l", 1)
    await store.cache.set("k", "text")
    for call in (
        store.cache.get("l"),
        store.cache.list_push("k", 1),
        store.cache.list_length("k"),
        store.cache.list_from_to("k", 0),
        store.cache.increment("k"),
        store.cache.increment("l"),
        store.cache.list_push_indexed("k", "n", {}),
        store.cache.list_push_indexed("new", "l", {}),
    ):
        with pytest.raises(BackendError) as failed:
            await call
        assert failed.value.__cause__ is not None
    assert await store.cache.list_from_to("l", 0) == [1]
    assert await store.cache.get("k") == "text"
    await store.cache.set("l", 2)
    assert await store.cache.get("l") == 2
    if not place.keys.hash_tags:
        assert await raw("EXISTS", named(place, "new"), named(place, "n")) == 0


async def test_a_call_is_one_round_trip(
    store: RedisStore, proxy: CountingProxy, place: Place, raw: Raw
) -> None:
    """CA-02, GEN-10: two for an indexed push where list and counter have different slots."""
    assert await store.ping()
    async with metered_store(proxy, place) as metered:
        cache = metered.cache
        before = await raw.commandstats()
        costs: list[int] = []
        for call in (
            cache.set("k", 1),
            cache.get("k"),
            cache.list_push("l", 1),
            cache.list_length("l"),
            cache.list_from_to("l", 0),
            cache.increment("n"),
            cache.delete("k"),
            cache.list_push_indexed("{x}il", "{x}in", {}),
            cache.list_push_indexed("il", "in", {}),
        ):
            with proxy.measure() as cost:
                await call
            costs.append(cost.round_trips)
        after = await raw.commandstats()
    assert costs == [1] * 8 + [2 if place.keys.hash_tags else 1]
    assert after.get("scan") == before.get("scan")
