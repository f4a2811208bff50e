"""Many calls at once: they wait for a connection, and none undoes another."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import redis.asyncio as aioredis

from redis_store import MemoryStore, MessagePatch, RedisStore
from redis_store._connections.pools import MAX_CONNECTIONS
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import on_each_topology
from tests.support.records.builders import message, thread
from tests.support.wire.raw import Raw

THREADS = 200
WRITERS = 50
EVERY_KEY = {f"k{n}": n for n in range(WRITERS)}


async def _work(memory: MemoryStore, n: int) -> None:
    """Make five calls at once on one thread that is there."""
    t = f"t{n}"
    saved = [message(f"m{n}", thread_id=t)]
    outcomes = await asyncio.gather(
        memory.get_thread_by_id(t),
        memory.save_messages(saved),
        memory.list_threads(resource_id="u", per_page=3),
        memory.list_messages(t),
        memory.get_resource_by_id("u"),
    )
    assert outcomes[0] is not None
    assert outcomes[1] == saved
    assert outcomes[2].total == THREADS
    assert outcomes[3].items in ([], saved)
    assert outcomes[4] is None


async def _check_a_thousand_calls(store: RedisStore) -> None:
    saving = (store.memory.save_thread(thread(f"t{n}")) for n in range(THREADS))
    await asyncio.gather(*saving)
    await asyncio.gather(*(_work(store.memory, n) for n in range(THREADS)))
    pages = await store.memory.list_messages_by_resource_id("u", per_page=None)
    assert {each.id for each in pages} == {f"m{n}" for n in range(THREADS)}


@on_each_topology
@pytest.mark.races
async def test_a_thousand_calls_at_once_share_the_connections(store: RedisStore, raw: Raw) -> None:
    """ST-02: with default options they wait for a connection; redis-py's pool fails the 101st."""
    before = await _connections(raw)
    await _check_a_thousand_calls(store)
    assert await _connections(raw) - before <= MAX_CONNECTIONS


async def _connections(raw: Raw) -> int:
    return int((await raw("CLIENT", "LIST")).count(b"\n"))


@asynccontextmanager
async def _borrowing(url: str, **options: Any) -> AsyncGenerator[RedisStore]:
    client = cast("Any", aioredis.Redis).from_url(url, **options)
    async with client, RedisStore(client=client, key_prefix="borrowing:") as store:
        yield store
        await store.memory.dangerously_clear_all()


@pytest.mark.parametrize(
    "options", [{}, {"max_connections": 1}, {"decode_responses": True}], ids=str
)
@pytest.mark.races
async def test_a_thousand_calls_at_once_on_a_borrowed_client(
    server: Server, options: dict[str, Any]
) -> None:
    """ST-02: the pool of the caller's client is not exhausted either, be it as small as one."""
    async with _borrowing(server.url, **options) as store:
        await _check_a_thousand_calls(store)


async def _write_at_once(
    store: RedisStore, place: Place, *writes: Callable[[MemoryStore, int], Awaitable[object]]
) -> None:
    """Run each write 50 times at once, from two stores in turn."""
    async with place.store() as other:
        memories = (store.memory, other.memory)
        calls = (write(memories[n % 2], n) for write in writes for n in range(WRITERS))
        await asyncio.gather(*calls)


@on_each_topology
@pytest.mark.races
async def test_updates_of_a_thread_at_once_all_count(store: RedisStore, place: Place) -> None:
    """THR-05, GEN-11: 50 updates beside 50 saves: every key and every message is there."""
    await store.memory.save_thread(thread("t"))
    await _write_at_once(
        store,
        place,
        lambda m, n: m.update_thread("t", metadata={f"k{n}": n}),
        lambda m, n: m.save_messages([message(f"m{n:02}", n)]),
    )
    found = await store.memory.get_thread_by_id("t")
    assert found is not None
    assert found.metadata == EVERY_KEY
    page = await store.memory.list_messages("t", per_page=None)
    assert [each.id for each in page] == [f"m{n:02}" for n in range(WRITERS)]


@on_each_topology
@pytest.mark.races
async def test_updates_of_a_message_at_once_all_count(store: RedisStore, place: Place) -> None:
    """UPD-04, GEN-11: 50 merges into one message keep every key."""
    await store.memory.save_thread(thread("t"))
    await store.memory.save_messages([message("m")])
    await _write_at_once(store, place, lambda m, n: m.update_messages([_merging(n)]))
    (found,) = await store.memory.list_messages_by_id(["m"])
    assert found.content["metadata"] == EVERY_KEY


def _merging(n: int) -> MessagePatch:
    return MessagePatch(id="m", content={"metadata": {f"k{n}": n}})


@on_each_topology
@pytest.mark.races
async def test_updates_of_a_resource_at_once_all_count(store: RedisStore, place: Place) -> None:
    """RES-02, GEN-11: 50 merges and 50 additions to the memory create a resource with all."""
    await _write_at_once(
        store,
        place,
        lambda m, n: m.update_resource("r", metadata={f"k{n}": n}),
        lambda m, n: m.merge_working_memory("r", lambda old: f"{old or ''}{n};"),
    )
    found = await store.memory.get_resource_by_id("r")
    assert found is not None
    assert found.metadata == EVERY_KEY
    parts = (found.working_memory or "").split(";")
    assert sorted(filter(None, parts), key=int) == [str(n) for n in range(WRITERS)]
