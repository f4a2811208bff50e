"""Replicas: how many must confirm a write, and what they may answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from redis_store import MemoryStore, RedisStore, ReplicationError
from redis_store._engine.keys import Keys
from tests.faults.pairs import Pair, asked, planned, reset_statistics, standing_still
from tests.support.records.builders import message, thread
from tests.support.records.memory_calls import every_call, furnish
from tests.support.wire.raw import connect_raw

Write = Callable[[MemoryStore], Awaitable[object]]

SECOND = timedelta(seconds=1)
# What a thread and its messages are read with.
READING = ("get", "mget", "evalsha", "eval", "zrange", "zscore", "zcard")
THREADS = [f"t{n}" for n in range(6)]


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
async def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    async with planned(request.param, tmp_path_factory.mktemp(request.param)) as deployment:
        yield Pair(deployment)


@pytest.fixture
async def memory(pair: Pair) -> AsyncIterator[MemoryStore]:
    """The memory of a store whose writes a replica confirms, with some threads of 5 messages."""
    async with RedisStore(pair.url, min_replicas=1, operation_timeout=5 * SECOND) as store:
        await store.memory.dangerously_clear_all()
        for id_ in THREADS:
            await store.memory.save_thread(thread(id_))
            batch = [message(f"{id_}-{n}", n, thread_id=id_) for n in range(5)]
            await store.memory.save_messages(batch)
        yield store.memory


async def _read_all(memory: MemoryStore) -> None:
    """Read every thread in every way; assert that all is there."""
    for id_ in THREADS:
        assert await memory.get_thread_by_id(id_) is not None
        ids = [f"{id_}-{n}" for n in range(5)]
        assert [each.id for each in await memory.list_messages(id_)] == ids
        assert [each.id for each in await memory.list_messages_by_id(ids)] == ids
    listed = await memory.list_threads(resource_id="u", per_page=None)
    assert sorted(each.id for each in listed) == THREADS


@pytest.mark.usefixtures("memory")
async def test_a_replica_that_stands_still_confirms_nothing(pair: Pair) -> None:
    """ST-01: the error says so before the call's deadline; the write is on the primary."""
    key = pair.keys.thread("t0")
    primary, replica = await pair.nodes(key)
    async with RedisStore(pair.url, min_replicas=1, operation_timeout=SECOND) as store:
        with standing_still(replica), pytest.raises(ReplicationError, match="0 of 1") as caught:
            await store.memory.update_thread("t0", title="while it stood")
        assert caught.value.confirmed == 0
        assert caught.value.code == "UPDATE_THREAD_BACKEND_REPLICATION"
        assert caught.value.details == {"reason": "REPLICATION", "confirmed": 0, "wanted": 1}
        assert b"while it stood" in await primary("GET", key)
        await store.memory.update_thread("t0", title="when it goes on")


async def _save_thread(memory: MemoryStore) -> None:
    await memory.save_thread(thread("new"))


async def _save_messages(memory: MemoryStore) -> None:
    await memory.save_messages([message("new", 9, thread_id="t0")])


@pytest.mark.parametrize("write", [_save_thread, _save_messages])
@pytest.mark.usefixtures("memory")
async def test_too_few_replicas_confirm(write: Write, pair: Pair) -> None:
    """ST-01: the error says how many did; the write is on the primary and on those."""
    async with RedisStore(pair.url, min_replicas=2, operation_timeout=SECOND) as store:
        with pytest.raises(ReplicationError, match="1 of 2") as caught:
            await write(store.memory)
    assert caught.value.confirmed == 1
    keys = pair.keys
    key = keys.thread("new") if write is _save_thread else keys.message("t0", "new")
    # A replica of a cluster does not answer for a key, but says which it holds.
    held = [await node("KEYS", "*new*") for node in await pair.nodes(key)]
    assert [key.encode() in each for each in held] == [True, True]


@pytest.mark.usefixtures("memory")
async def test_replicas_are_read(pair: Pair) -> None:
    """ST-01: with read_from="replica" every public read goes there, and none to a primary."""
    primaries, replicas = await pair.primaries(), await pair.replicas()
    async with RedisStore(pair.url, read_from="replica") as store:
        await _read_all(store.memory)
        await reset_statistics([*primaries, *replicas])
        await _read_all(store.memory)
    by_primaries, by_replicas = await asked(primaries), await asked(replicas)
    assert {name: by_primaries[name] for name in READING} == dict.fromkeys(READING, 0)
    assert by_replicas["get"] + by_replicas["mget"] + by_replicas["evalsha"] > 3 * len(THREADS)


async def test_a_first_call_that_reads_initialises_on_the_primary(pair: Pair) -> None:
    """ST-01: what initialisation asks is not left to the replica that answers the call."""
    replicas, prefix = await pair.replicas(), f"{uuid4().hex}:"
    store = RedisStore(pair.url, read_from="replica", key_prefix=prefix)
    try:
        await reset_statistics(replicas)
        assert await store.memory.get_thread_by_id("t") is None
        by_replicas = await asked(replicas)
        assert {n: by_replicas[n] for n in ("get", "scan")} == {"get": 1, "scan": 0}
        assert (await asked(replicas, "errorstats"))["READONLY"] == 0
        # The indexes of nothing are complete: without that, initialisation did not end.
        async with connect_raw(pair.url) as raw:
            assert await raw("EXISTS", Keys(prefix).marker()) == 1
    finally:
        await store.close()


@pytest.mark.usefixtures("memory")
async def test_primaries_are_read_by_default(pair: Pair) -> None:
    """ST-01: no replica is asked for anything."""
    replicas = await pair.replicas()
    async with RedisStore(pair.url) as store:
        await reset_statistics(replicas)
        await _read_all(store.memory)
    by_replicas = await asked(replicas)
    assert {name: by_replicas[name] for name in READING} == dict.fromkeys(READING, 0)


@pytest.mark.usefixtures("memory")
async def test_writes_never_go_to_replicas(pair: Pair) -> None:
    """ST-01: nor does what a call reads before it writes; a replica would refuse or be stale."""
    replicas = await pair.replicas()
    async with RedisStore(pair.url, read_from="replica") as store:
        for name, call in every_call().items():
            if name.startswith(("get_", "list_", "iter_")):
                continue
            await furnish(store.memory)
            await reset_statistics(replicas)
            await call(store.memory)
            by_replicas = await asked(replicas)
            assert {n: by_replicas[n] for n in READING} == dict.fromkeys(READING, 0), name
            assert await asked(replicas, "errorstats") == {}, name


async def test_primaries_are_read_where_a_replica_died(pair: Pair, memory: MemoryStore) -> None:
    """ST-01: no error surfaces, neither where it is first asked nor where it was asked before."""
    _, replica = await pair.nodes(pair.keys.thread("t0"))
    async with RedisStore(pair.url, read_from="replica") as known:
        await _read_all(known.memory)
        await replica.kill()
        try:
            await _read_all(known.memory)
            async with RedisStore(pair.url, read_from="replica") as unknown:
                await _read_all(unknown.memory)
        finally:
            await pair.rejoin(replica)
        await memory.update_thread("t0", title="confirmed by the one that is back")
