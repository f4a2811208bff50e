"""A cluster whose nodes die, come, and hand over slots under load."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from redis_store import RedisStore
from redis_store._connections.slots import slot_of
from redis_store._engine.keys import Keys
from tests.faults.workload import Workload
from tests.support.deployments.cluster_nodes import SlotMigration
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.nodes import Node
from tests.support.deployments.servers import server_binaries
from tests.support.deployments.variants import FIRST
from tests.support.records.builders import message, thread
from tests.support.wire.raw import connect_raw

KEYS = Keys(hash_tags=True)
THREADS = [f"t{n}" for n in range(8)]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three primaries without replicas."""
    binary = server_binaries()[FIRST]
    async with Cluster(binary, workdir=tmp_path, replicas=0) as started:
        yield started


async def test_no_acknowledged_write_is_lost_when_a_primary_dies(tmp_path: Path) -> None:
    """ST-01: with min_replicas=1 nothing is lost, and no caller notices but by waiting."""
    binary = server_binaries()[FIRST]
    async with (
        Cluster(binary, workdir=tmp_path, replicas=2) as cluster,
        RedisStore(cluster.url, min_replicas=1) as store,
    ):
        load = Workload(store, THREADS)
        async with load.running():
            await load.writes(5)
            killed = await cluster.owner(slot_of(KEYS.thread(THREADS[0])))
            replacing = await cluster.replicas_of(killed)
            load.fault()
            await killed.kill()
            await load.writes(5)
            assert await cluster.owner(slot_of(KEYS.thread(THREADS[0]))) in replacing
        await cluster.rejoin(killed)
        await load.check(cluster.url, KEYS, store)
        assert load.errors == []
        assert load.figures().recovery < 9


async def test_a_slot_moves_under_a_hot_thread(cluster: Cluster) -> None:
    """ST-01: moved back and forth in parts; no caller notices and nothing is lost."""
    slot = slot_of(KEYS.thread("hot"))
    source = await cluster.owner(slot)
    target = next(node for node in await cluster.primaries() if node is not source)
    async with RedisStore(cluster.url) as store:
        load = Workload(store, ["hot"], writers=10, readers=10)
        async with load.running():
            await load.writes(100)
            load.fault()
            for here, there in ((source, target), (target, source)) * 2:
                await _move_in_parts(cluster.migration(slot, here, there))
                await load.writes(20)
        await load.check(cluster.url, KEYS, store)
        assert load.errors == []
        assert await cluster.owner(slot) is source


async def _move_in_parts(migration: SlotMigration) -> None:
    """Let callers come between parts of a few keys; some find only a part of what they need."""
    await migration.begin()
    while await migration.move_keys(4):
        pass
    await migration.finish()


async def test_a_thread_whose_slot_moves_is_deleted_whole(cluster: Cluster) -> None:
    """THR-07: the call waits while another node has a part of its messages."""
    slot = slot_of(KEYS.thread("t"))
    source = await cluster.owner(slot)
    target = next(node for node in await cluster.primaries() if node is not source)
    async with RedisStore(cluster.url) as store:
        await store.memory.save_thread(thread())
        await store.memory.save_messages([message(f"m{n}", n) for n in range(40)])
        migration = cluster.migration(slot, source, target)
        await migration.begin()
        await migration.move_keys(20)
        deleting = asyncio.ensure_future(store.memory.delete_thread("t"))
        done, _ = await asyncio.wait([deleting], timeout=0.2)
        assert not done
        assert await source("DBSIZE") + await target("DBSIZE") > 40
        while await migration.move_keys():
            pass
        await migration.finish()
        await deleting
        assert (await store.verify()).ok
        async with connect_raw(cluster.url) as raw:
            assert [key for key in await raw.keys("") if "redis_store:indexes" not in key] == []


async def test_slots_move_to_a_new_node(cluster: Cluster) -> None:
    """ST-01: no caller notices and nothing is lost while a node joins and takes its share."""
    async with RedisStore(cluster.url) as store:
        load = Workload(store, THREADS, writers=8, readers=8)
        async with load.running():
            await load.writes(20)
            load.fault()
            node = await cluster.add_node()
            moving = await _every_fourth(cluster)
            for slot, source in moving.items():
                await cluster.migrate_slot(slot, source, node)
            await load.writes(5)
        await load.check(cluster.url, KEYS, store)
        assert load.errors == []
        assert len(moving) > 100
        assert await node("DBSIZE") >= len(moving)


async def _every_fourth(cluster: Cluster) -> dict[int, Node]:
    """Find slots that hold data, those of some threads among them, and who serves them."""
    served: dict[int, Node] = {}
    for node in await cluster.primaries():
        keys: list[bytes] = await node("KEYS", "*")
        served |= dict.fromkeys((slot_of(key.decode()) for key in keys), node)
    threads = {slot_of(KEYS.thread(id_)) for id_ in THREADS[::4]}
    return {slot: served[slot] for slot in {*sorted(served)[::4], *threads}}
