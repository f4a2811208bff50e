"""Records that another writer stored: noticed when a store opens, and indexed by reindex."""

import asyncio
import logging

import anyio
import pytest

from redis_store import RedisStore, Resource
from redis_store.maintenance import Progress
from tests.maintenance.dumps import dump, own_keys
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread
from tests.support.records.mastra_database import THREADS, load, message_ids
from tests.support.records.workflow_runs import persist, put, record
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

SCAN_COUNT = "redis_store._connections.standalone._SCAN_COUNT"


async def test_opening_a_small_database_indexes_what_a_peer_stored(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await load(raw, place.keys)
    await raw("DEL", place.keys.marker())
    assert (await store.memory.list_threads()).items == []
    async with place.store() as opened:
        found = await check_listings(opened, raw, place.keys)
        assert len(found.threads) == len(THREADS)
        assert (await opened.verify()).ok


async def test_a_database_whose_indexes_are_complete_is_not_scanned_when_it_opens(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await store.reindex()
    await load(raw, place.keys)
    before = await raw.commandstats()
    async with place.store():
        after = await raw.commandstats()
    assert after.get("scan", 0) == before.get("scan", 0)
    await store.reindex()


async def test_a_large_database_is_only_warned_about(
    store: RedisStore,
    place: Place,
    raw: Raw,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await load(raw, place.keys)
    await raw("DEL", place.keys.marker())
    monkeypatch.setattr("redis_store.maintenance.reindex.SMALL", 3)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "redis_store"):
            async with place.store() as opened:
                assert (await opened.memory.list_threads()).items == []
        assert "await store.reindex()" in caplog.text
    await store.reindex()
    caplog.clear()
    async with place.store() as opened:
        await check_listings(opened, raw, place.keys)
    assert caplog.text == ""


async def test_every_listing_is_right_after_reindex(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await load(raw, place.keys)
    await store.reindex()
    found = await check_listings(store, raw, place.keys)
    assert len(found.messages) == sum(len(created) for _, created in THREADS.values())
    assert (len(found.runs), len(found.scores)) == (6, 6)
    assert (await store.verify()).ok


async def test_messages_of_a_resource_are_listed_only_after_reindex(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """LIST-12: across threads, also where a thread holds messages of several resources."""
    await load(raw, place.keys)
    assert (await store.memory.list_messages_by_resource_id("u-2")).items == []
    await store.reindex()
    found = await store.memory.list_messages_by_resource_id("u-2")
    assert {item.thread_id for item in found} == {"plain", "}brace", "%cent"}
    assert found.total == 6


async def test_messages_whose_id_index_is_lost_are_found_after_reindex(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """LIST-13: only then, and never by scanning."""
    await load(raw, place.keys)
    ids = message_ids("plain")
    await raw("DEL", *map(place.keys.message_pointer, ids))
    assert await store.memory.list_messages_by_id(ids) == []
    await store.reindex()
    assert [item.id for item in await store.memory.list_messages_by_id(ids)] == ids
    assert (await store.verify()).ok


async def test_reindexing_again_changes_nothing(store: RedisStore, place: Place, raw: Raw) -> None:
    await load(raw, place.keys)
    await store.reindex()
    once = await dump(raw, place.keys)
    await store.reindex()
    assert await dump(raw, place.keys) == once


async def test_reindexing_what_the_store_wrote_itself_changes_nothing(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    for number in range(3):
        await store.memory.save_thread(thread(f"t{number}"))
        await store.memory.save_messages([message(f"{number}", thread_id=f"t{number}")])
    await store.memory.save_resource(Resource(id="u"))
    await persist(store, resource_id="u")
    before = await dump(raw, place.keys)
    await store.reindex()
    assert await dump(raw, place.keys) == before


async def test_progress_tells_how_many_keys_of_each_kind_are_done(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await load(raw, place.keys)
    told: list[Progress] = []
    await store.reindex(progress=told.append)
    done = {each.kind: each.done for each in told}
    orders = sum(bool(created) for _, created in THREADS.values())
    assert done == {
        "threads": len(THREADS),
        "orders": orders,
        "resources": 2,
        "runs": 6,
        "scores": 6,
    }
    assert list(done) == ["threads", "orders", "resources", "runs", "scores"]


@pytest.mark.parametrize("kind", ["orders", "scores"])
async def test_a_cancelled_reindex_goes_on_from_where_it_stopped(
    store: RedisStore, place: Place, raw: Raw, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    await load(raw, place.keys)
    monkeypatch.setattr(SCAN_COUNT, 40)
    with anyio.CancelScope() as scope:
        await store.reindex(lambda told: scope.cancel() if told.kind == kind else None)
    assert scope.cancelled_caught
    again: list[Progress] = []
    await store.reindex(again.append)
    assert again[0].kind == kind
    await check_listings(store, raw, place.keys)
    assert (await store.verify()).ok
    assert place.keys.reindex_state() not in await own_keys(raw, place.keys)


async def test_a_cancelled_reindex_looks_at_no_batch_twice(
    store: RedisStore, place: Place, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(raw, place.keys)
    monkeypatch.setattr(SCAN_COUNT, 10)
    first: list[Progress] = []

    with anyio.CancelScope() as scope:

        def tell(told: Progress) -> None:
            first.append(told)
            if told.done >= 3:
                scope.cancel()

        await store.reindex(tell)
    again: list[Progress] = []
    await store.reindex(again.append)
    threads = max(each.done for each in again if each.kind == "threads")
    assert threads + first[-1].done == len(THREADS)
    await check_listings(store, raw, place.keys)


async def test_what_is_written_while_reindexing_stays(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """Between any two round trips another store changes what is being indexed."""
    await load(raw, place.keys)
    async with gated_store(place) as (slow, gate):
        await slow.ping()
        gate.shut = True
        task = asyncio.ensure_future(slow.reindex())
        task.add_done_callback(lambda _: gate.moved.set())
        for number in range(40):
            while not (gate.holds or task.done()):
                gate.moved.clear()
                await gate.moved.wait()
            if task.done():
                break
            await _write(store, number)
            gate.let_through()
        gate.open()
        await task
    report = await store.verify(repair=True)
    # A thread that goes between its count and its entry leaves the entry: no reader shows it.
    assert report.problems.keys() <= {"stale entry"}, report.findings
    await check_listings(store, raw, place.keys)


async def _write(store: RedisStore, number: int) -> None:
    memory = store.memory
    match number % 5:
        case 0:
            await memory.update_thread("plain", title=f"{number}")
            await persist(store, "r?", workflow="wf", status=f"at {number}")
        case 1:
            await memory.update_thread_resource_id("a*b?[c]", f"u-{number}")
        case 2:
            fresh = message(f"n{number}", number, thread_id="plain", resource_id=f"u-{number}")
            await memory.save_messages([fresh])
        case 3:
            await memory.delete_messages([f"n{number - 1}"])
            await store.workflows.delete_workflow_run_by_id("run-1", workflow_name="[w]")
        case _:
            await memory.delete_thread("{tag}")


async def test_of_a_run_stored_under_two_keys_the_one_without_suffix_is_listed(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await put(raw, place, record("r", "w", createdAt="2026-01-15T09:30:01.000Z"))
    await put(raw, place, record("r", "w", resourceId="u"), "u")
    await store.reindex()
    (run,) = await store.workflows.list_workflow_runs()
    assert run.resource_id is None
    assert (await store.verify(repair=True)).ok
    assert (await store.workflows.list_workflow_runs()).items == [run]


async def test_a_record_that_cannot_be_read_stops_nothing(
    store: RedisStore, place: Place, raw: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    await load(raw, place.keys)
    await raw("SET", place.keys.thread("torn"), '{"id": "to')
    await store.reindex()
    assert "torn" in caplog.text
    assert (await store.memory.list_threads()).total == len(THREADS)
    await raw("DEL", place.keys.thread("torn"))
