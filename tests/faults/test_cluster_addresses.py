"""A cluster whose nodes give addresses that clients must translate, as behind a NAT."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
import redis.asyncio as aioredis

from redis_store import RedisStore
from redis_store._connections.slots import slot_of
from redis_store._engine.keys import Keys
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.nodes import LOCALHOST, Node
from tests.support.deployments.servers import server_binaries
from tests.support.deployments.variants import FIRST
from tests.support.records.builders import thread
from tests.support.schedules.waiting import until

HIDDEN = "node.invalid"


def _remap(address: tuple[str, int]) -> tuple[str, int]:
    host, port = address
    assert host in (HIDDEN, LOCALHOST)
    return LOCALHOST, port


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Nodes that say that they are at a host which nobody can resolve."""
    args = ("--cluster-announce-hostname", HIDDEN, "--cluster-preferred-endpoint-type", "hostname")
    workdir = tmp_path_factory.mktemp("nat")
    binary = server_binaries()[FIRST]
    async with Cluster(binary, workdir=workdir, replicas=0, args=args) as started:
        for node in started.nodes:
            await until(partial(_is_hidden, node), "all are known by that name", 10)
        yield started


async def _is_hidden(node: Node) -> bool:
    slots = await node("CLUSTER", "SLOTS")
    return all(at[0] == HIDDEN.encode() for _, _, *nodes in slots for at in nodes)


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "borrowed"])
async def test_redirects_are_translated(cluster: Cluster, owned: bool) -> None:  # noqa: FBT001
    """ST-01: ASK while a slot moves, and MOVED when it has."""
    slot = slot_of(Keys(hash_tags=True).thread("t"))
    source = await cluster.owner(slot)
    target = next(node for node in await cluster.primaries() if node is not source)
    make: Any = cast("Any", aioredis.RedisCluster)
    client = make(host=LOCALHOST, port=cluster.nodes[0].port, address_remap=_remap)
    store = RedisStore(cluster.url, address_remap=_remap) if owned else RedisStore(client=client)
    async with client, store:
        await store.memory.save_thread(thread("t"))
        migration = cluster.migration(slot, source, target)
        await migration.begin()
        await migration.move_keys()
        await target("CONFIG", "RESETSTAT")
        assert await store.memory.get_thread_by_id("t") == thread("t")
        assert "cmdstat_asking" in await target.facts("INFO", "commandstats")
        await migration.finish()
        await store.memory.save_thread(thread("t", title="moved"))
        found = await store.memory.get_thread_by_id("t")
        assert found is not None
        assert found.title == "moved"
        await store.memory.dangerously_clear_all()
