"""What a session costs, of any length."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from redis_store import RedisStore
from redis_store.integrations.openai_agents import RedisSession
from tests.integrations.openai_agents.items import said
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.wire.proxies import CountingProxy


@dataclass(frozen=True)
class Pinned:
    """What a call may use: round trips; in the hash-tagged layout, at 3,000 items; bytes."""

    call: Callable[[RedisSession], Awaitable[object]]
    round_trips: int
    tagged_round_trips: int
    sent: int
    received: int


TEXT = "x" * 400
COSTS: dict[str, Pinned] = {
    "add": Pinned(lambda s: s.add_items([said(TEXT), said(TEXT)]), 1, 2, 5_000, 100),
    "last 10": Pinned(lambda s: s.get_items(10), 1, 1, 400, 15_000),
    "pop": Pinned(lambda s: s.pop_item(), 1, 4, 1_000, 2_000),
    # In the hash-tagged layout the ids come down, as pointers to the items are in other slots.
    "clear": Pinned(lambda s: s.clear_session(), 1, 11, 1_500, 100),
}


@on_one_server
@pytest.mark.parametrize("length", [10, 3_000])
async def test_a_call_is_one_round_trip_at_any_length(
    store: RedisStore, metered_store: RedisStore, proxy: CountingProxy, place: Place, length: int
) -> None:
    await RedisSession("t", store).add_items([said(TEXT)] * length)
    session = RedisSession("t", metered_store)
    for name, pinned in COSTS.items():
        with proxy.measure() as cost:
            await pinned.call(session)
        if place.keys.hash_tags:
            assert cost.round_trips <= pinned.tagged_round_trips, name
        else:
            assert cost.round_trips == pinned.round_trips, name
            assert cost.bytes_sent <= pinned.sent, name
            assert cost.bytes_received <= pinned.received, name


@on_one_server
async def test_the_first_items_make_the_session_in_the_same_step(
    metered_store: RedisStore, proxy: CountingProxy, place: Place, store: RedisStore
) -> None:
    await metered_store.ping()
    with proxy.measure() as cost:
        await RedisSession("t", metered_store).add_items([said("a")])
    assert cost.round_trips == (2 if place.keys.hash_tags else 1)
    assert (await store.memory.list_threads(resource_id="default")).total == 1
