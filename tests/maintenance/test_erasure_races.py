"""Erasing a user that is stopped anywhere, or meets writers: what is left is whole, and others'."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import get_args

import pytest

from redis_store import Message, MessagePatch, RedisStore, Thread
from redis_store.models import Record
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.inspection.invariants import check_indexed, check_settled
from tests.support.records.builders import message
from tests.support.records.messages import ids
from tests.support.records.scores import score
from tests.support.records.two_users import furnish, mentions
from tests.support.records.workflow_runs import persist
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.mortality import DEATHS, Death, KilledError, mortal_store
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

# How many of the points at which it may be stopped or met are tried, as there are up to a hundred.
SOME = 12

Write = Callable[[RedisStore], Awaitable[object]]


async def _clear(store: RedisStore) -> None:
    await store.memory.dangerously_clear_all()
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()


async def _kept(store: RedisStore) -> dict[str, Record]:
    """What others have by name, but for the messages of others in the erased user's threads."""
    kept: dict[str, Record] = {}
    for user in ("bob", "host"):
        async for each in store.export_resource(user):
            kept[repr(each)] = each
    threads = {each.id for each in kept.values() if isinstance(each, Thread)}
    return {
        name: each
        for name, each in kept.items()
        if not isinstance(each, Message)
        or (each.resource_id != "ana" and each.thread_id in threads)
    }


@on_each_topology
@pytest.mark.timeout(180)
@pytest.mark.parametrize("death", DEATHS)
async def test_killed_anywhere_and_run_again_it_leaves_nothing(
    store: RedisStore, place: Place, raw: Raw, death: Death
) -> None:
    await furnish(store, "ana", "bob")
    requests = await _requests(place)
    await _clear(store)
    for point in sorted(random.sample(range(requests), SOME)):
        await furnish(store, "ana", "bob")
        before = await _kept(store)
        async with mortal_store(place, point, death) as (mortal, killer):
            with pytest.raises(KilledError):
                await mortal.erase_resource("ana")
            assert killer.has_struck
        await store.erase_resource("ana")
        assert await mentions(raw, place.keys.prefix, "ana") == [], point
        assert await _kept(store) == before
        await check_indexed(store)
        await _clear(store)


async def _requests(place: Place) -> int:
    """How many requests erasing takes."""
    async with mortal_store(place, 10**6, "before") as (counted, killer):
        await counted.erase_resource("ana")
    return 10**6 - killer.left


@pytest.mark.races
@pytest.mark.parametrize("how", get_args(How))
async def test_cancelled_anywhere_it_leaves_whole_records(
    store: RedisStore, place: Place, raw: Raw, how: How
) -> None:
    """GEN-12: each is gone, or there with all that leads to it."""
    await furnish(store, "ana", "bob")
    waits = 2 * await _requests(place)
    await _clear(store)
    async with gated_store(place) as (cancelled, gate):
        for point in sorted(random.sample(range(waits), SOME)):
            await furnish(store, "ana", "bob")
            before = await _kept(store)
            await cancelled_at(point, lambda: cancelled.erase_resource("ana"), gate, how)
            assert await _kept(store) == before
            await check_settled(store, raw, place.keys)
            await check_listings(store, raw, place.keys)
            await cancelled.erase_resource("ana")
            assert await mentions(raw, place.keys.prefix, "ana") == [], point
            assert await _kept(store) == before
            await _clear(store)


async def _give_messages(store: RedisStore) -> None:
    patches = [MessagePatch(id=f"ana-s{n}", resource_id="bob") for n in range(3)]
    await store.memory.update_messages(patches)


async def _move_messages(store: RedisStore) -> None:
    """To a thread of another user, still as the erased one's."""
    patches = [MessagePatch(id=f"ana-{n}", thread_id="shared") for n in range(3)]
    await store.memory.update_messages(patches)


async def _write_to_threads(store: RedisStore) -> None:
    await store.memory.save_messages(
        [message("bob-new", 50, thread_id="shared", resource_id="bob")]
    )
    await store.memory.update_thread("shared", metadata={"a": 1})


async def _give_thread(store: RedisStore) -> None:
    if await store.memory.get_thread_by_id("ana-thread"):
        await store.memory.update_thread_resource_id("ana-thread", "bob")


async def _give_records(store: RedisStore) -> None:
    for n in range(2):
        await store.scores.save_score(score(f"ana-score{n}", resource_id="bob"))
        await persist(store, f"ana-run{n}", workflow=f"w{n}", resource_id="bob")


async def _take_ids(store: RedisStore) -> None:
    """Messages of another user with ids that the erased one's had."""
    await store.memory.save_messages(
        [message(f"ana-{n}", 70, thread_id="bob-thread", resource_id="bob") for n in range(3)]
    )


WRITES: dict[str, Write] = {
    "give messages": _give_messages,
    "move messages": _move_messages,
    "write to threads": _write_to_threads,
    "give thread": _give_thread,
    "give records": _give_records,
    "take ids": _take_ids,
}


@pytest.mark.races
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", WRITES)
async def test_a_writer_in_between_loses_nothing(
    store: RedisStore, place: Place, raw: Raw, name: str
) -> None:
    """What another user has by then stays, with all that leads to it, wherever they meet."""
    await furnish(store, "ana", "bob")
    requests = await _requests(place)
    await _clear(store)
    for point in sorted(random.sample(range(requests), SOME)):
        await furnish(store, "ana", "bob")
        await _erase_and_write(place, point, lambda: WRITES[name](store))
        written = await _kept(store)
        await check_settled(store, raw, place.keys)
        await check_listings(store, raw, place.keys)
        await store.erase_resource("ana")
        assert await _kept(store) == written
        assert [each async for each in store.export_resource("ana")] == []
        await check_settled(store, raw, place.keys)
        messages = [each for each in written.values() if isinstance(each, Message)]
        by_ids = await store.memory.list_messages_by_id(ids(messages))
        assert len(by_ids) == len(messages), point
        await _check_given(store, name)
        await _clear(store)


async def _erase_and_write(
    place: Place, point: int, write: Callable[[], Awaitable[object]]
) -> None:
    """Erase, and write before the nth request."""
    async with gated_store(place) as (erasing, gate):
        await erasing.ping()
        gate.shut = True
        task = asyncio.ensure_future(erasing.erase_resource("ana"))
        task.add_done_callback(lambda _: gate.moved.set())
        for _ in range(point):
            while not (gate.holds or task.done()):
                gate.moved.clear()
                await gate.moved.wait()
            if not task.done():
                gate.let_through()
        while not (gate.holds or task.done()):
            gate.moved.clear()
            await gate.moved.wait()
        await write()
        gate.open()
        await task


async def _check_given(store: RedisStore, name: str) -> None:
    """What was written whatever came first is there."""
    if name == "write to threads":
        assert await store.memory.list_messages_by_id(["bob-new"])
        shared = await store.memory.get_thread_by_id("shared")
        assert shared is not None
        assert shared.metadata == {"a": 1}
    elif name == "give records":
        assert (await store.scores.list_scores_by_scorer_id("scorer")).total == 5
        assert (await store.workflows.list_workflow_runs(resource_id="bob")).total == 4
    elif name == "take ids":
        taken = await store.memory.list_messages_by_id([f"ana-{n}" for n in range(3)])
        assert [each.thread_id for each in taken] == ["bob-thread"] * 3
