"""Ids that look like a pattern, a key's part or a script are ids like any other."""

import pytest

from redis_store import (
    Include,
    MemoryStore,
    Message,
    MessagePatch,
    RedisStore,
    Resource,
    Thread,
    ThreadExistsError,
)
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_invariants
from tests.support.records.builders import T0, message, thread
from tests.support.wire.raw import Raw

# Each with two neighbours, which it would reach if it were taken for more than an id.
HOSTILE = {
    "*": ("x", "xy"),
    "?": ("x", "y"),
    "[a]": ("a", "[a"),
    "\\": ("\\\\", "x"),
    "a:b": ("a", "b"),
    ":": ("::", "x"),
    "id:x": ("x", "id"),
    "{x}": ("x", "{x}y"),
    "}x": ("x", "%}x"),
    "{": ("{}", "x"),
    "{}": ("{", "}"),
    "%": ("%%", "}"),
    " ": ("  ", "x"),
    "a\nb": ("a", "b"),
    "a\x00b": ("a", "b"),
    '"]}': ('"', "]"),
    "🙂": ("🙂🙂", "\ufe0f"),
    "שלום\u202e": ("שלום", "\u202e"),
    "x" * 500: ("x" * 499, "x" * 501),
    "é" * 512: ("é" * 511, "é" * 511 + "x"),
}


async def seen(memory: MemoryStore, thread_id: str) -> tuple[Thread | None, list[Message]]:
    """What is stored of a thread."""
    messages = await memory.list_messages(thread_id, per_page=None)
    return await memory.get_thread_by_id(thread_id), messages.items


async def test_a_thread_id_reaches_its_own_thread_alone(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """GEN-07: get, save, list, update, transfer, clone and delete."""
    memory = store.memory
    for id_, near in HOSTILE.items():
        for number, other in enumerate(near):
            await memory.save_thread(thread(other))
            await memory.save_messages([message(f"near {number}", thread_id=other)])
        before = [await seen(memory, other) for other in near]

        await memory.save_messages([message("m0", thread_id=id_)], create_thread=True)
        popped = await memory.pop_message(id_)
        assert popped is not None
        assert popped.id == "m0"
        with pytest.raises(ThreadExistsError):
            await memory.create_thread(thread(id_))
        assert (await memory.get_or_create_thread(thread(id_, "w"))).resource_id == "u"
        await memory.save_thread(thread(id_, title="t"))
        mine = [message("m1", thread_id=id_), message("m2", 1, thread_id=id_)]
        await memory.save_messages(mine)
        await memory.update_thread(id_, metadata={"a": 1})
        await memory.update_thread_metadata(id_, lambda found: {**found.metadata, "b": 2})
        updated = await memory.update_thread_resource_id(id_, "v")
        assert (updated.id, updated.title, updated.metadata) == (id_, "t", {"a": 1, "b": 2})
        await memory.update_messages([MessagePatch(id="m1", role="tool")])
        await memory.delete_messages(["m2"])
        found, (left,) = await seen(memory, id_)
        assert found is not None
        assert (found.id, found.resource_id, found.metadata) == (id_, "v", {"a": 1, "b": 2})
        assert (left.id, left.thread_id, left.role, left.resource_id) == ("m1", id_, "tool", "v")
        assert (await memory.list_threads(resource_id="v")).items == [found]
        assert [m async for m in memory.iter_messages(id_)] == [left]
        assert (await memory.list_messages([id_, near[0]])).total == 2
        copy = await memory.copy_thread(id_, resource_id="v")
        assert copy.thread.metadata["clone"]["sourceThreadId"] == id_
        assert list(copy.message_id_map) == ["m1"]
        await check_invariants(raw, place.keys)

        await memory.delete_thread(id_)
        assert await seen(memory, id_) == (None, [])
        clone = await memory.clone_thread(near[0], new_thread_id=id_)
        assert await seen(memory, id_) == (clone.thread, clone.messages)
        assert [await seen(memory, other) for other in near] == before, id_
        for thread_id in (id_, *near, copy.thread.id):
            await memory.delete_thread(thread_id)
        assert await raw.keys(place.keys.prefix + "mastra") == []


async def test_a_message_id_reaches_its_own_message_alone(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """GEN-07: save, find, list, include, update, move, clone and delete."""
    memory = store.memory
    await memory.save_thread(thread())
    await memory.save_thread(thread("t2"))
    for id_, near in HOSTILE.items():
        others = [message(near[0], 0), message(near[1], 2, thread_id="t2")]
        await memory.save_messages([*others, message(id_, 1, metadata={"a": 1})])

        patch = MessagePatch(id=id_, content={"metadata": {"b": 2}}, thread_id="t2")
        (mine,) = await memory.update_messages([patch])
        assert mine.content["metadata"] == {"a": 1, "b": 2}
        await memory.save_messages([mine])
        assert await memory.list_messages_by_id([id_]) == [mine]
        assert (await memory.list_messages("t2")).items == [mine, others[1]]
        page = await memory.list_messages("t", per_page=0, include=[Include(id_, 1, 1)])
        assert page.items == [mine, others[1]]
        assert await memory.list_messages_by_id(near) == others, id_
        clone = await memory.clone_thread("t2", message_ids=[id_])
        assert list(clone.message_id_map) == [id_]
        await check_invariants(raw, place.keys)

        assert await memory.delete_messages([id_]) == 1
        await memory.save_messages([message(id_, 5)])
        popped = await memory.pop_message("t")
        assert popped == message(id_, 5)
        assert await memory.list_messages_by_id([id_, *near]) == others, id_
        assert await memory.delete_messages(near) == 2
        await memory.delete_thread(clone.thread.id)


async def test_a_resource_id_reaches_its_own_resource_alone(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """GEN-07: its record, its threads and its messages."""
    memory = store.memory
    for id_, near in HOSTILE.items():
        for name, other in zip(("t1", "t2"), near, strict=True):
            await memory.save_resource(Resource(id=other, created_at=T0, updated_at=T0))
            await memory.save_thread(thread(name, other))
            await memory.save_messages([message(name, thread_id=name, resource_id=other)])
        await memory.save_thread(thread("mine", id_))
        mine = message("mine", thread_id="mine", resource_id=id_)
        await memory.save_messages([mine])
        await memory.save_resource(Resource(id=id_, working_memory="a", metadata={"a": 1}))
        await memory.update_resource(id_, metadata={"b": 2})
        resource = await memory.merge_working_memory(id_, lambda memory: f"{memory}b")
        assert (resource.id, resource.working_memory) == (id_, "ab")
        assert await memory.get_resource_by_id(id_) == resource
        assert [t.id for t in await memory.list_threads_by_resource_id(id_)] == ["mine"]
        assert [t.id for t in await memory.list_threads(resource_id=id_)] == ["mine"]
        assert (await memory.list_messages_by_resource_id(id_)).items == [mine]
        assert (await memory.list_messages("mine", resource_id=near[0])).items == []
        assert (await memory.list_messages("mine", resource_id=id_)).items == [mine]

        newer = message("newer", 1, thread_id="mine", resource_id=id_)
        await memory.save_messages([newer], create_thread=True)
        assert await memory.pop_message("mine") == newer
        (found,) = await memory.list_threads_by_resource_id(id_, order_by="updated_at")
        assert found == await memory.get_or_create_thread(thread("mine", near[0]))

        await memory.update_thread_resource_id("mine", near[0])
        await memory.update_thread_resource_id("mine", id_)
        (mine,) = await memory.list_messages("mine")
        assert mine.resource_id == id_
        copy = await memory.clone_thread("t1", resource_id=id_)
        assert [m.resource_id for m in copy.messages] == [id_]
        for name, other in zip(("t1", "t2"), near, strict=True):
            assert [t.id for t in await memory.list_threads(resource_id=other)] == [name]
            assert [m.id for m in await memory.list_messages_by_resource_id(other)] == [name]
            untouched = await memory.get_resource_by_id(other)
            assert untouched == Resource(id=other, created_at=T0, updated_at=T0), id_
        await check_invariants(raw, place.keys)
        await memory.delete_resource(id_)
        assert await memory.get_resource_by_id(id_) is None
        assert all([await memory.get_resource_by_id(other) for other in near]), id_
        for found in await memory.list_threads():
            await memory.delete_thread(found.id)
