"""Index entries that lead nowhere: readers skip and remove them, and no page gets short."""

import json
from typing import Any

import pytest

from redis_store import RedisStore
from redis_store.pages import ThreadOrder
from tests.support.deployments.place import Place
from tests.support.records.builders import at, thread
from tests.support.wire.raw import Raw

ORDERS: tuple[ThreadOrder, ...] = ("created_at", "updated_at")


async def add_entries(raw: Raw, place: Place, *names: str, resource_id: str = "u") -> None:
    """List threads as newer than all, in every index that a thread of the resource is in."""
    for us, name in enumerate(names):
        for order_by in ORDERS:
            for index in place.keys.thread_indexes(name, resource_id, order_by):
                await raw("ZADD", index, 2**52 + us, name)


async def entries(raw: Raw, place: Place) -> set[str]:
    """Every thread id that any index lists."""
    indexes = await raw.keys(f"{place.keys.prefix}redis_store:memory:threads:")
    return {member for index in indexes for member in await raw.sorted_set(index)}


async def furnish(store: RedisStore) -> None:
    for us, name in enumerate("abcde"):
        dates: dict[str, Any] = {"created_at": at(us), "updated_at": at(us)}
        await store.memory.save_thread(thread(name, metadata={"x": 1}, **dates))


@pytest.mark.parametrize("order_by", ORDERS)
@pytest.mark.parametrize("resource_id", [None, "u"])
@pytest.mark.parametrize("filters", [{}, {"metadata": {"x": 1}}], ids=["all", "filtered"])
async def test_entries_without_a_record_are_skipped_and_removed(
    store: RedisStore,
    raw: Raw,
    place: Place,
    *,
    order_by: ThreadOrder,
    resource_id: str | None,
    filters: dict[str, Any],
) -> None:
    """THR-08: the page is full, in order, with the true total, and the entries are gone."""
    await furnish(store)
    await add_entries(raw, place, *"uvwxyz")
    pages = [
        await store.memory.list_threads(
            resource_id=resource_id, order_by=order_by, page=number, per_page=2, **filters
        )
        for number in range(3)
    ]
    assert [[item.id for item in page] for page in pages] == [["e", "d"], ["c", "b"], ["a"]]
    assert [(page.total, page.has_more) for page in pages] == [(5, True), (5, True), (5, False)]
    await remove_leftovers(store)
    assert await entries(raw, place) == set("abcde")


async def remove_leftovers(store: RedisStore) -> None:
    """Read every other index too: each reader mends only what it reads."""
    for resource_id in (None, "u", "v"):
        for order_by in ORDERS:
            await store.memory.list_threads(
                resource_id=resource_id,
                order_by=order_by,
                per_page=None,
            )


async def test_a_thread_in_the_index_of_another_resource_is_not_shown_there(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-08: whose a thread is says its record; its right entries stay."""
    await furnish(store)
    await store.memory.save_thread(thread("foreign", "v"))
    for order_by in ORDERS:
        await raw("ZADD", place.keys.threads_of("u", order_by), 2**52, "foreign")
    page = await store.memory.list_threads(resource_id="u", per_page=3)
    assert ([item.id for item in page], page.total) == (["e", "d", "c"], 5)
    await remove_leftovers(store)
    assert (await store.memory.list_threads(resource_id="v")).items == [thread("foreign", "v")]


async def test_an_entry_that_a_deleted_thread_left_is_removed(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-08: the state that a crash can leave on a cluster: the record went, its entries not."""
    await furnish(store)
    await raw("UNLINK", place.keys.thread("e"))
    listed = await store.memory.list_threads_by_resource_id("u", per_page=1)
    assert ([item.id for item in listed], listed.total, listed.has_more) == (["d"], 4, True)
    await remove_leftovers(store)
    assert await entries(raw, place) == set("abcd")


async def test_many_entries_that_lead_nowhere_are_removed_at_once(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-08: more than are read at once."""
    await furnish(store)
    gone = [f"gone {i}" for i in range(1_200)]
    pairs = [part for us, name in enumerate(gone) for part in (2**52 + us, name)]
    await raw("ZADD", place.keys.threads_of("u", "created_at"), *pairs)
    page = await store.memory.list_threads(resource_id="u", per_page=None)
    assert (len(page), page.total) == (5, 5)
    assert await entries(raw, place) == set("abcde")


async def test_a_record_that_another_writer_moved_is_shown_to_its_new_owner_only_if_listed(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-08: the former owner no longer sees a thread whose record names another."""
    await furnish(store)
    key = place.keys.thread("e")
    moved = json.loads(await raw("GET", key)) | {"resourceId": "v"}
    await raw("SET", key, json.dumps(moved))
    assert [item.id for item in await store.memory.list_threads(resource_id="u")] == list("dcba")
    await remove_leftovers(store)
    await store.memory.update_thread("e", title="listed again")
    assert [item.id for item in await store.memory.list_threads(resource_id="v")] == ["e"]
