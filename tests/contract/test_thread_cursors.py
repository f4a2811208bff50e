"""Paging through threads by cursors, while others work on them."""

from itertools import pairwise, product
from pathlib import Path
from typing import Any, cast

import pytest

from redis_store import InvalidArgumentError, Page, RedisStore, Thread
from redis_store.pages import Direction
from tests.property.model_comparison import scanning
from tests.support.deployments.place import Place
from tests.support.records.builders import at, thread
from tests.support.wire.raw import Raw

DIRECTIONS: tuple[Direction, ...] = ("asc", "desc")
ORDERS = ("created_at", "updated_at")
# Ids whose order by bytes differs from most locales' order.
NAMES = ["10", "9", "B", "Z", "_", "a", "b", "é", "🙂", "￿", "a:b", "a b"]


def ids(threads: Page[Thread]) -> list[str]:
    return [item.id for item in threads]


async def save(store: RedisStore, *threads: Thread) -> None:
    for item in threads:
        await store.memory.save_thread(item)


async def fill(store: RedisStore) -> None:
    """Save threads of two resources of which several share a date."""
    await save(
        store,
        *(
            thread(
                name,
                "uv"[n % 2],
                created_at=at(n // 5),
                updated_at=at(-n // 3),
                metadata={"k": n % 3},
            )
            for n, name in enumerate(NAMES)
        ),
    )


async def forwards(store: RedisStore, **options: Any) -> list[Page[Thread]]:
    """Read all pages, each after the one before."""
    pages = [await store.memory.list_threads(**options)]
    while pages[-1].next_cursor is not None:
        assert pages[-1].has_more
        cursor = pages[-1].next_cursor
        pages.append(await store.memory.list_threads(after=cursor, **options))
    assert not pages[-1].has_more
    return pages


async def _check_pages(store: RedisStore, size: int, **asked: Any) -> None:
    """Walk through a listing both ways."""
    whole = await store.memory.list_threads(per_page=None, **asked)
    pages = await forwards(store, per_page=size, **asked)
    assert [item for each in pages for item in each] == whole.items
    assert {(each.total, each.page, each.per_page) for each in pages} == {(len(whole), 0, size)}
    assert pages[0].previous_cursor is None
    for one, following in pairwise(pages):
        for cursor in (one.next_cursor, following.previous_cursor):
            again = await store.memory.list_threads(before=cursor, per_page=size, **asked)
            assert (again.items, again.total, again.has_more) == (one.items, len(whole), True)
            assert (again.previous_cursor is None) == (one is pages[0])


@pytest.mark.parametrize(
    "filters", [{}, {"resource_id": "u"}, {"metadata": {"k": 1}}, {"resource_id": "x"}], ids=str
)
async def test_pages_by_cursor_are_the_whole_listing(
    store: RedisStore, filters: dict[str, Any]
) -> None:
    """THR-08: in every order and direction, where dates tie too."""
    await fill(store)
    for order_by, direction, size in product(ORDERS, DIRECTIONS, (1, 2, 5, 12, 13)):
        await _check_pages(store, size, order_by=order_by, direction=direction, **filters)


async def test_a_resources_listing_has_the_same_cursors(store: RedisStore) -> None:
    """By either call."""
    await fill(store)
    first = await store.memory.list_threads_by_resource_id("u", per_page=2)
    second = await store.memory.list_threads(resource_id="u", per_page=2, after=first.next_cursor)
    third = await store.memory.list_threads_by_resource_id("u", after=second.next_cursor)
    whole = await store.memory.list_threads_by_resource_id("u")
    assert [*first, *second, *third] == whole.items
    again = await store.memory.list_threads_by_resource_id("u", before=second.next_cursor)
    assert again.items == [*first, *second]


async def test_a_store_that_scans_has_the_same_pages(store: RedisStore, place: Place) -> None:
    await fill(store)
    async with scanning(place) as scan:
        await _check_pages(scan, 5)
        await _check_pages(scan, 2, resource_id="v", direction="asc", metadata={"k": 1})


async def test_a_cursor_stays_exact_while_threads_come_and_go(store: RedisStore) -> None:
    """Its own thread gone, others of its date new or gone: no page repeats or skips one."""
    for resource_id, direction in product((None, "u"), DIRECTIONS):
        await save(store, *(thread(f"t{n}") for n in range(9)))
        order = [f"t{n}" for n in range(9)]
        order = order if direction == "asc" else order[::-1]
        asked: dict[str, Any] = {"resource_id": resource_id, "direction": direction}
        first = await store.memory.list_threads(per_page=4, **asked)
        assert ids(first) == order[:4]
        for id_ in order[1:5]:
            await store.memory.delete_thread(id_)
        # Between the cursor's thread and its neighbours: ties are sorted by id.
        near = [f"{order[3]}a", f"{order[2]}a"] if direction == "asc" else [f"{order[4]}a"]
        await save(store, *(thread(id_) for id_ in [*near, f"{order[0]}-"]))
        after = [near[0], *order[5:]]
        rest = await store.memory.list_threads(after=first.next_cursor, **asked)
        assert ids(rest) == after
        up = await store.memory.list_threads(before=first.next_cursor, **asked)
        everything = await store.memory.list_threads(**asked)
        assert ids(up) + ids(rest) == ids(everything)
        for item in everything:
            await store.memory.delete_thread(item.id)


async def test_a_thread_that_is_updated_moves_past_the_cursor(store: RedisStore) -> None:
    """By updated_at: the others still come once each."""
    await save(store, *(thread(f"t{n}", updated_at=at(n)) for n in range(6)))
    asked: dict[str, Any] = {"order_by": "updated_at", "direction": "asc"}
    first = await store.memory.list_threads(per_page=3, **asked)
    for id_ in ("t0", "t2", "t4"):
        await store.memory.update_thread(id_, title="new")
    rest = await store.memory.list_threads(after=first.next_cursor, **asked)
    assert ids(rest) == ["t3", "t5", "t0", "t2", "t4"]


async def test_an_empty_page_is_where_its_cursor_is(store: RedisStore) -> None:
    """And a page size of zero has no cursors, but the real total."""
    await save(store, thread("a"), thread("b"), thread("c"))
    cursor = (await store.memory.list_threads(per_page=2)).next_cursor
    for options, more in (({}, True), ({"after": cursor}, True), ({"before": cursor}, True)):
        nothing = await store.memory.list_threads(per_page=0, **cast("Any", options))
        assert (nothing.items, nothing.total, nothing.has_more) == ([], 3, more)
        assert (nothing.next_cursor, nothing.previous_cursor) == (None, None)
    await store.memory.delete_thread("a")
    end = await store.memory.list_threads(after=cursor)
    assert (end.items, end.total, end.has_more, end.next_cursor) == ([], 2, False, None)
    up = await store.memory.list_threads(before=end.previous_cursor)
    assert (ids(up), up.next_cursor) == (["c", "b"], None)


@pytest.mark.damages
async def test_a_stale_entry_shortens_no_page(store: RedisStore, place: Place, raw: Raw) -> None:
    """THR-11: it is removed, and the page read again."""
    await save(store, *(thread(f"t{n}") for n in range(9)))
    first = await store.memory.list_threads(per_page=3)
    await raw("DEL", *(place.keys.thread(f"t{n}") for n in (5, 4)))
    second = await store.memory.list_threads(per_page=3, after=first.next_cursor)
    assert (ids(second), second.total) == (["t3", "t2", "t1"], 7)


async def test_a_cursor_of_another_listing_is_refused_by_name(store: RedisStore) -> None:
    """GEN-03: owner, order and direction are the cursor's; the metadata filter may change."""
    await fill(store)
    cursor = (await store.memory.list_threads(resource_id="u", per_page=2)).next_cursor
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "another resource_id"),
        ({"resource_id": "v"}, "another resource_id"),
        ({"resource_id": "u", "order_by": "updated_at"}, "another order_by"),
        ({"resource_id": "u", "direction": "asc"}, "another direction"),
    ]
    for options, named in wrong:
        with pytest.raises(InvalidArgumentError, match=named) as caught:
            await store.memory.list_threads(after=cursor, **options)
        assert caught.value.code == "LIST_THREADS_INVALID_AFTER"
    with pytest.raises(InvalidArgumentError, match="another resource_id") as caught:
        await store.memory.list_threads_by_resource_id("v", before=cursor)
    assert caught.value.code == "LIST_THREADS_BY_RESOURCE_ID_INVALID_BEFORE"
    await store.memory.list_threads(resource_id="u", metadata={"k": 1}, after=cursor)


async def test_bad_cursors_are_refused_before_any_io(store: RedisStore, tmp_path: Path) -> None:
    """PAGE-01: damaged, both, or with a page number."""
    await fill(store)
    cursor = (await store.memory.list_threads(per_page=2)).next_cursor
    unreachable = RedisStore(f"unix://{tmp_path}/no-server")
    wrong: list[dict[str, Any]] = [
        {"after": f"{cursor}A"},
        {"before": ""},
        {"after": b"x"},
        {"after": cursor, "before": cursor},
        {"after": cursor, "page": 1},
    ]
    for options in wrong:
        with pytest.raises(InvalidArgumentError):
            await unreachable.memory.list_threads(**options)
    await unreachable.close()


async def test_a_page_from_a_cursor_costs_what_it_returns(store: RedisStore, raw: Raw) -> None:
    """THR-11: however many threads share the cursor's date."""
    for n in range(130):
        await store.memory.save_thread(thread(f"{n:03}"))
    first = await store.memory.list_threads(resource_id="u", per_page=64)
    await store.memory.delete_thread(first.items[-1].id)
    before = await raw.commandstats()
    second = await store.memory.list_threads(resource_id="u", per_page=2, after=first.next_cursor)
    after = await raw.commandstats()
    assert ids(second) == ["065", "064"]
    # Bisecting 129 entries of one date reads seven or eight of them.
    assert after["zrange"] - before.get("zrange", 0) <= 8
