"""The synchronous door: the same calls, blocking, from any thread."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, assert_type, cast

import pytest

from redis_store import (
    InvalidArgumentError,
    Message,
    Page,
    RedisStore,
    StoreClosedError,
    SyncRedisStore,
    Thread,
    ThreadNotFoundError,
)
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread
from tests.support.sync_stub import STUB, stub

if TYPE_CHECKING:
    from redis_store.sync import SyncMemoryStore


def test_the_stub_is_that_of_the_asynchronous_classes() -> None:
    """``make format`` writes it."""
    assert STUB.read_text("utf-8") == stub()


def work(store: SyncRedisStore) -> None:
    """Make calls of every kind, as a script does."""
    assert store.ping()
    store.memory.save_thread(thread())
    store.memory.save_messages([message(f"m{n}", n) for n in range(5)])
    page = store.memory.list_messages("t", per_page=2, direction="desc")
    assert [each.id for each in page] == ["m4", "m3"]
    assert [each.id for each in store.memory.iter_messages("t", batch_size=2)] == [
        f"m{n}" for n in range(5)
    ]
    first = next(iter(store.memory.iter_messages("t")))
    assert first.id == "m0"
    merged = store.memory.merge_working_memory("u", lambda before: f"{before} and more")
    assert merged.working_memory == "None and more"
    store.workflows.persist_workflow_snapshot("w", "r", {"status": "done"})
    assert store.workflows.list_workflow_runs(status="done").total == 1
    assert store.workflows.supports_concurrent_updates
    store.cache.set("k", [1])
    assert store.cache.get("k") == [1]
    store.cache.delete("k")
    assert store.scores.get_score_by_id("none") is None
    assert store.get_store("memory") is store.memory
    assert store.get_store("no such domain") is None
    with pytest.raises(ThreadNotFoundError) as missing:
        store.memory.update_thread("none", title="x")
    assert missing.value.code == "UPDATE_THREAD_THREAD_NOT_FOUND"
    with pytest.raises(InvalidArgumentError):
        store.memory.list_messages("t", page=-1)
    store.workflows.delete_workflow_run_by_id("r", workflow_name="w")


def test_types() -> None:
    """What a type checker says of the blocking calls."""
    if TYPE_CHECKING:
        store = RedisStore("redis://localhost").sync()
        assert_type(store.memory, SyncMemoryStore)
        assert_type(store.memory.get_thread_by_id("t"), Thread | None)
        assert_type(store.memory.list_messages("t"), Page[Message])
    assert STUB.with_name("py.typed").exists()


async def test_calls_block_in_a_thread_without_a_loop(store: RedisStore, place: Place) -> None:
    def script() -> None:
        with place.store().sync() as blocking:
            work(blocking)

    await asyncio.to_thread(script)
    assert (await store.memory.list_messages("t")).total == 5


async def test_calls_may_be_made_where_a_loop_runs(store: RedisStore, place: Place) -> None:
    """They block that loop, and use another."""
    other = place.store()
    with other.sync() as blocking:
        work(blocking)
        assert (await other.memory.list_messages("t")).total == 5
    with pytest.raises(StoreClosedError):
        await other.memory.list_messages("t")
    assert (await store.memory.list_messages("t")).total == 5


async def test_many_threads_share_one_portal(store: RedisStore, place: Place) -> None:
    """No update is lost, and one thread serves them all."""
    await store.memory.save_thread(thread())
    before = threading.active_count()
    other = place.store()

    def update(n: int) -> int:
        other.sync().memory.update_thread("t", metadata={f"k{n}": n})
        return sum(each.name == "redis-store" for each in threading.enumerate())

    with ThreadPoolExecutor(8) as pool:
        assert set(await asyncio.to_thread(lambda: list(pool.map(update, range(40))))) == {1}
    found = await store.memory.get_thread_by_id("t")
    assert found is not None
    assert len(found.metadata) == 40
    await asyncio.to_thread(other.sync().close)
    assert threading.active_count() <= before + 1  # asyncio.to_thread keeps a thread


async def test_after_close_calls_are_refused(store: RedisStore, place: Place) -> None:
    assert await store.ping()
    blocking = place.store().sync()
    blocking.close()
    blocking.close()
    with pytest.raises(StoreClosedError):
        blocking.memory.get_thread_by_id("t")
    with pytest.raises(StoreClosedError):
        blocking.ping()


async def test_the_asynchronous_close_ends_the_portal_too(store: RedisStore, place: Place) -> None:
    assert await store.ping()
    other = place.store()
    assert await asyncio.to_thread(other.sync().ping)
    (portal,) = [each for each in threading.enumerate() if each.name == "redis-store"]
    await other.close()
    await asyncio.to_thread(portal.join, 5)
    assert not portal.is_alive()
    other.sync().close()
    with pytest.raises(StoreClosedError):
        other.sync().ping()


def test_a_loop_bound_client_is_not_offered() -> None:
    blocking = RedisStore("redis://localhost").sync()
    with pytest.raises(AttributeError):
        cast("Any", blocking).get_client()
    assert "get_thread_by_id" in dir(blocking.memory)
    assert "MemoryStore" in repr(blocking.memory)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
async def test_a_forked_child_starts_a_portal_of_its_own(store: RedisStore, place: Place) -> None:
    await store.memory.save_thread(thread())
    blocking = place.store().sync()
    assert await asyncio.to_thread(blocking.memory.get_thread_by_id, "t")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for n in range(50):
                blocking.memory.update_thread("t", metadata={f"child {n}": n})
            blocking.close()
            code = 0
        finally:
            os._exit(code)
    for n in range(50):
        await asyncio.to_thread(blocking.memory.update_thread, "t", metadata={f"parent {n}": n})
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    found = await store.memory.get_thread_by_id("t")
    assert found is not None
    assert len(found.metadata) == 100
    await asyncio.to_thread(blocking.close)
