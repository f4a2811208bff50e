"""Every call of the memory domain, in the ways that cost or touch different things."""

from collections.abc import AsyncIterator, Awaitable, Callable

from redis_store import Include, MemoryStore, MessagePatch, Resource
from redis_store._cursors import Cursor, Scope, encode
from redis_store._engine.timestamps import epoch_us
from tests.support.records.builders import T0, message, thread

Run = Callable[[MemoryStore], Awaitable[object]]


async def furnish(memory: MemoryStore, t: str = "t", other: str = "t2") -> None:
    """Store what the calls of ``every_call`` work on, in place of what there is."""
    await memory.dangerously_clear_all()
    for id_ in (t, other):
        await memory.save_thread(thread(id_))
    await memory.save_messages([message(id_, us, thread_id=t) for us, id_ in enumerate("abcd")])
    await memory.save_messages([message("z", 9, thread_id=other)])
    await memory.save_resource(Resource(id="r", working_memory="old"))


def every_call(t: str = "t", other: str = "t2") -> dict[str, Run]:
    """Build calls on threads of these ids; each one's name starts with its method's."""
    return {
        "get_thread_by_id": lambda m: m.get_thread_by_id(t),
        "get_threads_by_id": lambda m: m.get_threads_by_id([t, other]),
        "save_thread, new": lambda m: m.save_thread(thread("new")),
        "save_thread, known": lambda m: m.save_thread(thread(t, "v")),
        "create_thread": lambda m: m.create_thread(thread("new")),
        "get_or_create_thread, known": lambda m: m.get_or_create_thread(thread(t, "v")),
        "get_or_create_thread, new": lambda m: m.get_or_create_thread(thread("new")),
        "update_thread": lambda m: m.update_thread(t, title="x", metadata={"a": 1}),
        "update_thread_metadata": lambda m: m.update_thread_metadata(t, lambda _: {"a": 1}),
        "update_thread_resource_id": lambda m: m.update_thread_resource_id(t, "v"),
        "delete_thread": lambda m: m.delete_thread(t),
        "delete_thread_if": lambda m: m.delete_thread_if(t, lambda _: True),
        "list_threads": lambda m: m.list_threads(),
        "list_threads, of a resource": lambda m: m.list_threads(resource_id="u"),
        "list_threads, filtered": lambda m: m.list_threads(metadata={"a": 1}),
        "list_threads, after a cursor": lambda m: m.list_threads(
            after=_at_start(Scope("created_at", None, descending=True), other)
        ),
        "list_threads_by_resource_id": lambda m: m.list_threads_by_resource_id("u"),
        "list_threads_by_resource_id, before a cursor": lambda m: m.list_threads_by_resource_id(
            "u", before=_at_start(Scope("created_at", "u", descending=True), t)
        ),
        "clone_thread": lambda m: m.clone_thread(t, new_thread_id=f"{t}-clone"),
        "clone_thread, to a resource": lambda m: m.clone_thread(t, resource_id="v"),
        "copy_thread": lambda m: m.copy_thread(t, message_limit=2),
        "save_messages, new": lambda m: m.save_messages(
            [message(f"n{us}", us, thread_id=t) for us in range(100)]
        ),
        "save_messages, stored": lambda m: m.save_messages(
            [message(id_, 5, thread_id=t) for id_ in "abcd"]
        ),
        "save_messages, moved": lambda m: m.save_messages(
            [message(id_, thread_id=other) for id_ in "ab"]
        ),
        "save_messages, of another resource": lambda m: m.save_messages(
            [message("n", thread_id=t, resource_id="v")]
        ),
        "save_messages, to two threads": lambda m: m.save_messages(
            [message("n", thread_id=t), message("o", thread_id=other)]
        ),
        "save_messages, creating": lambda m: m.save_messages(
            [message("n", thread_id="new"), message("o", 1, thread_id="new")], create_thread=True
        ),
        "save_messages, creating nothing": lambda m: m.save_messages(
            [message("n", thread_id=t)], create_thread=True
        ),
        "pop_message": lambda m: m.pop_message(t),
        "list_messages": lambda m: m.list_messages(t),
        "list_messages, of a resource": lambda m: m.list_messages(t, resource_id="u"),
        "list_messages, filtered": lambda m: m.list_messages(t, metadata={"a": 1}),
        "list_messages, after a cursor": lambda m: m.list_messages(
            t, after=_at_start(Scope("messages", t, descending=False), "a")
        ),
        "list_messages, before a cursor": lambda m: m.list_messages(
            t, before=_at_start(Scope("messages", t, descending=False), "c")
        ),
        "list_messages, of two threads": lambda m: m.list_messages([t, other]),
        "list_messages, with includes": lambda m: m.list_messages(
            t, per_page=1, include=[Include("z", 1, 1), Include("c", 1, 1)]
        ),
        "list_messages_by_resource_id": lambda m: m.list_messages_by_resource_id("u"),
        "list_messages_by_id": lambda m: m.list_messages_by_id(["a", "z", "unknown"]),
        "iter_messages": lambda m: _drained(m.iter_messages(t)),
        "update_messages": lambda m: m.update_messages([MessagePatch(id="a", role="system")]),
        "update_messages, moved": lambda m: m.update_messages(
            [MessagePatch(id="a", thread_id=other)]
        ),
        "update_messages, of two threads": lambda m: m.update_messages(
            [MessagePatch(id="a", role="system"), MessagePatch(id="z", role="system")]
        ),
        "delete_messages": lambda m: m.delete_messages(["a", "b"]),
        "delete_messages, of two threads": lambda m: m.delete_messages(["a", "z"]),
        "get_resource_by_id": lambda m: m.get_resource_by_id("r"),
        "get_resources_by_id": lambda m: m.get_resources_by_id(["r", "s"]),
        "save_resource": lambda m: m.save_resource(Resource(id="r")),
        "update_resource, known": lambda m: m.update_resource("r", metadata={"a": 1}),
        "update_resource, new": lambda m: m.update_resource("new", metadata={"a": 1}),
        "merge_working_memory": lambda m: m.merge_working_memory("r", lambda old: f"{old}er"),
        "delete_resource, known": lambda m: m.delete_resource("r"),
        "delete_resource, unknown": lambda m: m.delete_resource("none"),
        "dangerously_clear_all": lambda m: m.dangerously_clear_all(),
    }


def _at_start(scope: Scope, id_: str) -> str:
    """Build the cursor at a record of T0."""
    us = epoch_us(T0)
    return encode(scope, Cursor(us, us, (id_,), not scope.descending, is_complete=True))


async def _drained(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]
