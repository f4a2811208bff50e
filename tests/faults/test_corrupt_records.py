"""Stored values that are no records: the error names the key, and everything else stays usable."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest

from redis_store import (
    CorruptRecordError,
    Include,
    MemoryStore,
    Message,
    MessagePatch,
    RedisStore,
    Resource,
    Thread,
)
from redis_store._engine.keys import Keys
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.records.builders import message, thread
from tests.support.records.memory_calls import Run
from tests.support.wire.raw import Raw

pytestmark = [pytest.mark.damages, on_each_topology]

DAMAGE = {
    "nothing": b"",
    "no JSON": b"{",
    "a cut record": b'{"id":"t","threadId":"t","resourceId":"u","createdAt":"2026-01-',
    "no UTF-8": b'{"id":"\xff\xfe"}',
    "no object": b"[1]",
    "null": b"null",
    "no fields": b"{}",
    "a date that is none": b'{"id":"t","threadId":"t","resourceId":"u","role":"user",'
    b'"content":1,"metadata":{},"createdAt":"soon","updatedAt":"soon"}',
    "endless nesting": b"[" * 100_000,
}


def _ids(records: Iterable[Thread] | Iterable[Message]) -> list[str]:
    return [record.id for record in records]


async def _furnish(store: RedisStore) -> None:
    await store.memory.dangerously_clear_all()
    for id_ in ("t", "t2"):
        await store.memory.save_thread(thread(id_))
    await store.memory.save_messages([message(id_, us) for us, id_ in enumerate("abc")])
    await store.memory.save_messages([message("z", thread_id="t2")])
    for id_ in ("r", "r2"):
        await store.memory.save_resource(Resource(id=id_))


@dataclass(frozen=True)
class Use:
    """A key whose value is damaged, and a call that needs it."""

    key: Callable[[Keys], str]
    run: Run


def _thread(keys: Keys) -> str:
    return keys.thread("t")


def _message(keys: Keys) -> str:
    return keys.message("t", "b")


def _newest(keys: Keys) -> str:
    return keys.message("t", "c")


def _resource(keys: Keys) -> str:
    return keys.resource("r")


USES: dict[str, Use] = {
    "get_thread_by_id": Use(_thread, lambda m: m.get_thread_by_id("t")),
    "list_threads": Use(_thread, lambda m: m.list_threads()),
    "list_threads of a resource": Use(_thread, lambda m: m.list_threads(resource_id="u")),
    "get_or_create_thread": Use(_thread, lambda m: m.get_or_create_thread(thread("t"))),
    "pop_message": Use(_thread, lambda m: m.pop_message("t")),
    "pop_message, the message": Use(_newest, lambda m: m.pop_message("t")),
    "update_thread": Use(_thread, lambda m: m.update_thread("t", title="x")),
    "update_thread_metadata": Use(_thread, lambda m: m.update_thread_metadata("t", lambda _: {})),
    "update_thread_resource_id": Use(_thread, lambda m: m.update_thread_resource_id("t", "v")),
    "clone_thread": Use(_thread, lambda m: m.clone_thread("t")),
    "list_messages": Use(_message, lambda m: m.list_messages("t")),
    "list_messages of two": Use(_message, lambda m: m.list_messages(["t", "t2"])),
    "list_messages filtered": Use(_message, lambda m: m.list_messages("t", metadata={"a": 1})),
    "list_messages including": Use(
        _message, lambda m: m.list_messages("t2", include=[Include("a", 0, 1)])
    ),
    "list_messages_by_resource_id": Use(_message, lambda m: m.list_messages_by_resource_id("u")),
    "list_messages_by_id": Use(_message, lambda m: m.list_messages_by_id(["a", "b"])),
    "update_messages": Use(
        _message, lambda m: m.update_messages([MessagePatch(id="b", role="system")])
    ),
    "clone_thread, its messages": Use(_message, lambda m: m.clone_thread("t")),
    "get_resource_by_id": Use(_resource, lambda m: m.get_resource_by_id("r")),
    "update_resource": Use(_resource, lambda m: m.update_resource("r", metadata={"a": 1})),
    "merge_working_memory": Use(_resource, lambda m: m.merge_working_memory("r", lambda _: "x")),
}


@pytest.mark.parametrize("use", USES)
async def test_a_call_that_needs_a_damaged_record_names_its_key(
    use: str, store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-03, GEN-04: it raises, writes nothing, and quotes nothing but the key."""
    await _furnish(store)
    key = USES[use].key(place.keys)
    for damage in ("no JSON", "a cut record", "no fields"):
        await raw("SET", key, DAMAGE[damage])
        before = await _dump(raw, place.keys)
        with pytest.raises(CorruptRecordError) as caught:
            await USES[use].run(store.memory)
        assert caught.value.key == key
        assert repr(key) in str(caught.value)
        assert caught.value.code == "CORRUPT_RECORD"
        assert caught.value.details["key"] == key
        assert caught.value.__cause__ is not None
        assert await _dump(raw, place.keys) == before


async def _dump(raw: Raw, keys: Keys) -> dict[str, bytes]:
    return {key: await raw("DUMP", key) for key in await raw.keys(keys.prefix)}


async def test_other_records_stay_readable(
    store: RedisStore, raw: Raw, place: Place, subtests: pytest.Subtests
) -> None:
    """GEN-04: what does not touch the damaged records works as before."""
    for name, damage in DAMAGE.items():
        with subtests.test(name):
            await _furnish(store)
            await _read_others(store.memory, raw, place.keys, damage)


async def _read_others(memory: MemoryStore, raw: Raw, keys: Keys, damage: bytes) -> None:
    for key in (keys.thread("t"), keys.message("t", "b"), keys.resource("r")):
        await raw("SET", key, damage)
    found = await memory.get_thread_by_id("t2")
    assert found is not None
    assert found.id == "t2"
    assert _ids(await memory.list_messages_by_id(["a", "c"])) == ["a", "c"]
    assert _ids(await memory.list_messages("t2")) == ["z"]
    assert _ids(await memory.list_messages("t", per_page=1)) == ["a"]
    newest = await memory.list_messages("t", per_page=1, direction="desc")
    assert _ids(newest) == ["c"]
    assert await memory.get_resource_by_id("r2") is not None
    await memory.save_messages([message("y", 1, thread_id="t2")])
    assert _ids(await memory.list_messages("t2")) == ["z", "y"]


async def test_a_damaged_record_can_be_replaced(
    store: RedisStore, raw: Raw, place: Place, subtests: pytest.Subtests
) -> None:
    """THR-01, SAVE-04, RES-01: saving over it mends it."""
    for name, damage in DAMAGE.items():
        with subtests.test(name):
            await _furnish(store)
            await _replace(store.memory, raw, place.keys, damage)


async def _replace(memory: MemoryStore, raw: Raw, keys: Keys, damage: bytes) -> None:
    await raw("SET", keys.message("t", "b"), damage)
    await memory.save_messages([message("b", 1)])
    assert _ids(await memory.list_messages("t")) == ["a", "b", "c"]
    await raw("SET", keys.thread("t"), damage)
    assert await memory.save_thread(thread("t", title="new")) == (
        await memory.get_thread_by_id("t")
    )
    await raw("SET", keys.resource("r"), damage)
    saved = await memory.save_resource(Resource(id="r", working_memory="new"))
    assert await memory.get_resource_by_id("r") == saved


async def test_what_is_damaged_can_be_deleted(
    store: RedisStore, raw: Raw, place: Place, subtests: pytest.Subtests
) -> None:
    """THR-07, DEL-01: a message that cannot be read, and a thread; no key of them stays."""
    for name, damage in DAMAGE.items():
        with subtests.test(name):
            await _furnish(store)
            await _delete(store.memory, raw, place.keys, damage)


async def _delete(memory: MemoryStore, raw: Raw, keys: Keys, damage: bytes) -> None:
    await raw("SET", keys.message("t", "b"), damage)
    assert await memory.delete_messages(["b"]) == 1
    assert _ids(await memory.list_messages("t")) == ["a", "c"]
    await raw("SET", keys.message("t", "c"), damage)
    await raw("SET", keys.thread("t"), damage)
    await memory.delete_thread("t")
    assert await memory.get_thread_by_id("t") is None
    assert (await memory.list_messages("t")).total == 0
    assert _ids(await memory.list_threads()) == ["t2"]
    assert _ids(await memory.list_threads(resource_id="u")) == ["t2"]
    gone = {
        keys.timeline("t"),
        keys.resource_counts("t"),
        keys.thread("t"),
        *map(keys.message_pointer, "abc"),
    }
    gone |= {keys.message("t", id_) for id_ in "abc"}
    assert gone.isdisjoint(await raw.keys(keys.prefix))
