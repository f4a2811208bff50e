"""A cluster whose nodes die, come, and hand over slots under load."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from redis_store import RedisStore
from redis_store.keys import Keys, slot_of
from tests.clusters import SLOTS, Cluster
from tests.conftest import FIRST
from tests.faults.workload import Workload
from tests.nodes import Node
from tests.servers import server_binaries

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
        Cluster(binary, workdir=tmp_path) as cluster,
        RedisStore(cluster.url, min_replicas=1) as store,
    ):
        load = Workload(store, THREADS)
        async with load.running():
            await load.writes(5)
            killed = await cluster.owner(slot_of(KEYS.thread(THREADS[0])))
            # What one primary's replica has not confirmed must be nothing that was acknowledged.
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
        load = Workload(store, ["hot"])
        async with load.running():
            await load.writes(200)
            load.fault()
            for here, there in ((source, target), (target, source)) * 2:
                await _move_slowly(cluster, slot, here, there, load)
        await load.check(cluster.url, KEYS, store)
        assert load.errors == []
        assert await cluster.owner(slot) is source


async def _move_slowly(
    cluster: Cluster, slot: int, source: Node, target: Node, load: Workload
) -> None:
    """Move a slot in some hundred parts; callers come between them."""
    migration = cluster.migration(slot, source, target)
    await migration.begin()
    while await migration.move_keys(4):
        pass
    await migration.finish()
    await load.writes(20)


async def test_slots_move_to_a_new_node(cluster: Cluster) -> None:
    """ST-01: no caller notices and nothing is lost while a node joins and takes its share."""
    async with RedisStore(cluster.url) as store:
        load = Workload(store, THREADS)
        async with load.running():
            await load.writes(5)
            load.fault()
            node = await cluster.add_node()
            for slot in await _share(cluster, node):
                await cluster.migrate_slot(slot, await cluster.owner(slot), node)
            await load.writes(5)
        await load.check(cluster.url, KEYS, store)
        assert load.errors == []
        assert await node("DBSIZE") > 0


async def _share(cluster: Cluster, node: Node) -> list[int]:
    """Every second slot of two threads in three, and as many without data as make 200."""
    others = [each for each in await cluster.primaries() if each is not node]
    held = [slot for each in others for slot in await _used(each)]
    moving = held[::4]
    return [*moving, *(slot for slot in range(0, SLOTS, 97) if slot not in moving)][:200]


async def _used(node: Node) -> list[int]:
    keys: list[bytes] = await node("KEYS", "*")
    return sorted({slot_of(key.decode()) for key in keys})
