"""Deleting a thread: all of it in one step, at a cost that its length does not decide."""

import pytest

from redis_store import MemoryStore, RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.inspection.invariants import check_settled
from tests.support.records.builders import message, thread
from tests.support.records.messages import listed, make_threads, saved
from tests.support.schedules.interleaving import between
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

# Ids down, pointers up, where these are in other slots.
TAGGED_BYTES_PER_MESSAGE = 200


async def fill(store: RedisStore, n: int) -> None:
    await store.memory.save_thread(thread())
    for first in range(0, n, 1000):
        numbers = range(first, min(n, first + 1000))
        await store.memory.save_messages([message(f"m{i}", i) for i in numbers])


@on_one_server
async def test_a_long_thread_costs_what_a_short_one_does(
    store: RedisStore, metered: MemoryStore, proxy: CountingProxy, place: Place
) -> None:
    """THR-07: the server reads the ids; they come down only if pointers are in other slots."""
    used: dict[int, int] = {}
    for n in (1, 10, 3000):
        await fill(store, n)
        with proxy.measure() as cost:
            await metered.delete_thread("t")
        used[n] = cost.bytes_sent + cost.bytes_received
    if place.keys.hash_tags:
        assert used[3000] - used[1] < TAGGED_BYTES_PER_MESSAGE * 3000
    else:
        assert cost.round_trips == 1
        assert max(used.values()) - min(used.values()) < 10


async def test_thousands_of_messages_go_at_once(store: RedisStore, raw: Raw, place: Place) -> None:
    """THR-07: more than one command takes; of several resources."""
    await make_threads(store, "t", "t2")
    batch = [message(f"m{i}", i // 7, resource_id=f"u{i % 5}") for i in range(4500)]
    await store.memory.save_messages(batch)
    await store.memory.save_messages([message("kept", thread_id="t2")])
    await store.memory.delete_thread("t")
    left = await raw.keys(place.keys.prefix)
    assert not [key for key in left if "m1" in key or "thread:t:" in key]
    assert await listed(store, "t2") == ["kept"]
    assert (await store.memory.list_messages_by_resource_id("u1")).total == 0


@pytest.mark.damages
async def test_the_pointers_of_other_threads_stay(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-07: a copy of a message that is in another thread goes, and nothing else of it."""
    await saved(store, message("a"), message("b", 1), message("c", thread_id="t2"))
    await raw("SET", place.keys.message("t2", "a"), await raw("GET", place.keys.message("t", "a")))
    await raw("SET", place.keys.message_pointer("a"), "t2")
    await store.memory.delete_thread("t")
    assert await raw("GET", place.keys.message_pointer("a")) == b"t2"
    assert await raw("EXISTS", place.keys.message("t", "a")) == 0
    assert await raw("EXISTS", place.keys.message_pointer("b")) == 0


async def test_what_is_left_of_a_thread_without_a_record_goes_too(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-07: whatever another writer, or a crash, has left."""
    await saved(store, message("a"), message("b", 1, resource_id="v"))
    stored = await raw("GET", place.keys.thread("t"))
    await raw("DEL", place.keys.thread("t"))
    await store.memory.delete_thread("t")
    mine = await raw.keys(place.keys.prefix)
    assert not [key for key in mine if "msg-idx" in key or "mastra_messages" in key]
    # So that its entries in the lists of threads go, as only the record names them.
    await raw("SET", place.keys.thread("t"), stored)


@pytest.mark.races
async def test_a_thread_that_is_made_again_meanwhile_keeps_its_messages(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """THR-07, GEN-11: of the same id, with messages of the same ids."""

    async def make_again() -> None:
        await store.memory.save_thread(thread(title="again"))
        await store.memory.save_messages([message("b", 1, text="again"), message("c", 2)])

    for after in range(1, 7 if place.keys.hash_tags else 2):
        await saved(store, message("a"), message("b", 1))
        await between(place, lambda s: s.memory.delete_thread("t"), make_again, after=after)
        await check_settled(store, raw, place.keys)
        # Before the step that deletes, it is made again in vain.
        if after > 1:
            by_id = await store.memory.list_messages_by_id(["a", "b", "c"])
            assert [m.text for m in by_id] == ["again", "c"]
            assert (await store.memory.list_messages("t")).items == by_id
        await store.memory.delete_thread("t")
