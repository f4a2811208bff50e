"""Pruning beside writers, and of a database that is not whole."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from redis_store import RedisStore, Resource
from redis_store.maintenance import Pruned, Retention
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.workflow_runs import persist
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

DAY = timedelta(days=1)
LATER = 1_000_000


@pytest.fixture(autouse=True)
def _tenth_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of ten days is T0."""
    monkeypatch.setattr("redis_store.models.now", lambda: T0 + 10 * DAY)


async def _pruned_while(
    place: Place, kind: str, before_step: int, use: Callable[[], Awaitable[object]]
) -> list[Pruned]:
    """Prune one kind, and use something before the given one of its round trips."""
    async with gated_store(place) as (pruning, gate):
        await pruning.ping()
        settings = vars(pruning)["_settings"]
        vars(pruning)["_settings"] = replace(settings, retention=Retention(**{kind: 10 * DAY}))
        gate.shut = True
        task = asyncio.ensure_future(pruning.prune())
        task.add_done_callback(lambda _: gate.moved.set())
        step = 0
        while not task.done():
            gate.moved.clear()
            if gate.holds:
                if step == before_step:
                    await use()
                step += 1
                gate.let_through()
            if not (task.done() or gate.holds):
                await gate.moved.wait()
        return await task


@pytest.mark.parametrize("step", range(6))
async def test_a_thread_used_while_pruning_stays_whole(
    store: RedisStore, place: Place, raw: Raw, step: int
) -> None:
    memory = store.memory

    async def use() -> None:
        if await memory.get_thread_by_id("t"):
            await memory.save_messages([message("new", LATER)])
            used.append("t")

    used: list[str] = []
    await memory.save_thread(thread())
    await memory.save_messages([message("old", -9)])
    await memory.save_thread(thread(updated_at=at(-9)))
    ((_, deleted, _),) = [
        (each.kind, each.deleted, each.done)
        for each in await _pruned_while(place, "threads", step, use)
    ]
    left = await memory.get_thread_by_id("t")
    assert (deleted, left is None) == ((0, False) if used else (1, True))
    if used:
        ids = [item.id for item in await memory.list_messages("t")]
        assert ids == ["old", "new"]
    assert (await store.verify()).problems.keys() <= {"stale entry"}
    await check_listings(store, raw, place.keys)


@pytest.mark.parametrize("step", range(4))
async def test_a_run_updated_while_pruning_stays(
    store: RedisStore, place: Place, raw: Raw, step: int
) -> None:
    used: list[object] = []

    async def use() -> None:
        used.append(await store.workflows.update_workflow_state("w", "r", {"status": "done"}))

    await persist(store, us=-9)
    await _pruned_while(place, "snapshots", step, use)
    run = await store.workflows.get_workflow_run_by_id("r", workflow_name="w")
    assert (run is not None) == any(used)
    await check_listings(store, raw, place.keys)


@pytest.mark.parametrize("step", range(4))
async def test_a_resource_updated_while_pruning_is_there_afterwards(
    store: RedisStore, place: Place, raw: Raw, step: int
) -> None:
    used: list[object] = []

    async def use() -> None:
        used.append(await store.memory.update_resource("u", metadata={"a": 1}))

    await store.memory.save_resource(Resource(id="u", created_at=at(-9), updated_at=at(-9)))
    await _pruned_while(place, "resources", step, use)
    found = await store.memory.get_resource_by_id("u")
    assert (found is not None) == bool(used)
    await check_listings(store, raw, place.keys)


@pytest.mark.parametrize("step", range(5))
async def test_a_message_given_a_new_date_while_pruning_stays(
    store: RedisStore, place: Place, raw: Raw, step: int
) -> None:
    memory, used = store.memory, list[object]()

    async def use() -> None:
        # Whether it was known or not, it is there now.
        used.append(await memory.save_messages([message("a", LATER)]))

    await memory.save_thread(thread())
    await memory.save_messages([message("a", -9), message("b", -8)])
    await _pruned_while(place, "messages", step, use)
    assert [item.id for item in await memory.list_messages("t")] == ["a"] * bool(used)
    assert [item.id for item in await memory.list_messages_by_id(["a"])] == ["a"] * bool(used)
    await check_listings(store, raw, place.keys)


async def _prune(place: Place, **ages: timedelta) -> list[Pruned]:
    keys = place.keys
    async with RedisStore(
        place.url,
        key_prefix=keys.prefix,
        hash_tags=keys.hash_tags,
        retention=Retention(**ages),
    ) as pruning:
        return await pruning.prune()


@pytest.mark.damages
@pytest.mark.parametrize("index", [None, "t2"])
async def test_old_messages_go_though_their_id_leads_elsewhere(
    store: RedisStore, place: Place, raw: Raw, index: str | None
) -> None:
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a", -9), message("b", -8), message("c", 1)])
    await raw("DEL", place.keys.message_pointer("a"))
    if index is not None:
        await raw("SET", place.keys.message_pointer("a"), index)
    assert await _prune(place, messages=10 * DAY) == [Pruned("messages", 2, done=True)]
    assert [item.id for item in await store.memory.list_messages("t")] == ["c"]
    found = await raw("GET", place.keys.message_pointer("a"))
    assert found == (index and index.encode())


@pytest.mark.damages
async def test_an_old_entry_without_a_message_goes_too(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a", -9), message("b", -8), message("c", 1)])
    await raw("DEL", place.keys.message("t", "a"))
    assert await _prune(place, messages=10 * DAY) == [Pruned("messages", 1, done=True)]
    assert list(await raw.sorted_set(place.keys.timeline("t"))) == ["c"]


@pytest.mark.damages
async def test_a_message_that_cannot_be_read_stays_and_stops_nothing(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a", -9), message("b", -8), message("c", 1)])
    await raw("SET", place.keys.message("t", "a"), '{"id": "a')
    assert await _prune(place, messages=10 * DAY) == [Pruned("messages", 1, done=True)]
    assert list(await raw.sorted_set(place.keys.timeline("t"))) == ["a", "c"]


@pytest.mark.damages
async def test_an_index_entry_that_lies_about_the_age_removes_nothing(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await store.memory.save_thread(thread(updated_at=at(5)))
    await persist(store, us=5)
    keys = place.keys
    (runs,) = keys.runs_by("updated", "", keys.member(keys.run("workflows", "w", "r")))
    _, threads = keys.thread_indexes("t", "u", "updated_at")
    await raw("ZADD", threads, 5, "t", 6, "ghost")
    await raw("ZADD", runs, 5, keys.member(keys.run("workflows", "w", "r")))
    pruned = await _prune(place, threads=10 * DAY, snapshots=10 * DAY)
    assert [each.deleted for each in pruned] == [0, 0]
    assert (await store.verify()).ok
