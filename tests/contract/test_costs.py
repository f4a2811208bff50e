"""What each call costs in round trips, whichever way it goes, and that none scans the keyspace."""

from typing import NamedTuple

from redis_store import MemoryStore, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.memory_calls import every_call, furnish
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw


class Pinned(NamedTuple):
    """Round trips in either layout; commands in the plain one, as slots decide the other."""

    commands: int
    round_trips: int
    tagged_round_trips: int


COSTS = {
    "get_thread_by_id": Pinned(1, 1, 1),
    "get_threads_by_id": Pinned(1, 1, 1),
    "save_thread, new": Pinned(1, 1, 3),
    "save_thread, known": Pinned(2, 2, 4),
    "create_thread": Pinned(1, 1, 3),
    "get_or_create_thread, known": Pinned(1, 1, 1),
    "get_or_create_thread, new": Pinned(1, 1, 3),
    "update_thread": Pinned(2, 2, 4),
    "update_thread_metadata": Pinned(2, 2, 4),
    "update_thread_resource_id": Pinned(4, 2, 7),
    "delete_thread": Pinned(1, 1, 7),
    "delete_thread_if": Pinned(4, 2, 7),
    "list_threads": Pinned(3, 2, 2),
    "list_threads, of a resource": Pinned(3, 2, 2),
    "list_threads, filtered": Pinned(3, 2, 2),
    "list_threads, after a cursor": Pinned(2, 2, 2),
    "list_threads_by_resource_id": Pinned(3, 2, 2),
    "list_threads_by_resource_id, before a cursor": Pinned(2, 2, 2),
    "clone_thread": Pinned(9, 5, 7),
    "clone_thread, to a resource": Pinned(9, 5, 7),
    "copy_thread": Pinned(7, 5, 7),
    "save_messages, new": Pinned(1, 1, 2),
    "save_messages, stored": Pinned(1, 1, 2),
    "save_messages, moved": Pinned(2, 2, 8),
    "save_messages, of another resource": Pinned(2, 2, 4),
    "save_messages, to two threads": Pinned(1, 1, 3),
    "save_messages, creating": Pinned(1, 1, 2),
    "save_messages, creating nothing": Pinned(1, 1, 2),
    "pop_message": Pinned(1, 1, 4),
    "list_messages": Pinned(1, 1, 1),
    "list_messages, of a resource": Pinned(1, 1, 1),
    "list_messages, filtered": Pinned(1, 1, 1),
    "list_messages, after a cursor": Pinned(1, 1, 1),
    "list_messages, before a cursor": Pinned(1, 1, 1),
    "list_messages, of two threads": Pinned(3, 2, 2),
    "list_messages, with includes": Pinned(6, 3, 4),
    "list_messages_by_resource_id": Pinned(4, 3, 3),
    "list_messages_by_id": Pinned(1, 1, 2),
    "iter_messages": Pinned(1, 1, 1),
    "update_messages": Pinned(2, 2, 3),
    "update_messages, moved": Pinned(3, 2, 9),
    "update_messages, of two threads": Pinned(2, 2, 5),
    "delete_messages": Pinned(2, 2, 3),
    "delete_messages, of two threads": Pinned(2, 2, 5),
    "get_resource_by_id": Pinned(1, 1, 1),
    "get_resources_by_id": Pinned(1, 1, 1),
    "save_resource": Pinned(1, 1, 1),
    "update_resource, known": Pinned(2, 2, 3),
    "update_resource, new": Pinned(2, 2, 3),
    "merge_working_memory": Pinned(2, 2, 3),
    "delete_resource, known": Pinned(1, 1, 2),
    "delete_resource, unknown": Pinned(1, 1, 2),
}


def test_the_cost_of_every_call_is_pinned() -> None:
    """GEN-10: no call is left out."""
    calls = every_call()
    methods = {name for name in dir(MemoryStore) if not name.startswith("_")}
    assert {name.split(",")[0] for name in calls} == methods
    assert calls.keys() - COSTS.keys() == {"dangerously_clear_all"}


async def test_every_call_takes_its_round_trips_and_does_not_scan(
    metered: MemoryStore, store: RedisStore, proxy: CountingProxy, place: Place, raw: Raw
) -> None:
    """LIST-06, THR-11, GEN-10: what a call costs is what is pinned here, in either layout."""
    calls = every_call()
    costs: dict[str, Pinned] = {}
    scanning: set[str] = set()
    for name, pinned in COSTS.items():
        await furnish(store.memory)
        scans = await _scans(raw)
        with proxy.measure() as cost:
            await calls[name](metered)
        if place.keys.hash_tags:
            costs[name] = pinned._replace(tagged_round_trips=cost.round_trips)
        else:
            commands, round_trips = len(cost.commands), cost.round_trips
            costs[name] = pinned._replace(commands=commands, round_trips=round_trips)
        if await _scans(raw) != scans:
            scanning.add(name)
    assert costs == COSTS
    assert scanning == set()


async def test_clearing_all_scans(store: RedisStore, raw: Raw) -> None:
    """GEN-10: the server's statistics would show a scan."""
    scans = await _scans(raw)
    await store.memory.dangerously_clear_all()
    assert await _scans(raw) > scans


async def _scans(raw: Raw) -> int:
    stats = await raw.commandstats()
    return stats.get("scan", 0) + stats.get("keys", 0)
