"""Listing the messages of threads: which, in which order, and how many."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from redis_store import InvalidArgumentError, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import message
from tests.support.records.messages import ids, listed, saved
from tests.support.wire.raw import Raw


async def test_messages_come_by_rising_date(store: RedisStore) -> None:
    """LIST-01: created_at ascending by default; descending is the exact reverse."""
    await saved(store, message("b", 2), message("c", 2), message("a", 1), message("d", 3))
    assert await listed(store) == ["a", "b", "c", "d"]
    assert await listed(store, direction="asc") == ["a", "b", "c", "d"]
    assert await listed(store, direction="desc") == ["d", "c", "b", "a"]


async def test_a_page_says_what_was_asked_for(store: RedisStore) -> None:
    """LIST-01: page, per_page, total and has_more; 40 messages by default."""
    await saved(store, *(message(f"m{n:02}", n) for n in range(41)))
    first = await store.memory.list_messages("t")
    assert (first.page, first.per_page, first.total, first.has_more) == (0, 40, 41, True)
    assert ids(first) == [f"m{n:02}" for n in range(40)]
    second = await store.memory.list_messages("t", page=1)
    assert (second.page, ids(second), second.total, second.has_more) == (1, ["m40"], 41, False)


async def test_an_unknown_thread_is_an_empty_page(store: RedisStore) -> None:
    """LIST-01, GEN-05: absence is no error, whatever is asked of it."""
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"per_page": None},
        {"direction": "desc"},
        {"resource_id": "u"},
        {"metadata": {"a": 1}},
    )
    for options in asked:
        for thread_id in ("unknown", ["unknown", "unknown too"]):
            page = await store.memory.list_messages(thread_id, **options)
            assert (page.items, page.total, page.has_more) == ([], 0, False)


async def test_a_thread_without_messages_is_an_empty_page(store: RedisStore) -> None:
    """LIST-01: also after its messages were deleted."""
    await saved(store, message("a"))
    await store.memory.delete_messages(["a"])
    page = await store.memory.list_messages("t")
    assert (page.items, page.total, page.has_more) == ([], 0, False)


async def test_several_threads_give_one_merged_order_and_one_total(store: RedisStore) -> None:
    """LIST-01: by date over all of them; other threads stay out."""
    await saved(store, *(message(f"m{n}", n, thread_id=f"t{n % 4}") for n in range(12)))
    page = await store.memory.list_messages(["t0", "t1", "t2"], per_page=5)
    assert ids(page) == ["m0", "m1", "m2", "m4", "m5"]
    assert (page.total, page.has_more) == (9, True)
    newest = await store.memory.list_messages(("t2", "t0"), per_page=3, direction="desc")
    assert ids(newest) == ["m10", "m8", "m6"]
    assert newest.total == 6


async def test_a_thread_named_twice_counts_once(store: RedisStore) -> None:
    """LIST-01: duplicates count once, unknown ones add nothing."""
    await saved(store, message("a"), message("b", 1, thread_id="t2"))
    page = await store.memory.list_messages(["t", "t2", "t", "unknown", "t2"])
    assert (ids(page), page.total) == (["a", "b"], 2)
    alone = await store.memory.list_messages(["t", "t"])
    assert (ids(alone), alone.total) == (["a"], 1)


async def test_merged_ties_have_one_order_in_both_directions(store: RedisStore) -> None:
    """LIST-01, SAVE-06: each thread's ties in their order, however the threads are named."""
    batch = [message(f"m{n}", n // 4, thread_id=("t", "t2")[n % 2]) for n in range(16)]
    await saved(store, *batch)
    merged = await listed(store, ["t", "t2"])
    assert merged == await listed(store, ["t2", "t"])
    assert merged == (await listed(store, ["t", "t2"], direction="desc"))[::-1]
    for thread_id in ("t", "t2"):
        own = [m.id for m in batch if m.thread_id == thread_id]
        assert [id_ for id_ in merged if id_ in own] == own


@pytest.mark.parametrize(
    "wrong", ["", [], (), [""], ["t", ""], None, 7, [None], [7], "t:id:x", ["t", "x:id"], "\ud800"]
)
async def test_a_bad_thread_id_is_refused_before_any_io(wrong: Any, tmp_path: Path) -> None:
    """LIST-01: an empty list, a blank id, or one that no thread can have."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.list_messages(wrong)
    assert caught.value.code == "LIST_MESSAGES_INVALID_THREAD_ID"
    await store.close()


async def test_without_total_nothing_is_counted(store: RedisStore) -> None:
    """LIST-07: total is None, has_more is right on every page and with every filter."""
    await saved(store, *(message(f"m{n}", n // 2, resource_id="uv"[n % 2]) for n in range(10)))
    filters: tuple[dict[str, Any], ...] = (
        {},
        {"direction": "desc"},
        {"resource_id": "v"},
        {"metadata": {"none": 1}},
    )
    pages = [(page, size) for size in (1, 3, 5, 10, 11) for page in range(4)]
    for some, (page, size) in product(filters, [*pages, (0, None)]):
        asked: dict[str, Any] = {**some, "page": page, "per_page": size}
        for thread_id in ("t", ["t", "t2"]):
            counted = await store.memory.list_messages(thread_id, **asked)
            spared = await store.memory.list_messages(thread_id, **asked, include_total=False)
            assert spared.total is None
            assert (spared.items, spared.has_more) == (counted.items, counted.has_more), asked


async def test_missing_content_reads_as_an_empty_text(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """LIST-11: in every listing; the field may be missing or null."""
    empty = {"format": 2, "parts": [{"type": "text", "text": ""}], "content": ""}
    await saved(store, message("a"), message("b", 1))
    for id_, change in (("a", {}), ("b", {"content": None})):
        key = place.keys.message("t", id_)
        record = json.loads(await raw("GET", key))
        del record["content"]
        await raw("SET", key, json.dumps(record | change))
    for found in (
        (await store.memory.list_messages("t")).items,
        (await store.memory.list_messages_by_resource_id("u")).items,
        await store.memory.list_messages_by_id(["a", "b"]),
        [m async for m in store.memory.iter_messages("t")],
    ):
        assert [(m.content, m.text) for m in found] == [(empty, ""), (empty, "")]


async def test_bookkeeping_fields_never_surface(store: RedisStore, raw: Raw, place: Place) -> None:
    """LIST-11: what Mastra notes beside a message is no part of it."""
    given = message("a", metadata={"k": 1})
    await saved(store, given)
    key = place.keys.message("t", "a")
    record = json.loads(await raw("GET", key)) | {"_index": 7}
    await raw("SET", key, json.dumps(record))
    page = await store.memory.list_messages("t")
    assert page.items == [given]
    assert "_index" not in repr(page.items)
    assert await store.memory.list_messages_by_id(["a"]) == [given]


@pytest.mark.damages
async def test_an_entry_that_leads_nowhere_is_skipped_and_removed(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """LIST-01: an index is a hint: never an error, never a short page, never in the total."""
    await saved(store, *(message(f"m{n}", n) for n in range(8)))
    for gone in ("m1", "m2", "m6"):
        await raw("DEL", place.keys.message("t", gone))
    first = await store.memory.list_messages("t", per_page=4)
    assert (ids(first), first.has_more) == (["m0", "m3", "m4", "m5"], True)
    newest = await store.memory.list_messages("t", per_page=4, direction="desc")
    assert (ids(newest), newest.total, newest.has_more) == (["m7", "m5", "m4", "m3"], 5, True)
    assert list(await raw.sorted_set(place.keys.timeline("t"))) == ["m0", "m3", "m4", "m5", "m7"]
