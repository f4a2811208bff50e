"""A thread that changes hands while others read it, and write to it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

import pytest

from redis_store import DateRange, MemoryStore, Message, RedisStore, Thread
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.inspection.invariants import check_settled
from tests.support.records.builders import T0, at, message
from tests.support.records.owned_threads import furnish, shown
from tests.support.schedules.interleaving import interleaving
from tests.support.wire.raw import Raw

pytestmark = on_each_topology

Reader = Callable[[MemoryStore], Coroutine[Any, Any, Iterable[Message]]]


# What a reader sees of the moving thread must be all or nothing, and of one owner. A page with
# includes is not among them: it is read in several steps, as its docstring says.
READERS: dict[str, Reader] = {
    "a thread": lambda m: m.list_messages("t", per_page=None),
    "a thread in a scope": lambda m: m.list_messages("t", resource_id="u"),
    "a thread in the new scope": lambda m: m.list_messages("t", resource_id="v"),
    "dates": lambda m: m.list_messages("t", date_range=DateRange(start=T0, end=at(2))),
    "two threads": lambda m: m.list_messages(["t", "t2"]),
    "two threads in a scope": lambda m: m.list_messages(["t", "t2"], resource_id="u"),
    "a resource": lambda m: m.list_messages_by_resource_id("u"),
    "the new resource": lambda m: m.list_messages_by_resource_id("v"),
    "ids": lambda m: m.list_messages_by_id(["a", "b", "c", "z"]),
}


@pytest.mark.parametrize("reader", READERS, ids=READERS)
@pytest.mark.races
async def test_readers_see_the_messages_of_one_owner(
    store: RedisStore, place: Place, raw: Raw, reader: str
) -> None:
    """THR-10: whenever they read, all messages are the former owner's, or all the new one's."""
    seen: set[frozenset[str]] = set()
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store.memory)
            page, _ = await order.run(
                READERS[reader], lambda memory: memory.update_thread_resource_id("t", "v")
            )
            messages = [m for m in cast("Iterable[Message]", page) if m.thread_id == "t"]
            owners = frozenset(m.resource_id for m in messages)
            assert len(owners) <= 1
            assert [m.id for m in messages] in ([], ["a", "b", "c"])
            if "scope" in reader or "resource" in reader:
                assert owners <= {"v" if "new" in reader else "u"}
            seen.add(owners)
        await check_settled(store, raw, place.keys)
    assert len(seen) == 2, "no order put the reader before the move and another behind it"


@pytest.mark.races
async def test_readers_see_the_thread_with_one_owner(store: RedisStore, place: Place) -> None:
    """THR-10: a thread is listed under its owner only, and always under one."""
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store.memory)
            listed, _ = await order.run(
                lambda memory: _listed_by(memory, "uv"),
                lambda memory: memory.update_thread_resource_id("t", "v"),
            )
            assert listed in (["u"], ["v"], ["u", "v"])


async def _listed_by(memory: MemoryStore, resources: str) -> list[str]:
    """Ask for one resource's threads after the other's; say where the thread was."""
    found: list[str] = []
    for resource_id in resources:
        page = await memory.list_threads(resource_id=resource_id)
        assert {item.resource_id for item in page} <= {resource_id}
        assert page.total == len(page)
        found += [item.resource_id for item in page if item.id == "t"]
    return found


@pytest.mark.races
async def test_a_thread_that_keeps_moving_is_never_seen_half_moved(
    store: RedisStore, place: Place
) -> None:
    """THR-10: by readers that do not wait for their turn."""
    await furnish(store.memory)
    await store.memory.save_messages([message(f"{i:03}", 10 + i) for i in range(200)])
    moving = True

    async def move(memory: MemoryStore) -> None:
        nonlocal moving
        for i in range(25):
            await memory.update_thread_resource_id("t", "vw"[i % 2])
        moving = False

    async def read(memory: MemoryStore) -> int:
        reads = 0
        while moving:
            page = await memory.list_messages("t", per_page=None)
            assert len(page) == 203
            assert len({m.resource_id for m in page}) == 1
            reads += 1
        return reads

    async with place.store() as one, place.store() as two:
        _, *reads = await asyncio.gather(
            move(one.memory), read(one.memory), read(two.memory), read(store.memory)
        )
    assert min(reads) >= 5


@pytest.mark.parametrize("resource_id", ["u", "v"])
@pytest.mark.races
async def test_a_save_that_meets_a_move_is_not_lost(
    store: RedisStore, place: Place, raw: Raw, resource_id: str
) -> None:
    """THR-10: in any order both are done, and every index agrees."""
    ends: set[str] = set()
    saved = [message(id_, us, resource_id=resource_id) for id_, us in (("b", 1), ("new", 5))]
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store.memory)
            moved, _ = await order.run(
                lambda memory: memory.update_thread_resource_id("t", "v"),
                lambda memory: memory.save_messages(saved),
            )
            assert isinstance(moved, Thread)
            found = (await store.memory.list_messages("t")).items
            owners = {m.id: m.resource_id for m in found}
            assert list(owners) == ["a", "b", "c", "new"]
            assert owners["a"] == owners["c"] == "v"
            assert owners["b"] == owners["new"]
            ends.add(owners["new"])
            await check_settled(store, raw, place.keys)
            for owner in "uv":
                expected = [m.id for m in found if m.resource_id == owner]
                assert [
                    id_ for id_ in await shown(store.memory, owner) if id_ in owners
                ] == expected
    assert ends == {resource_id, "v"}
