"""Listing threads: order, scope, pages, and what they cost."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import pytest

from redis_store import InvalidArgumentError, MemoryStore, RedisStore, Thread
from redis_store.pages import Page, ThreadOrder
from tests.support.records.builders import at, message, thread
from tests.support.wire.raw import Raw


def ids(threads: Page[Thread]) -> str:
    return " ".join(item.id for item in threads)


async def save(memory: MemoryStore, *threads: Thread) -> None:
    for item in threads:
        await memory.save_thread(item)


async def save_tied(memory: MemoryStore, n: int) -> list[Thread]:
    """Save threads of which three at a time share a date, in another order than their ids'."""
    threads = [
        thread(f"{i * 7 % n:02}", "uv"[i % 2], created_at=at(i // 3), updated_at=at(-i // 4))
        for i in range(n)
    ]
    await save(memory, *threads)
    return sorted(threads, key=lambda item: (item.created_at, item.id))


async def test_the_newest_thread_comes_first_by_default(store: RedisStore) -> None:
    """THR-08: created_at descending, whatever the order of saving and of updates."""
    await save(
        store.memory,
        thread("old", created_at=at(-1)),
        thread("new", created_at=at(1)),
        thread("mid"),
    )
    await store.memory.update_thread("old", title="updated last")
    assert ids(await store.memory.list_threads()) == "new mid old"
    assert ids(await store.memory.list_threads(direction="asc")) == "old mid new"


async def test_threads_can_be_ordered_by_their_last_update(store: RedisStore) -> None:
    """THR-08: updates, new messages and a new owner count; reads do not."""
    await save(store.memory, thread("a"), thread("b", "v"), thread("c"), thread("d"))
    await store.memory.save_messages([message("m", thread_id="a")])
    await store.memory.update_thread("c", metadata={})
    await store.memory.update_thread_resource_id("b", "u")
    await store.memory.get_thread_by_id("d")
    listed = await store.memory.list_threads(order_by="updated_at", direction="asc")
    assert ids(listed) == "d a c b"
    listed = await store.memory.list_threads_by_resource_id("u", order_by="updated_at")
    assert ids(listed) == "b c a d"


async def test_resaving_a_thread_with_other_dates_resorts_it(store: RedisStore) -> None:
    """THR-08, THR-01: the listing follows the record, back in time too."""
    await save(store.memory, thread("a", created_at=at(1)), thread("b", created_at=at(2)))
    await save(store.memory, thread("b", created_at=at(-3), updated_at=at(-3)))
    assert ids(await store.memory.list_threads()) == "a b"
    assert ids(await store.memory.list_threads(order_by="updated_at")) == "a b"


@pytest.mark.parametrize("order_by", ["created_at", "updated_at"])
async def test_ties_go_by_id_and_descending_is_the_exact_reverse(
    store: RedisStore, order_by: ThreadOrder
) -> None:
    """THR-08: all threads share their dates, so only the ids decide."""
    names = ["10", "9", "B", "a", "é", "🙂", "￿"]
    await save(store.memory, *(thread(name) for name in reversed(names)))
    for resource_id in (None, "u"):
        listed = await store.memory.list_threads(
            resource_id=resource_id, order_by=order_by, direction="asc"
        )
        assert [item.id for item in listed] == sorted(names)
        listed = await store.memory.list_threads(resource_id=resource_id, order_by=order_by)
        assert [item.id for item in listed] == sorted(names, reverse=True)


async def test_a_resources_listing_holds_its_threads_only(store: RedisStore) -> None:
    """THR-08: the resource is compared exactly; none, and the empty one, are everyone's."""
    await save(store.memory, thread("a"), thread("b", "u2"), thread("c", "u:"), thread("d", "*"))
    for resource_id, expected in (("u", "a"), ("u2", "b"), ("u:", "c"), ("*", "d"), ("x", "")):
        assert ids(await store.memory.list_threads(resource_id=resource_id)) == expected
        assert ids(await store.memory.list_threads_by_resource_id(resource_id)) == expected
    assert ids(await store.memory.list_threads(resource_id=None)) == "d c b a"
    assert ids(await store.memory.list_threads(resource_id="")) == "d c b a"


async def test_a_resource_that_only_speaks_in_a_thread_does_not_list_it(store: RedisStore) -> None:
    """THR-08: a thread is its owner's, whoever's messages it holds."""
    await save(store.memory, thread())
    await store.memory.save_messages([message("m", resource_id="v")])
    assert ids(await store.memory.list_threads(resource_id="v")) == ""


async def test_a_scope_that_is_no_string_is_refused(store: RedisStore) -> None:
    """THR-08: above all it is not everyone's."""
    await save(store.memory, thread())
    wrong: list[Any] = [0, False, [], b"", b"u", 7]
    for resource_id in wrong:
        with pytest.raises(InvalidArgumentError):
            await store.memory.list_threads(resource_id=resource_id)
        with pytest.raises(InvalidArgumentError):
            await store.memory.list_threads_by_resource_id(resource_id)


async def test_listing_by_resource_needs_a_resource(store: RedisStore) -> None:
    """THR-08: the call that asks for one resource's threads never shows everyone's."""
    await save(store.memory, thread())
    for missing in ("", cast("Any", None)):
        with pytest.raises(InvalidArgumentError) as refused:
            await store.memory.list_threads_by_resource_id(missing)
        assert refused.value.code == "LIST_THREADS_BY_RESOURCE_ID_INVALID_RESOURCE_ID"


async def test_filters_combine_with_and(store: RedisStore) -> None:
    """THR-08: resource and metadata together; the total counts what passes both."""
    await save(
        store.memory,
        thread("a", "u", metadata={"x": 1, "y": 1}),
        thread("b", "u", metadata={"x": 1}),
        thread("c", "v", metadata={"x": 1, "y": 1}),
    )
    found = await store.memory.list_threads(resource_id="u", metadata={"x": 1, "y": 1})
    assert (ids(found), found.total) == ("a", 1)
    found = await store.memory.list_threads(metadata={"x": 1, "y": 1})
    assert (ids(found), found.total) == ("c a", 2)


async def test_the_default_page_holds_a_hundred(store: RedisStore) -> None:
    """The per_page table: omitted is 100, ``None`` is all, 0 only counts."""
    await save(store.memory, *(thread(f"{i:03}", metadata={"x": 1}) for i in range(101)))
    everyones, ones = store.memory.list_threads, store.memory.list_threads_by_resource_id
    listings: list[Callable[..., Awaitable[Page[Thread]]]] = [
        everyones,
        partial(everyones, resource_id="u"),
        partial(everyones, metadata={"x": 1}),
        partial(ones, "u"),
    ]
    for listing in listings:
        page = await listing()
        assert (len(page), page.total, page.page, page.per_page) == (100, 101, 0, 100)
        assert page.has_more
        page = await listing(per_page=None)
        assert (len(page), page.total, page.per_page, page.has_more) == (101, 101, None, False)
        for number in (0, 5):
            page = await listing(page=number, per_page=0)
            assert (page.items, page.total, page.page, page.per_page) == ([], 101, number, 0)
            assert page.has_more


async def test_an_empty_listing_has_no_more(store: RedisStore) -> None:
    """The per_page table: nothing matches, so nothing follows."""
    for per_page in (None, 0, 1, 100):
        for metadata in (None, {"a": 1}):
            page = await store.memory.list_threads(metadata=metadata, per_page=per_page)
            assert (page.items, page.total, page.has_more) == ([], 0, False)


@pytest.mark.parametrize("filters", [{}, {"resource_id": "u"}, {"metadata": {"x": 1}}], ids=str)
async def test_a_page_past_the_end_is_empty_and_knows_the_total(
    store: RedisStore, filters: Any
) -> None:
    """PAGE-02: however far it lies past the end."""
    await save(store.memory, *(thread(i, metadata={"x": 1}) for i in "abcdef"))
    for page in (3, 4, 1000, 2**40, 2**62, 10**30):
        past = await store.memory.list_threads(page=page, per_page=2, **filters)
        assert (past.items, past.total, past.page, past.has_more) == ([], 6, page, False)


async def test_a_page_larger_than_any_listing_is_all_of_it(store: RedisStore) -> None:
    """PAGE-02: sizes beyond what a server's integers hold."""
    await save(store.memory, thread("a"), thread("b"))
    for per_page in (2, 3, 2**31, 2**63, 10**30):
        for resource_id in (None, "u"):
            page = await store.memory.list_threads(resource_id=resource_id, per_page=per_page)
            assert (ids(page), page.total, page.has_more) == ("b a", 2, False)


@pytest.mark.parametrize("per_page", [1, 2, 3, 5, 16, 17])
async def test_pages_together_are_the_unpaged_listing(store: RedisStore, per_page: int) -> None:
    """PAGE-03: no duplicate, no gap, where dates tie too, in either order and direction."""
    threads = await save_tied(store.memory, 17)
    listed = await store.memory.list_threads(per_page=None, direction="asc")
    assert listed.items == threads
    for order_by in ("created_at", "updated_at"):
        for filters in ({}, {"resource_id": "u"}, {"direction": "asc"}):
            asked: dict[str, Any] = {"order_by": order_by, **filters}
            whole = await store.memory.list_threads(per_page=None, **asked)
            pages: list[Thread] = []
            more = True
            while more:
                number = len(pages) // per_page
                page = await store.memory.list_threads(page=number, per_page=per_page, **asked)
                assert page.total == len(whole)
                pages += page
                more = page.has_more
            assert pages == whole.items


async def test_a_listings_cost_does_not_depend_on_other_resources(
    store: RedisStore, raw: Raw
) -> None:
    """THR-11: the page and its total take the same commands whatever else is stored."""
    await save(store.memory, *(thread(f"u{i}") for i in range(6)))

    async def commands() -> dict[str, int]:
        before = await raw.commandstats()
        page = await store.memory.list_threads(resource_id="u", per_page=4)
        assert (len(page), page.total) == (4, 6)
        after = await raw.commandstats()
        new = {name: n - before.get(name, 0) for name, n in after.items()}
        return {name: n for name, n in new.items() if n and name != "info"}

    alone = await commands()
    await save(store.memory, *(thread(f"v{i}", "v") for i in range(150)))
    assert await commands() == alone
    assert alone.keys() == {"zcard", "zrevrange", "mget"}
    assert alone["zcard"] == alone["zrevrange"] == 1
