"""A cancelled call changes all or nothing, and neither its store nor other callers notice."""

from functools import partial
from itertools import count
from typing import get_args

import pytest

from redis_store import MemoryStore, MessagePatch, RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_settled
from tests.support.records.builders import T0, at, message, thread
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.interleaving import Call
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

CALLS: dict[str, Call] = {
    "save": lambda m: m.save_messages([message("new", 1), message("a", 9), message("b")]),
    "save and move": lambda m: m.save_messages([message("new"), message("d")]),
    "update": lambda m: m.update_messages(
        [MessagePatch(id="a", role="tool", created_at=at(9)), MessagePatch(id="b", role="tool")]
    ),
    "update and move": lambda m: m.update_messages(
        [MessagePatch(id="a", role="tool"), MessagePatch(id="b", thread_id="t2")]
    ),
    "save and make": lambda m: m.save_messages(
        [message("new", 1), message("b", thread_id="t3")], create_thread=True
    ),
    "pop": lambda m: m.pop_message("t"),
    "create": lambda m: m.create_thread(thread("new", "v")),
    "get or create": lambda m: m.get_or_create_thread(thread("new", "v")),
    "delete": lambda m: m.delete_messages(["a", "b"]),
    "delete from two": lambda m: m.delete_messages(["a", "d"]),
    "delete thread": lambda m: m.delete_thread("t"),
    "transfer": lambda m: m.update_thread_resource_id("t", "v"),
    "clone": lambda m: m.clone_thread("t", new_thread_id="new"),
    "update thread": lambda m: m.update_thread("t", title="new", metadata={"new": 1}),
}


async def furnish(memory: MemoryStore) -> None:
    await memory.dangerously_clear_all()
    for id_ in ("t", "t2"):
        await memory.save_thread(thread(id_))
    await memory.save_messages([message("a"), message("b", 1), message("c", 1)])
    await memory.save_messages([message("d", thread_id="t2")])
    for id_ in ("t", "t2"):
        await memory.save_thread(thread(id_))


async def state(memory: MemoryStore) -> object:
    """All that readers see, but for what is random or the time."""
    threads = (await memory.list_threads(direction="asc")).items
    listed = [await memory.list_messages(thread.id) for thread in threads]
    listed += [await memory.list_messages_by_resource_id(id_) for id_ in ("u", "v")]
    known = await memory.list_messages_by_id(["a", "b", "c", "d", "new"])
    return (
        [(t.id, t.resource_id, t.title, [*t.metadata], t.updated_at == T0) for t in threads],
        [[(m.text, m.role, m.resource_id, m.created_at) for m in page] for page in listed],
        [(m.id, m.thread_id, m.role) for m in known],
    )


@pytest.mark.parametrize("how", get_args(How))
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.races
async def test_a_call_that_is_cancelled_anywhere_did_all_or_nothing(
    store: RedisStore, place: Place, raw: Raw, name: str, how: How
) -> None:
    """GEN-12: the data is as before or as after, never between, and the store goes on."""
    await furnish(store.memory)
    before = await state(store.memory)
    await CALLS[name](store.memory)
    after = await state(store.memory)
    seen: list[object] = []
    async with gated_store(place) as (cancelled, gate):
        for point in count():
            await furnish(cancelled.memory)
            if not await cancelled_at(point, partial(CALLS[name], cancelled.memory), gate, how):
                break
            seen.append(await state(store.memory))
            assert seen[-1] in (before, after), point
            await check_settled(store, raw, place.keys)
    assert seen[-1] == after != before
