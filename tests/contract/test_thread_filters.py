"""The metadata filter of thread listings compares whole JSON values."""

from typing import Any

import pytest

from redis_store import RedisStore, Thread
from tests.support.deployments.place import Place
from tests.support.records.builders import thread
from tests.support.wire.raw import Raw

# By thread id; no two of these values are equal.
VALUES: dict[str, Any] = {
    "one": 1,
    "text one": "1",
    "true": True,
    "false": False,
    "zero": 0,
    "empty text": "",
    "null": None,
    "half": 0.5,
    "large": 2**53 + 1,
    "larger": 2**53,
    "no list": [],
    "list": [1, 2],
    "reversed": [2, 1],
    "texts": ["1", 2],
    "no dict": {},
    "dict": {"a": 1, "b": [None]},
    "wider": {"a": 1, "b": [None], "c": None},
    "narrower": {"a": 1},
    "json": '{"a": 1}',
    "composed": "\u00e9",
    "decomposed": "e\u0301",
    "upper": "É",
}


async def save_values(store: RedisStore) -> None:
    for id_, value in VALUES.items():
        await store.memory.save_thread(thread(id_, metadata={"k": value, "other": 1}))
    await store.memory.save_thread(thread("missing", metadata={"other": 1}))
    await store.memory.save_thread(thread("nothing"))


async def found(store: RedisStore, metadata: dict[str, Any]) -> list[str]:
    page = await store.memory.list_threads(metadata=metadata, per_page=None)
    assert page.total == len(page)
    return [item.id for item in page]


async def test_values_match_by_type_and_whole(store: RedisStore) -> None:
    """THR-09: each value finds itself and nothing else; ``None`` never finds a missing key."""
    await save_values(store)
    for id_, value in VALUES.items():
        assert await found(store, {"k": value}) == [id_]


async def test_the_order_of_a_dicts_keys_does_not_count(store: RedisStore) -> None:
    """THR-09: dicts compare by content, lists in order, tuples as the lists they are stored as."""
    await save_values(store)
    assert await found(store, {"k": {"b": [None], "a": 1}}) == ["dict"]
    assert await found(store, {"k": {"b": (None,), "a": 1}}) == ["dict"]
    assert await found(store, {"k": (2, 1)}) == ["reversed"]


async def test_numbers_match_by_value(store: RedisStore) -> None:
    """THR-09: JSON has one kind of number, so ``1`` and ``1.0`` are the same."""
    await save_values(store)
    assert await found(store, {"k": 1.0}) == ["one"]
    assert await found(store, {"k": {"a": 1.0}}) == ["narrower"]


async def test_several_keys_must_all_match(store: RedisStore) -> None:
    """THR-09: and keys that were not asked for do not matter."""
    await save_values(store)
    assert await found(store, {"k": 1, "other": 1}) == ["one"]
    assert await found(store, {"k": 1, "other": 2}) == []
    assert await found(store, {"k": None, "missing": None}) == []
    assert len(await found(store, {"other": 1})) == len(VALUES) + 1
    assert len(await found(store, {})) == len(VALUES) + 2


async def test_filtered_listings_have_pages(store: RedisStore) -> None:
    """THR-09, PAGE-03: total and pages are of what matches, in the order asked for."""
    for i in range(20):
        await store.memory.save_thread(thread(f"{i:02}", "uv"[i % 2], metadata={"k": i % 3}))
    pages: list[Thread] = []
    for number in range(4):
        page = await store.memory.list_threads(
            metadata={"k": 1}, page=number, per_page=2, direction="asc"
        )
        assert (page.total, page.has_more) == (7, number < 3)
        pages += page
    assert [item.id for item in pages] == ["01", "04", "07", "10", "13", "16", "19"]


async def test_more_threads_than_are_read_at_once_are_filtered(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-09: a match may lie anywhere among many."""
    await store.memory.save_thread(thread("000", metadata={"k": 1}))
    record = await raw("GET", place.keys.thread("000"))
    many = [f"{i:03}" for i in range(1, 1_100)]
    for id_ in many:
        await raw("SET", place.keys.thread(id_), record.replace(b'"k":1', b'"k":2'))
    score = next(iter((await raw.sorted_set(place.keys.threads_of("u", "created_at"))).values()))
    for order_by in ("created_at", "updated_at"):
        pairs: dict[str, list[object]] = {}
        for id_ in many:
            for index in place.keys.thread_indexes(id_, "u", order_by):
                pairs.setdefault(index, []).extend((score, id_))
        for index, entries in pairs.items():
            await raw("ZADD", index, *entries)
    page = await store.memory.list_threads(resource_id="u", metadata={"k": 1})
    assert [item.id for item in page] == ["000"]
    await store.memory.dangerously_clear_all()


@pytest.mark.parametrize("key", ["a", "_", "A9_z", "__proto", "proto", "x" * 128])
async def test_identifiers_are_keys(store: RedisStore, key: str) -> None:
    """THR-09: letters, digits and underscores, at most 128."""
    await store.memory.save_thread(thread(metadata={key: 1}))
    await store.memory.save_thread(thread("other", metadata={f"{key}x": 1}))
    assert await found(store, {key: 1}) == ["t"]
