"""Listing the messages of a resource over all its threads."""

import pytest

from redis_store import DateRange, Include, InvalidArgumentError, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import at, message
from tests.support.records.messages import ids, make_threads, saved
from tests.support.wire.raw import Raw


async def mine(store: RedisStore, resource_id: str = "u") -> list[str]:
    """Ids of all messages of a resource; checks the total."""
    page = await store.memory.list_messages_by_resource_id(resource_id, per_page=None)
    assert page.total == len(page)
    down = await store.memory.list_messages_by_resource_id(
        resource_id, per_page=None, direction="desc"
    )
    assert ids(down) == ids(page)[::-1]
    return ids(page)


async def test_all_threads_of_a_resource_give_one_order(store: RedisStore) -> None:
    """LIST-12: whoever owns the threads."""
    await make_threads(store, "t")
    await make_threads(store, "t2", resource_id="v")
    await saved(
        store,
        *(
            message(f"m{n}", n, thread_id=("t", "t2")[n % 2], resource_id="uuv"[n % 3])
            for n in range(12)
        ),
    )
    assert await mine(store) == ["m0", "m1", "m3", "m4", "m6", "m7", "m9", "m10"]
    assert await mine(store, "v") == ["m2", "m5", "m8", "m11"]


async def test_a_resource_is_compared_exactly(store: RedisStore) -> None:
    """LIST-12: no prefix, no pattern, no other case."""
    for n, resource_id in enumerate(("u", "u2", "U", "u*", "u:", "[u]", "ü", "u ")):
        await saved(store, message(f"m{n}", n, resource_id=resource_id))
    for n, resource_id in enumerate(("u", "u2", "U", "u*", "u:", "[u]", "ü", "u ")):
        assert await mine(store, resource_id) == [f"m{n}"]
    for unknown in ("*", "?", "u?", " u", "[a-z]"):
        assert await mine(store, unknown) == []


async def test_a_blank_resource_selects_nothing(store: RedisStore) -> None:
    """LIST-12: '' is no wildcard; include stays inside it; without total there is none."""
    await saved(store, message("m"))
    page = await store.memory.list_messages_by_resource_id("", include=[Include("m", 1, 1)])
    assert (page.items, page.total, page.has_more) == ([], 0, False)
    uncounted = await store.memory.list_messages_by_resource_id("", include_total=False)
    assert (uncounted.items, uncounted.total, uncounted.has_more) == ([], None, False)
    with pytest.raises(InvalidArgumentError):
        await store.memory.list_messages_by_resource_id("", page=-1)
    with pytest.raises(InvalidArgumentError):
        await store.memory.list_messages_by_resource_id(None)  # type: ignore[arg-type]


async def test_an_unknown_resource_is_an_empty_page(store: RedisStore) -> None:
    """LIST-12, GEN-05: absence is no error, with and without a total."""
    await saved(store, message("m"))
    page = await store.memory.list_messages_by_resource_id("unknown", metadata={"a": 1})
    assert (page.items, page.total, page.has_more) == ([], 0, False)


async def test_the_same_options_hold(store: RedisStore) -> None:
    """LIST-12: pages, direction, dates, metadata, and no total."""
    await saved(
        store,
        *(
            message(f"m{n}", n, thread_id=("t", "t2")[n % 2], metadata={"k": n % 3})
            for n in range(12)
        ),
    )
    memory = store.memory
    page = await memory.list_messages_by_resource_id("u", page=1, per_page=5, direction="desc")
    assert (ids(page), page.total, page.has_more) == ([f"m{n}" for n in (6, 5, 4, 3, 2)], 12, True)
    dates = DateRange(at(2), at(9), end_exclusive=True)
    some = await memory.list_messages_by_resource_id("u", date_range=dates, metadata={"k": 2})
    assert (ids(some), some.total, some.has_more) == (["m2", "m5", "m8"], 3, False)
    uncounted = await memory.list_messages_by_resource_id("u", per_page=11, include_total=False)
    assert (len(uncounted), uncounted.total, uncounted.has_more) == (11, None, True)


async def test_includes_stay_inside_the_resource(store: RedisStore) -> None:
    """LIST-12: no target and no neighbour of another one; windows count only its own."""
    await saved(
        store,
        *(message(f"m{n}", n, resource_id="uv"[n % 2]) for n in range(10)),
        *(message(f"x{n}", n, thread_id="t2", resource_id="v") for n in range(3)),
    )
    page = await store.memory.list_messages_by_resource_id(
        "u", per_page=1, include=[Include("m4", 1, 1), Include("m7", 2, 2), Include("x1", 1, 1)]
    )
    assert ids(page) == ["m0", "m2", "m4", "m6"]
    assert (page.total, page.has_more) == (5, True)
    rest = await store.memory.list_messages_by_resource_id(
        "u", per_page=1, include=[Include("m4", 1, 2)]
    )
    assert (ids(rest), rest.has_more) == (["m0", "m2", "m4", "m6", "m8"], False)


async def test_a_resource_is_followed_through_every_change(store: RedisStore) -> None:
    """LIST-12: re-saves, moves, updates, deletes, a new owner, a deleted thread."""
    await saved(store, *(message(f"m{n}", n, thread_id=("t", "t2")[n % 2]) for n in range(6)))
    await saved(store, message("m0", 0, resource_id="v"), message("m1", 9, thread_id="t3"))
    assert await mine(store) == ["m2", "m3", "m4", "m5", "m1"]
    await store.memory.delete_messages(["m2", "m1"])
    assert await mine(store) == ["m3", "m4", "m5"]
    await store.memory.update_thread_resource_id("t2", "v")
    assert (await mine(store), await mine(store, "v")) == (["m4"], ["m0", "m3", "m5"])
    await store.memory.delete_thread("t")
    assert (await mine(store), await mine(store, "v")) == ([], ["m3", "m5"])
    await store.memory.delete_thread("t2")
    assert await mine(store, "v") == []


async def test_a_new_message_shows_in_a_thread_that_was_emptied(store: RedisStore) -> None:
    """LIST-12: though its date is older than what the thread once held."""
    await saved(store, message("new", 100))
    await store.memory.delete_messages(["new"])
    await saved(store, message("old", -100))
    assert await mine(store) == ["old"]


@pytest.mark.damages
async def test_an_index_that_leads_nowhere_is_skipped(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """LIST-12: threads that are gone, or never held a message of the resource."""
    await saved(store, message("a"), message("b", 1, thread_id="t2", resource_id="v"))
    for thread_id in ("gone", "t2"):
        await raw("ZADD", place.keys.threads_with_messages_of("u"), 0, thread_id)
    assert await mine(store) == ["a"]
    page = await store.memory.list_messages_by_resource_id("u", per_page=1)
    assert (page.total, page.has_more) == (1, False)
