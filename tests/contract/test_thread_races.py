"""Calls of two stores on one thread, in every order in which their round trips can reach a server.

Whatever the order, the data must be as one call after the other would leave them, and every index
must agree with them: no update is lost, nothing is half there, nothing comes back.
"""

from collections.abc import Awaitable, Callable
from itertools import combinations_with_replacement

import pytest

from redis_store import MemoryStore, MessagePatch, RedisStore, RedisStoreError
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.inspection.invariants import check_settled
from tests.support.inspection.memory_view import View, view
from tests.support.records.builders import message, thread
from tests.support.schedules.interleaving import interleaving
from tests.support.wire.raw import Raw

pytestmark = on_each_topology

Run = Callable[[MemoryStore, str], Awaitable[object]]
Pair = tuple[str, str]

MAKING = {"create_thread": True}

# The second argument names the call: the two of a pair differ in what they write.
THREAD_CALLS: dict[str, Run] = {
    "save": lambda m, by: m.save_thread(thread(resource_id=by, title=by)),
    "update": lambda m, by: m.update_thread("t", metadata={by: 1}),
    "change": lambda m, by: m.update_thread_metadata("t", lambda t: {**t.metadata, by: 1}),
    "own": lambda m, by: m.update_thread_resource_id("t", by),
    "delete": lambda m, _: m.delete_thread("t"),
    "clone": lambda m, _: m.copy_thread("t", new_thread_id="clone"),
}
MESSAGE_CALLS: dict[str, Run] = {
    "put": lambda m, by: m.save_messages([message("b", 1), message(by, 2)]),
    "patch": lambda m, by: m.update_messages([MessagePatch(id="a", role=by)]),
    "move away": lambda m, _: m.update_messages([MessagePatch(id="a", thread_id="t2")]),
    "move here": lambda m, _: m.update_messages([MessagePatch(id="z", thread_id="t")]),
    "remove": lambda m, _: m.delete_messages(["a", "z"]),
    "put or make": lambda m, by: m.save_messages([message("b", 1), message(by, 2)], **MAKING),
    "pop": lambda m, _: m.pop_message("t"),
}
# Calls that may find no thread, as another one is about to make it or has deleted it.
MAKING_CALLS: dict[str, Run] = {
    "create": lambda m, by: m.create_thread(thread(resource_id=by, title=by)),
    "get or create": lambda m, by: m.get_or_create_thread(thread(resource_id=by, title=by)),
    **{name: MESSAGE_CALLS[name] for name in ("put", "put or make", "pop")},
    **{name: THREAD_CALLS[name] for name in ("save", "delete", "own", "update")},
}
CALLS = THREAD_CALLS | MESSAGE_CALLS | MAKING_CALLS
PAIRS: list[Pair] = [
    *combinations_with_replacement(THREAD_CALLS, 2),
    *((call, other) for call in THREAD_CALLS for other in MESSAGE_CALLS),
    *((call, "pop") for call in MESSAGE_CALLS),
    ("delete", "create"),
    ("delete", "get or create"),
]
# The thread is missing at first, and one of the two may make it.
MAKING_PAIRS: list[Pair] = [
    pair
    for pair in combinations_with_replacement(MAKING_CALLS, 2)
    if any(name in pair for name in ("create", "get or create", "put or make"))
]


# A thread that is saved anew with an older date, while a message leaves or comes: in the tagged
# layout the listing by date, in another slot, may keep the newer one, which is left to verify().
LEFT_TO_VERIFY: list[Pair] = [
    ("save", "move here"),
    ("save", "move away"),
    ("save", "remove"),
    ("save", "pop"),
    ("move away", "pop"),
]


async def furnish(memory: MemoryStore) -> None:
    await memory.dangerously_clear_all()
    await memory.save_thread(thread())
    await memory.save_thread(thread("t2"))
    await memory.save_messages([message("a"), message("b", 1)])
    await memory.save_messages([message("z", thread_id="t2")])


async def furnish_without_thread(memory: MemoryStore) -> None:
    await memory.dangerously_clear_all()
    await memory.save_thread(thread("t2"))
    await memory.save_messages([message("z", thread_id="t2")])


async def one_after_the_other(
    memory: MemoryStore, furnish: Callable[[MemoryStore], Awaitable[None]], *calls: tuple[str, str]
) -> View:
    await furnish(memory)
    for name, by in calls:
        try:
            await CALLS[name](memory, by)
        except RedisStoreError:
            continue
    return await view(memory)


@pytest.mark.parametrize("pair", PAIRS, ids=" & ".join)
@pytest.mark.races
async def test_racing_calls_leave_what_one_after_the_other_would(
    store: RedisStore, place: Place, raw: Raw, pair: Pair
) -> None:
    """THR-05, THR-06, THR-07, THR-10, GEN-11: every race ends as if there had been none."""
    await _race(store, place, raw, pair, furnish)


@pytest.mark.parametrize("pair", MAKING_PAIRS, ids=" & ".join)
@pytest.mark.races
async def test_racing_makers_leave_what_one_after_the_other_would(
    store: RedisStore, place: Place, raw: Raw, pair: Pair
) -> None:
    """THR-07, SAVE-03, GEN-11: exactly one makes the thread, and no part of another's is left."""
    await _race(store, place, raw, pair, furnish_without_thread)


async def _race(
    store: RedisStore,
    place: Place,
    raw: Raw,
    pair: Pair,
    furnish: Callable[[MemoryStore], Awaitable[None]],
) -> None:
    first, second = ((name, by) for name, by in zip(pair, "vw", strict=True))
    allowed = [
        await one_after_the_other(store.memory, furnish, first, second),
        await one_after_the_other(store.memory, furnish, second, first),
    ]
    async with interleaving(place) as racing:
        for order in racing.orders(at_most=12):
            await furnish(store.memory)
            await order.run(
                lambda memory: CALLS[first[0]](memory, first[1]),
                lambda memory: CALLS[second[0]](memory, second[1]),
            )
            if place.keys.hash_tags and pair in LEFT_TO_VERIFY:
                await store.verify(repair=True)
            await check_settled(store, raw, place.keys)
            assert await view(store.memory) in allowed
