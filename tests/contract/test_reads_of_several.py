"""Threads and resources by several ids at once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from redis_store import CorruptRecordError, InvalidArgumentError, RedisStore, Resource
from tests.support.deployments.place import Place
from tests.support.records.builders import thread
from tests.support.wire.raw import Raw

HOSTILE = ["*", "[a-z]", "t:messages", "{t}", "t}", "}", "t\\", "t t", "té🙂"]


@pytest.fixture
async def unreachable() -> AsyncIterator[RedisStore]:
    """A store that can do no I/O without failing."""
    store = RedisStore("unix:///nowhere/at/all")
    yield store
    await store.close()


async def test_threads_come_by_id_in_the_sequence_of_the_ids(store: RedisStore) -> None:
    """THR-03: each once; those that do not exist are left out."""
    saved = {id_: thread(id_, title=id_) for id_ in HOSTILE}
    for each in saved.values():
        await store.memory.save_thread(each)
    asked = [*reversed(HOSTILE), "unknown", *HOSTILE]
    found = await store.memory.get_threads_by_id(asked)
    assert list(found.items()) == list(reversed(saved.items()))
    assert await store.memory.get_threads_by_id(["unknown"]) == {}


async def test_threads_of_another_resource_read_as_absent(store: RedisStore) -> None:
    """THR-03: as for one thread."""
    await store.memory.save_thread(thread("a", "u"))
    await store.memory.save_thread(thread("b", "v"))
    assert [*await store.memory.get_threads_by_id(["a", "b"], resource_id="v")] == ["b"]


async def test_resources_come_by_id_in_the_sequence_of_the_ids(store: RedisStore) -> None:
    """RES-01: each once; those that do not exist are left out."""
    saved = [await store.memory.save_resource(Resource(id=id_)) for id_ in HOSTILE]
    asked = [*reversed(HOSTILE), "unknown", *HOSTILE]
    found = await store.memory.get_resources_by_id(asked)
    assert list(found.items()) == [(each.id, each) for each in reversed(saved)]


async def test_no_ids_are_asked_for_nothing(unreachable: RedisStore) -> None:
    """GEN-10: without a round trip."""
    assert await unreachable.memory.get_threads_by_id([]) == {}
    assert await unreachable.memory.get_resources_by_id(()) == {}


@pytest.mark.parametrize("wrong", [None, "t", 7, {"t": 1}, ["t", ""], ["t", None], [["t"]]])
async def test_what_is_no_list_of_ids_is_refused(unreachable: RedisStore, wrong: Any) -> None:
    """GEN-03: before any I/O; one id is no list of ids."""
    with pytest.raises(InvalidArgumentError, match="thread_ids"):
        await unreachable.memory.get_threads_by_id(wrong)
    with pytest.raises(InvalidArgumentError, match="resource_ids"):
        await unreachable.memory.get_resources_by_id(wrong)


@pytest.mark.parametrize("id_", ["a:id:b", "a:id"])
async def test_an_id_that_no_thread_can_have_is_refused(unreachable: RedisStore, id_: str) -> None:
    """GEN-03: as for one thread."""
    with pytest.raises(InvalidArgumentError, match="thread_ids"):
        await unreachable.memory.get_threads_by_id(["t", id_])


@pytest.mark.damages
async def test_a_corrupt_record_is_named(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-04: it is not left out."""
    await store.memory.save_thread(thread("a"))
    for key, read in (
        (place.keys.thread("b"), store.memory.get_threads_by_id),
        (place.keys.resource("b"), store.memory.get_resources_by_id),
    ):
        await raw("SET", key, "{")
        with pytest.raises(CorruptRecordError) as corrupt:
            await read(["a", "b"])
        assert corrupt.value.key == key


async def test_reading_threads_keeps_them_alive(store: RedisStore, place: Place, raw: Raw) -> None:
    """As reading one does."""
    async with place.store(thread_ttl=timedelta(hours=1)) as expiring:
        for id_ in "ab":
            await expiring.memory.save_thread(thread(id_))
            await raw("PEXPIRE", place.keys.thread(id_), 60_000)
        assert [*await expiring.memory.get_threads_by_id(["a", "b"])] == ["a", "b"]
        for id_ in "ab":
            assert await raw("PTTL", place.keys.thread(id_)) > 60_000
    assert [*await store.memory.get_threads_by_id(["a", "b"])] == ["a", "b"]
