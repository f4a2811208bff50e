"""No node of a cluster is hot: keys and commands spread evenly over its primaries."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from redis_store import RedisStore
from tests.support.deployments.clusters import SLOTS, Cluster
from tests.support.deployments.nodes import Node
from tests.support.deployments.servers import server_binaries
from tests.support.records.builders import message, thread

AT_ONCE = 500


async def test_threads_and_indexes_spread_within_a_tenth(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """By CLUSTER COUNTKEYSINSLOT, and by the calls that INFO commandstats counts.

    10,000 threads of 1,000 users with ``--matrix=servers``, else a fifth of that.
    """
    threads = 10_000 if request.config.getoption("--matrix") == "servers" else 2_000
    binary = next(iter(server_binaries().values()))
    async with (
        Cluster(binary, workdir=tmp_path, replicas=0) as cluster,
        RedisStore(cluster.url) as store,
    ):
        nodes = await cluster.primaries()
        for node in nodes:
            await node("CONFIG", "RESETSTAT")
        for first in range(0, threads, AT_ONCE):
            await asyncio.gather(
                *(_turn(store, n, threads // 10) for n in range(first, first + AT_ONCE))
            )
        keys = [await _keys_of(node) for node in nodes]
        calls = [await _calls_of(node) for node in nodes]
    assert sum(keys) > 5 * threads
    assert _is_even(keys), keys
    assert _is_even(calls), calls


async def _turn(store: RedisStore, n: int, users: int) -> None:
    memory, id_, owner = store.memory, f"thread-{n}", f"user-{n % users}"
    await memory.save_thread(thread(id_, owner))
    await memory.save_messages([message(f"m{n}", thread_id=id_, resource_id=owner)])
    assert (await memory.list_messages(id_, per_page=10)).total == 1


async def _keys_of(node: Node) -> int:
    counts = [await node("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in await _slots_of(node)]
    return sum(counts)


async def _slots_of(node: Node) -> list[int]:
    ranges = await node("CLUSTER", "SLOTS")
    own = [range(first, last + 1) for first, last, primary, *_ in ranges if primary[1] == node.port]
    slots = [slot for each in own for slot in each]
    assert 0 < len(slots) < SLOTS
    return slots


async def _calls_of(node: Node) -> int:
    stats: Counter[str] = Counter()
    for line in (await node.text("INFO", "commandstats")).splitlines():
        name, _, rest = line.partition(":calls=")
        if name.startswith("cmdstat_") and name != "cmdstat_cluster|countkeysinslot":
            stats[name] += int(rest.split(",")[0])
    return stats.total()


def _is_even(counts: list[int]) -> bool:
    mean = sum(counts) / len(counts)
    return all(abs(count - mean) <= mean / 10 for count in counts)
