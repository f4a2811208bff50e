"""A key that holds a value of a type it should not: calls say so, and write nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from redis_store import BackendError, RedisStore
from redis_store._engine.keys import Keys
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.records.builders import message, thread
from tests.support.records.memory_calls import Run
from tests.support.wire.raw import Raw

pytestmark = pytest.mark.damages


@dataclass(frozen=True)
class Wrong:
    """A key, and a call that needs it."""

    key: Callable[[Keys], str]
    run: Run


def _threads_of(order_by: str) -> Callable[[Keys], str]:
    return lambda keys: keys.threads_of("u", order_by)


def _save(*ids: str) -> Run:
    return lambda m: m.save_messages([message(id_, 9) for id_ in ids])


# In the slot of the thread.
OWN: dict[str, Wrong] = {
    "order, new messages": Wrong(lambda k: k.timeline("t"), _save("n", "o")),
    "order, a stored message": Wrong(lambda k: k.timeline("t"), _save("a")),
    "order, deleting": Wrong(lambda k: k.timeline("t"), lambda m: m.delete_messages(["a"])),
    "owners, new messages": Wrong(lambda k: k.resource_counts("t"), _save("n", "o")),
    "owners, a stored message": Wrong(lambda k: k.resource_counts("t"), _save("a")),
    "owners, deleting": Wrong(lambda k: k.resource_counts("t"), lambda m: m.delete_messages(["a"])),
    "order, popping": Wrong(lambda k: k.timeline("t"), lambda m: m.pop_message("t")),
    "owners, popping": Wrong(lambda k: k.resource_counts("t"), lambda m: m.pop_message("t")),
    "order, deleting the thread": Wrong(lambda k: k.timeline("t"), lambda m: m.delete_thread("t")),
    "record, popping": Wrong(lambda k: k.thread("t"), lambda m: m.pop_message("t")),
    "record, saving messages": Wrong(lambda k: k.thread("t"), _save("n")),
}
INDEXES: dict[str, Wrong] = {
    "threads by creation": Wrong(_threads_of("created_at"), lambda m: m.save_thread(thread("n"))),
    "threads by change": Wrong(_threads_of("updated_at"), lambda m: m.update_thread("t", title="")),
    "threads by change, messages": Wrong(_threads_of("updated_at"), _save("n")),
    "threads by change, popping": Wrong(_threads_of("updated_at"), lambda m: m.pop_message("t")),
    "threads by creation, making": Wrong(
        _threads_of("created_at"),
        lambda m: m.save_messages([message("n", thread_id="new")], create_thread=True),
    ),
    "participants": Wrong(lambda k: k.threads_with_messages_of("u"), _save("n")),
}
READS: dict[str, Wrong] = {
    "order": Wrong(lambda k: k.timeline("t"), lambda m: m.list_messages("t")),
    "owners": Wrong(
        lambda k: k.resource_counts("t"), lambda m: m.list_messages("t", resource_id="u")
    ),
    "record": Wrong(lambda k: k.thread("t"), lambda m: m.get_thread_by_id("t")),
    "threads": Wrong(_threads_of("created_at"), lambda m: m.list_threads(resource_id="u")),
    "participants": Wrong(
        lambda k: k.threads_with_messages_of("u"), lambda m: m.list_messages_by_resource_id("u")
    ),
    "resource": Wrong(lambda k: k.resource("r"), lambda m: m.get_resource_by_id("r")),
}


async def _refused(wrong: Wrong, store: RedisStore, raw: Raw, keys: Keys) -> set[str]:
    """Put a list where another type belongs and make the call; return which keys it changed."""
    await store.memory.save_thread(thread("t"))
    await store.memory.save_messages([message("a"), message("b", 1)])
    key = wrong.key(keys)
    await raw("DEL", key)
    await raw("RPUSH", key, "x")
    before = await _dump(raw, keys)
    with pytest.raises(BackendError, match="another type") as caught:
        await wrong.run(store.memory)
    assert caught.value.code.endswith("_BACKEND_WRONGTYPE")
    assert caught.value.__cause__ is not None
    after = await _dump(raw, keys)
    await raw("DEL", key)
    return {name for name, _ in before.items() ^ after.items()}


async def _dump(raw: Raw, keys: Keys) -> dict[str, bytes]:
    return {key: await raw("DUMP", key) for key in await raw.keys(keys.prefix)}


@pytest.mark.parametrize("case", OWN)
async def test_a_thread_is_written_whole_or_not_at_all(
    case: str, store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-02: nothing of the thread changes; on a cluster ids that lead nowhere may be left."""
    changed = await _refused(OWN[case], store, raw, place.keys)
    hints = (
        {place.keys.message_pointer(id_) for id_ in "no"} if place.keys.hash_tags else set[str]()
    )
    assert changed <= hints


@on_each_topology
@pytest.mark.parametrize("case", INDEXES)
async def test_an_index_of_another_type_refuses_the_call(
    case: str, store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-02: the call fails; where it is one atomic step, nothing changes."""
    changed = await _refused(INDEXES[case], store, raw, place.keys)
    assert place.keys.hash_tags or changed == set()


@on_each_topology
@pytest.mark.parametrize("case", READS)
async def test_a_read_of_another_type_raises(
    case: str, store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-04: it is never an empty page."""
    assert await _refused(READS[case], store, raw, place.keys) == set()
