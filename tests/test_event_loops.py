"""One store in several event loops and threads: one after the other, and at the same time."""

import asyncio
import gc
import threading
import warnings
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
import pytest
from redis.asyncio import Redis

from redis_store import ConfigurationError, RedisStore, StoreClosedError
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread

T = TypeVar("T")


async def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own, in a thread of its own."""
    return await asyncio.to_thread(asyncio.run, work)


def connect(url: str) -> Redis:
    return cast("Any", Redis).from_url(url)  # type: ignore[no-any-return]


def store_of(place: Place) -> RedisStore:
    return RedisStore(
        place.url,
        key_prefix=place.keys.prefix,
        hash_tags=place.keys.hash_tags,
        operation_timeout=timedelta(seconds=5),
    )


async def furnish(store: RedisStore) -> None:
    await store.memory.save_thread(thread())


async def test_a_store_works_in_one_loop_after_another(store: RedisStore, place: Place) -> None:
    await furnish(store)
    other = store_of(place)
    with anyio.fail_after(10):
        for n in range(3):
            saving = other.memory.save_messages([message(f"m{n}", n)])
            assert [m.id for m in await in_thread(saving)] == [f"m{n}"]
            await in_thread(other.memory.update_thread("t", metadata={f"k{n}": n}))
        await in_thread(other.close())
    assert (await store.memory.list_messages("t")).total == 3
    found = await store.memory.get_thread_by_id("t")
    assert found is not None
    assert found.metadata == {"k0": 0, "k1": 1, "k2": 2}


async def test_a_store_works_in_loops_at_the_same_time(store: RedisStore, place: Place) -> None:
    """GEN-11: no lock nor connection of one loop holds up another; every update counts."""
    await furnish(store)
    other = store_of(place)

    async def update(worker: int) -> None:
        for n in range(10):
            await other.memory.update_thread("t", metadata={f"{worker}-{n}": n})
            await asyncio.gather(*(other.memory.get_thread_by_id("t") for _ in range(5)))

    with anyio.fail_after(30):
        await asyncio.gather(update(0), *(in_thread(update(worker)) for worker in range(1, 5)))
        await other.close()
    found = await store.memory.get_thread_by_id("t")
    assert found is not None
    assert len(found.metadata) == 50


async def test_a_blocked_loop_holds_up_no_other(store: RedisStore, place: Place) -> None:
    await furnish(store)
    other = store_of(place)
    await other.init()
    found: list[object] = []
    asking = threading.Thread(
        target=lambda: found.append(asyncio.run(other.memory.get_thread_by_id("t")))
    )
    asking.start()
    asking.join(timeout=5)  # blocks this loop, in which the store was first used
    assert [each is not None for each in found] == [True]
    await other.close()


async def test_close_closes_the_connections_of_every_loop(store: RedisStore, place: Place) -> None:
    await furnish(store)
    other = store_of(place)
    started, may_end = threading.Event(), threading.Event()
    refused: list[BaseException] = []

    async def work() -> None:
        await other.memory.get_thread_by_id("t")
        started.set()
        await asyncio.to_thread(may_end.wait, 10)
        try:
            await other.memory.get_thread_by_id("t")
        except StoreClosedError as error:
            refused.append(error)
        assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()

    with ThreadPoolExecutor() as pool:
        working = pool.submit(asyncio.run, work())
        await asyncio.to_thread(started.wait, 5)
        await other.memory.get_thread_by_id("t")
        await other.close()
        may_end.set()
        await asyncio.to_thread(working.result, 10)
    assert refused


async def test_a_borrowed_client_serves_one_loop_at_a_time(store: RedisStore, place: Place) -> None:
    """redis-py binds connections to the loop that made them."""
    if store.topology != "standalone":
        # A cluster's client is bound to its loop by its locks as well as by its connections.
        return
    await furnish(store)
    async with connect(place.url) as client:
        other = RedisStore(
            client=client, key_prefix=place.keys.prefix, hash_tags=place.keys.hash_tags
        )
        assert await other.memory.get_thread_by_id("t")
        with pytest.raises(ConfigurationError, match="another event loop") as error:
            await in_thread(other.memory.get_thread_by_id("t"))
        assert error.value.code == "CONFIGURATION_CLIENT_IN_OTHER_LOOP"
        assert await other.memory.get_thread_by_id("t")
        await other.close()


def test_a_borrowed_client_follows_to_the_next_loop(servers: dict[str, Any]) -> None:
    client = connect(next(iter(servers.values())).url)
    other = RedisStore(client=client)
    for _ in range(3):
        assert asyncio.run(other.memory.get_thread_by_id("no such thread")) is None
    asyncio.run(other.close())


@pytest.mark.parametrize("path", ["", "/data"])
def test_an_embedded_server_belongs_to_the_process(tmp_path: Path, path: str) -> None:
    """It outlives the event loop that started it, and is stopped from any other."""
    store = RedisStore(f"embedded://{tmp_path if path else ''}{path}")

    def total(_: int) -> int | None:
        return asyncio.run(store.memory.list_messages("t")).total

    asyncio.run(store.memory.save_thread(thread()))
    for n in range(2):
        asyncio.run(store.memory.save_messages([message(f"m{n}", n)]))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(total, range(8))) == [2] * 8
    asyncio.run(store.close())
    with pytest.raises(StoreClosedError):
        asyncio.run(store.ping())


def test_loops_that_start_an_embedded_server_at_once_start_one() -> None:
    store = RedisStore("embedded://")

    def save(n: int) -> str:
        return asyncio.run(store.memory.save_thread(thread(f"t{n}"))).id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(save, range(6)))) == 6
    assert asyncio.run(store.memory.list_threads()).total == 6
    asyncio.run(store.close())


async def test_what_a_loop_left_open_is_closed_by_the_next(place: Place) -> None:
    """At once, not when it is freed: asyncio would warn."""

    def use_in_loops_of_their_own() -> None:
        store = place.store()
        asyncio.run(store.ping())
        asyncio.run(store.ping())
        asyncio.run(store.close())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await asyncio.to_thread(use_in_loops_of_their_own)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
