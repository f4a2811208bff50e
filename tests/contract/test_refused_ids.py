"""Ids that cannot be part of a key are refused before anything is sent."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from redis_store import (
    Include,
    InvalidArgumentError,
    MemoryStore,
    MessagePatch,
    RedisStore,
    Resource,
)
from tests.support.deployments.servers import Server
from tests.support.records.builders import message, thread
from tests.support.wire.proxies import CountingProxy

Call = Callable[[MemoryStore, str], Awaitable[object]]

BAD = {
    "empty": "",
    "lone surrogate": "a\ud800b",
    "1025 bytes": "x" * 1025,
    "1026 bytes in 513 characters": "é" * 513,
    "bytes": b"x",
    "a number": 7,
}
BAD_THREADS = {
    **BAD,
    "with :id:": "a:id:b",
    "all :id:": ":id:",
    "ends in :id": "a:id",
    "all :id": ":id",
}


async def _drain(messages: AsyncIterator[object]) -> list[object]:
    return [item async for item in messages]


THREAD_CALLS: dict[str, Call] = {
    "get": lambda m, id_: m.get_thread_by_id(id_),
    "save": lambda m, id_: m.save_thread(thread(id_)),
    "create": lambda m, id_: m.create_thread(thread(id_)),
    "get or create": lambda m, id_: m.get_or_create_thread(thread(id_)),
    "pop": lambda m, id_: m.pop_message(id_),
    "update": lambda m, id_: m.update_thread(id_, title="t"),
    "update_metadata": lambda m, id_: m.update_thread_metadata(id_, lambda _: {}),
    "transfer": lambda m, id_: m.update_thread_resource_id(id_, "v"),
    "delete": lambda m, id_: m.delete_thread(id_),
    "list": lambda m, id_: m.list_messages(id_),
    "list several": lambda m, id_: m.list_messages(["t", id_]),
    "iterate": lambda m, id_: _drain(m.iter_messages(id_)),
    "save messages": lambda m, id_: m.save_messages([message("a"), message("b", thread_id=id_)]),
    "move": lambda m, id_: m.update_messages([MessagePatch(id="m", thread_id=id_)]),
    "clone": lambda m, id_: m.clone_thread(id_),
    "clone to": lambda m, id_: m.clone_thread("t", new_thread_id=id_),
    "copy": lambda m, id_: m.copy_thread(id_),
    "copy to": lambda m, id_: m.copy_thread("t", new_thread_id=id_),
}
CALLS: dict[str, Call] = {
    "save message": lambda m, id_: m.save_messages([message("a"), message(id_)]),
    "save message of": lambda m, id_: m.save_messages([message("a", resource_id=id_)]),
    "find": lambda m, id_: m.list_messages_by_id(["a", id_]),
    "include": lambda m, id_: m.list_messages("t", include=[Include(id_)]),
    "update message": lambda m, id_: m.update_messages([MessagePatch(id=id_, role="user")]),
    "give message": lambda m, id_: m.update_messages([MessagePatch(id="m", resource_id=id_)]),
    "delete messages": lambda m, id_: m.delete_messages(["a", id_]),
    "clone messages": lambda m, id_: m.clone_thread("t", message_ids=[id_]),
    "clone for": lambda m, id_: m.clone_thread("t", resource_id=id_),
    "create thread of": lambda m, id_: m.create_thread(thread(resource_id=id_)),
    "save thread of": lambda m, id_: m.save_thread(thread(resource_id=id_)),
    "transfer to": lambda m, id_: m.update_thread_resource_id("t", id_),
    "list threads of": lambda m, id_: m.list_threads_by_resource_id(id_),
    "get resource": lambda m, id_: m.get_resource_by_id(id_),
    "save resource": lambda m, id_: m.save_resource(Resource(id=id_)),
    "update resource": lambda m, id_: m.update_resource(id_, working_memory="w"),
    "delete resource": lambda m, id_: m.delete_resource(id_),
    "merge memory": lambda m, id_: m.merge_working_memory(id_, lambda _: "w"),
}
# Where "" is a scope of its own.
SCOPED_CALLS: dict[str, Call] = {
    "list threads": lambda m, id_: m.list_threads(resource_id=id_),
    "list of": lambda m, id_: m.list_messages("t", resource_id=id_),
    "list by resource": lambda m, id_: m.list_messages_by_resource_id(id_),
}


def _refusals() -> Iterator[object]:
    for calls, ids in (
        (THREAD_CALLS, BAD_THREADS),
        (CALLS, BAD),
        (SCOPED_CALLS, {why: id_ for why, id_ in BAD.items() if id_ != ""}),
    ):
        for name, call in calls.items():
            yield pytest.param(call, ids, id=name)


@pytest.fixture(scope="module")
async def watched(
    servers: dict[str, Server],
) -> AsyncIterator[tuple[MemoryStore, CountingProxy]]:
    """The memory of a connected store, and what counts its traffic."""
    server = next(iter(servers.values()))
    async with CountingProxy(server.socket) as proxy, RedisStore(proxy.url) as store:
        yield store.memory, proxy


@pytest.mark.parametrize(("call", "ids"), list(_refusals()))
async def test_an_id_that_cannot_be_part_of_a_key_is_refused_before_any_command(
    call: Call, ids: dict[str, str], watched: tuple[MemoryStore, CountingProxy]
) -> None:
    """GEN-07: nothing is written, and nothing is read either."""
    memory, proxy = watched
    with proxy.measure() as cost:
        for why, id_ in ids.items():
            with pytest.raises(InvalidArgumentError) as refused:
                await call(memory, id_)
            assert refused.value.details["argument"], why
            assert str(refused.value).isprintable(), why
        await memory.get_resource_by_id("the only command")
    assert [command[0] for command in cost.commands] == [b"GET"]
