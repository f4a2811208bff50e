"""Costs do not grow with what a call is not about: longer threads, other threads, other keys."""

import asyncio
from typing import Any, NamedTuple

import pytest

from redis_store import DateRange, MemoryStore, Message, MessagePatch, RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.records.builders import at, message, thread
from tests.support.records.memory_calls import Run, every_call, furnish
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

LENGTHS = (10, 100, 5000)
SIZES = (1, 10, 1000)
PAGES: dict[str, dict[str, Any]] = {
    "newest": {"direction": "desc"},
    "oldest": {"direction": "asc"},
    "newest of the only resource": {"direction": "desc", "resource_id": "u"},
    "newest, not counted": {"direction": "desc", "include_total": False},
    "of some dates": {"date_range": DateRange(at(3), at(7))},
}


class Used(NamedTuple):
    """What one call used; the server's commands include those inside scripts."""

    round_trips: int
    bytes_received: int
    server_commands: int


class Meter(NamedTuple):
    """Measures calls of a store behind a proxy."""

    memory: MemoryStore
    proxy: CountingProxy
    raw: Raw

    async def __call__(self, run: Run) -> Used:
        before = await self._commands()
        with self.proxy.measure() as cost:
            await run(self.memory)
        return Used(cost.round_trips, cost.bytes_received, await self._commands() - before)

    async def _commands(self) -> int:
        stats = await self.raw.commandstats()
        return sum(calls for name, calls in stats.items() if name != "info")


@pytest.fixture
def meter(metered: MemoryStore, proxy: CountingProxy, raw: Raw) -> Meter:
    return Meter(metered, proxy, raw)


async def test_a_page_costs_the_same_in_a_thread_of_any_length(place: Place, meter: Meter) -> None:
    """LIST-06: one round trip; as many bytes and commands for 10 messages as for 5,000."""
    async with place.store() as direct:
        for length in LENGTHS:
            await direct.memory.save_thread(thread(f"t{length:05}"))
            await direct.memory.save_messages(_messages(length, f"t{length:05}", f"{length:05}-"))
    for name, options in PAGES.items():
        first, *others = [await meter(_page(length, options)) for length in LENGTHS]
        assert first.round_trips == 1, name
        for used in others:
            # The total has more digits: nothing else differs.
            assert 0 <= used.bytes_received - first.bytes_received <= len("5000") - len("10")
            assert used._replace(bytes_received=first.bytes_received) == first, name


def _page(length: int, options: dict[str, Any]) -> Run:
    return lambda memory: memory.list_messages(f"t{length:05}", per_page=5, **options)


def _messages(n: int, thread_id: str = "t", prefix: str = "", text: str = "") -> list[Message]:
    """Build messages that are equally long: no date is on the second, which has no fraction."""
    return [
        message(f"{prefix}{us:05}", us, thread_id=thread_id, text=text) for us in range(1, n + 1)
    ]


@on_one_server
async def test_a_batch_of_any_size_takes_the_same_round_trips(place: Place, meter: Meter) -> None:
    """LIST-06: a batch of 1,000 takes as many round trips as one message."""
    for id_ in ("t", "t2"):
        await meter.memory.save_thread(thread(id_))
    # What is large goes over a connection of its own, which is opened here.
    await _trips(meter, max(SIZES))
    tagged = place.keys.hash_tags
    expected = {"new": 1, "stored": 1, "moved": 2, "changed": 2, "deleted": 2}
    if tagged:
        expected = {"new": 2, "stored": 2, "moved": 8, "changed": 3, "deleted": 3}
    assert [await _trips(meter, size) for size in SIZES] == [expected] * len(SIZES)


async def _trips(meter: Meter, size: int) -> dict[str, int]:
    ids = [each.id for each in _messages(size)]
    patches = [MessagePatch(id=id_, type="x") for id_ in ids]
    runs: dict[str, Run] = {
        "new": lambda m: m.save_messages(_messages(size)),
        "stored": lambda m: m.save_messages(_messages(size, text="new")),
        "moved": lambda m: m.save_messages(_messages(size, "t2")),
        "changed": lambda m: m.update_messages(patches),
        "deleted": lambda m: m.delete_messages(ids),
    }
    return {name: (await meter(run)).round_trips for name, run in runs.items()}


@on_one_server
async def test_a_resources_threads_cost_the_same_among_any_others(
    place: Place, meter: Meter
) -> None:
    """THR-11: two round trips; as many bytes and commands among 10 other threads as among 1,000."""
    async with place.store() as direct:
        for n in range(5):
            await direct.memory.save_thread(thread(f"t{n}"))
        used = [await _listed_among(10, direct, meter), await _listed_among(1000, direct, meter)]
    assert used[0] == used[1]
    assert used[0].round_trips == 2


async def _listed_among(others: int, direct: RedisStore, meter: Meter) -> Used:
    saving = (direct.memory.save_thread(thread(f"other{n}", f"v{n % 7}")) for n in range(others))
    await asyncio.gather(*saving)
    return await meter(lambda m: m.list_threads(resource_id="u", per_page=3))


@on_one_server
async def test_no_call_costs_more_among_more_unrelated_keys(
    store: RedisStore, place: Place, meter: Meter
) -> None:
    """GEN-10: bytes and commands are the same among 10 other keys as among 1,000."""
    calls = every_call()
    del calls["dangerously_clear_all"]
    if place.keys.hash_tags:
        # Random ids share a slot, and then a command, now and then.
        calls = {name: run for name, run in calls.items() if name[:5] not in {"clone", "copy_"}}
    few = await _used_among(10, calls, store, meter, place)
    assert await _used_among(1000, calls, store, meter, place) == few


async def _used_among(
    n: int, calls: dict[str, Run], store: RedisStore, meter: Meter, place: Place
) -> dict[str, Used]:
    unrelated = [f"{place.keys.prefix}unrelated:{i}" for i in range(n)]
    await meter.raw("MSET", *(argument for key in unrelated for argument in (key, "x")))
    used: dict[str, Used] = {}
    for name, run in calls.items():
        await furnish(store.memory)
        used[name] = await meter(run)
    await meter.raw("UNLINK", *unrelated)
    return used
