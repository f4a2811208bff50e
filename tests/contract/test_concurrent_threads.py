"""Many calls of two stores on one thread at once, as they come."""

import asyncio
import random

import pytest

from redis_store import RedisStore, RedisStoreError, ThreadNotFoundError
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_settled
from tests.support.records.builders import message, thread
from tests.support.wire.raw import Raw

TRIALS = 15


@pytest.mark.races
async def test_concurrent_updates_keep_every_key(store: RedisStore, place: Place) -> None:
    """THR-05: twenty of them, with disjoint keys; each one's ``updated_at`` is its own."""
    async with place.store() as other:
        await store.memory.save_thread(thread(title="T", metadata={"k": 0}))
        updated = await asyncio.gather(
            *(
                (store, other)[i % 2].memory.update_thread("t", metadata={f"k{i}": i})
                for i in range(20)
            )
        )
    read = await store.memory.get_thread_by_id("t")
    assert read is not None
    assert read.metadata == {"k": 0} | {f"k{i}": i for i in range(20)}
    assert read.title == "T"
    assert len({item.updated_at for item in updated}) == 20
    assert read.updated_at == max(item.updated_at for item in updated)


@pytest.mark.races
async def test_concurrent_updates_and_saves_lose_nothing(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """THR-05: neither a key nor a message."""
    async with place.store() as other:
        for _ in range(3):
            await store.memory.dangerously_clear_all()
            await store.memory.save_thread(thread())
            await asyncio.gather(
                *(store.memory.update_thread("t", metadata={f"k{i}": i}) for i in range(8)),
                *(other.memory.update_thread("t", title=f"T{i}") for i in range(4)),
                *(other.memory.save_messages([message(f"m{i}", i)]) for i in range(8)),
            )
            read = await store.memory.get_thread_by_id("t")
            assert read is not None
            assert read.metadata == {f"k{i}": i for i in range(8)}
            assert read.title is not None
            listed = await store.memory.list_messages("t")
            assert [m.id for m in listed] == [f"m{i}" for i in range(8)]
            await check_settled(store, raw, place.keys)


@pytest.mark.races
async def test_concurrent_callbacks_lose_no_count(store: RedisStore, place: Place) -> None:
    """THR-06: a counter in the metadata, raised from two stores beside other updates."""
    async with place.store() as other:
        await store.memory.save_thread(thread(metadata={"n": 0}))
        await asyncio.gather(
            *(
                (store, other)[i % 2].memory.update_thread_metadata(
                    "t", lambda seen: {**seen.metadata, "n": seen.metadata["n"] + 1}
                )
                for i in range(20)
            ),
            *(other.memory.update_thread("t", metadata={f"k{i}": i}) for i in range(5)),
        )
    read = await store.memory.get_thread_by_id("t")
    assert read is not None
    assert read.metadata == {"n": 20} | {f"k{i}": i for i in range(5)}


@pytest.mark.races
async def test_deleting_and_saving_leave_all_or_nothing(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """THR-07: after each of many races the thread is whole, or no key of it is left."""
    async with place.store() as other:
        for trial in range(TRIALS):
            await store.memory.save_thread(thread())
            await store.memory.save_messages([message("a"), message("b", 1)])
            calls = [
                store.memory.delete_thread("t"),
                other.memory.save_messages([message("a", 2), message("c", 3)]),
                other.memory.save_messages([message(f"{i:03}", i) for i in range(trial * 5)]),
            ]
            random.shuffle(calls)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            unexpected = [o for o in outcomes if isinstance(o, BaseException)]
            assert all(isinstance(error, ThreadNotFoundError) for error in unexpected), unexpected
            await check_settled(store, raw, place.keys)
            assert await store.memory.get_thread_by_id("t") is None
            assert await raw.keys(place.keys.prefix) == []


@pytest.mark.races
async def test_deleting_and_resaving_a_thread_leave_it_whole_or_gone(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """THR-07: a thread that is saved again meanwhile has its index entries, or no key."""
    async with place.store() as other:
        for _ in range(TRIALS):
            await store.memory.save_thread(thread("t", "u"))
            await store.memory.save_messages([message("a")])
            calls = [
                store.memory.delete_thread("t"),
                other.memory.save_thread(thread("t", "v")),
                other.memory.update_thread("t", title="T"),
            ]
            random.shuffle(calls)
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                assert not isinstance(outcome, BaseException) or isinstance(
                    outcome, RedisStoreError
                ), outcome
            await check_settled(store, raw, place.keys)
            read = await store.memory.get_thread_by_id("t")
            listed = (await store.memory.list_threads()).items
            assert listed == ([] if read is None else [read])
            await store.memory.delete_thread("t")
            assert await raw.keys(place.keys.prefix) == []
