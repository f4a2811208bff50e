"""What erasing and exporting a user costs in round trips, and that it grows with what it has."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import Variant
from tests.support.records.builders import message, thread
from tests.support.records.scores import score
from tests.support.records.workflow_runs import persist
from tests.support.wire.proxies import CountingProxy

# Round trips of exporting and of erasing, by layout; beyond those for a user who has nothing.
COSTS: dict[bool, dict[str, tuple[int, int]]] = {
    False: {
        "nothing": (5, 7),
        "10 threads": (22, 22),
        "2,000 messages in a thread of its own": (12, 28),
        "20 of 2,000 messages in one of others": (11, 14),
        "20 runs": (3, 7),
        "20 scores": (1, 2),
        "2,000 scores of others": (9, 9),
    },
    True: {
        # All scores are listed in 32 shards.
        "nothing": (36, 39),
        "10 threads": (22, 152),
        "2,000 messages in a thread of its own": (12, 45),
        "20 of 2,000 messages in one of others": (11, 20),
        "20 runs": (3, 32),
        "20 scores": (20, 100),
        "2,000 scores of others": (32, 32),
    },
}


@pytest.fixture
async def proxy(variant: Variant, servers: dict[str, Server]) -> AsyncIterator[CountingProxy]:
    async with CountingProxy(servers[variant.server].socket) as counting:
        yield counting


@pytest.fixture
async def metered(proxy: CountingProxy, place: Place) -> AsyncIterator[RedisStore]:
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(proxy.url, key_prefix=prefix, hash_tags=hash_tags) as opened:
        yield opened


async def _costs(metered: RedisStore, proxy: CountingProxy) -> tuple[int, int]:
    """Round trips of exporting and of erasing u."""
    with proxy.measure() as exporting:
        _ = [each async for each in metered.export_resource("u")]
    with proxy.measure() as erasing:
        await metered.erase_resource("u")
    return exporting.round_trips, erasing.round_trips


async def test_costs_grow_with_what_the_user_has_and_with_all_scores(
    metered: RedisStore, store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    """GEN-10: 500 messages or scores at a time."""
    memory = store.memory
    nothing = await _costs(metered, proxy)
    found: dict[str, tuple[int, int]] = {}

    async def measure(name: str) -> None:
        costs = await _costs(metered, proxy)
        found[name] = costs[0] - nothing[0], costs[1] - nothing[1]

    for n in range(10):
        await memory.save_thread(thread(f"t{n}"))
        await memory.save_messages([message(f"m{n}", thread_id=f"t{n}")])
    await measure("10 threads")
    await memory.save_thread(thread())
    await memory.save_messages([message(f"m{n}", n) for n in range(2000)])
    await measure("2,000 messages in a thread of its own")
    await memory.save_thread(thread("t", "v"))
    await memory.save_messages(
        [message(f"m{n}", n, resource_id="uv"[n >= 20]) for n in range(2000)]
    )
    await measure("20 of 2,000 messages in one of others")
    for n in range(20):
        await persist(store, f"r{n}", n, resource_id="u")
    await measure("20 runs")
    for n in range(20):
        await store.scores.save_score(score(f"s{n}", n, resource_id="u"))
    await measure("20 scores")
    await asyncio.gather(
        *(store.scores.save_score(score(f"s{n}", n, resource_id="v")) for n in range(2000))
    )
    await measure("2,000 scores of others")
    assert {"nothing": nothing, **found} == COSTS[place.keys.hash_tags]
