"""Exporting a user: the records that erasing it removes, each once, in order."""

import asyncio
from collections import Counter
from typing import Any, cast

import pytest
from msgspec import convert

from redis_store import (
    CorruptRecordError,
    Erased,
    IntegrationRecord,
    Message,
    RedisStore,
    Resource,
    Score,
    Thread,
    WorkflowRun,
)
from redis_store.models import Record
from tests.maintenance.chunks import shrink
from tests.maintenance.dumps import dump
from tests.maintenance.test_erasure import scanning
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.inspection.invariants import check_indexed
from tests.support.records.builders import at, message, thread
from tests.support.records.mastra_database import load
from tests.support.records.scores import score
from tests.support.records.two_users import ALL, furnish, total
from tests.support.records.workflow_runs import persist, put, record
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw

KINDS = {Thread: "threads", Message: "messages", WorkflowRun: "runs", Score: "scores"}


async def exported(store: RedisStore, resource_id: str = "ana") -> list[Record]:
    return [each async for each in store.export_resource(resource_id)]


def ids(records: list[Record]) -> list[str]:
    """Their ids, in order; of a run its run id."""
    return [each.run_id if isinstance(each, WorkflowRun) else each.id for each in records]


@on_each_topology
@pytest.mark.parametrize("chunk", [500, 2])
async def test_everything_comes_once_in_order(
    store: RedisStore, place: Place, raw: Raw, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    shrink(monkeypatch, chunk)
    await furnish(store, "ana", "bob")
    before = await dump(raw, place.keys)
    records = await exported(store)
    resource, *others = records
    assert isinstance(resource, Resource)
    expected = ["ana-empty", "ana-thread", "ana-0", "ana-1", "ana-2", "ana-guest"]
    expected += [f"ana-s{n}" for n in range(3)] + [f"ana-run{n}" for n in range(2)]
    found = ids(others)
    assert found[: len(expected)] == expected
    # On a cluster the index of all scores has shards.
    scores = ["ana-score0", "ana-score1"]
    assert sorted(found[len(expected) :]) == scores
    if not place.keys.hash_tags:
        assert found[len(expected) :] == scores
    assert await dump(raw, place.keys) == before
    assert await store.memory.get_resource_by_id("ana") == resource
    assert await store.memory.get_thread_by_id("ana-thread") == others[1]
    own = await store.memory.list_messages("ana-thread")
    assert own.items == others[2:6]


async def test_a_record_is_one_of_these_types(store: RedisStore) -> None:
    await furnish(store, "ana")
    counts: Counter[str] = Counter()
    async for each in store.export_resource("ana"):
        match each:
            case Resource():
                counts["resources"] += 1
            case Thread() | Message() | WorkflowRun() | Score():
                counts[KINDS[type(each)]] += 1
            case IntegrationRecord():
                counts[each.integration] += 1
    assert convert(counts, Erased) == ALL


async def test_nothing_is_exported_of_others(store: RedisStore) -> None:
    await furnish(store, "bob")
    for unknown in ("ana", "b*", "BOB", "bo"):
        assert await exported(store, unknown) == []


@pytest.mark.parametrize("resource_id", ["ana", "u*", "u-1", "u-2", "ü:3", "u[1-2]"])
async def test_what_is_exported_is_what_is_erased(
    store: RedisStore, place: Place, raw: Raw, resource_id: str
) -> None:
    """And the same by scanning, whatever the indexes say."""
    await load(raw, place.keys)
    await store.reindex()
    await furnish(store, "ana")
    async with scanning(place) as scanner:
        scanned = await exported(scanner, resource_id)
    records = await exported(store, resource_id)
    assert sorted(map(repr, scanned)) == sorted(map(repr, records))
    erased = await store.erase_resource(resource_id)
    assert total(erased) == len(records)
    assert await exported(store, resource_id) == []
    assert erased.unreadable == []


async def test_a_scan_gives_kinds_in_order(store: RedisStore, place: Place, raw: Raw) -> None:
    """Also runs of other namespaces, and those that others shadow, which no index lists."""
    await furnish(store, "ana", "bob")
    await store.workflows.persist_workflow_snapshot(
        "w", "r", {}, resource_id="ana", namespace="other"
    )
    await put(raw, place, record(resourceId="ana"), "ana")
    await put(raw, place, record())
    async with scanning(place) as scanner:
        kinds = [type(each) for each in await exported(scanner)]
    assert kinds == [Resource, *[Thread] * 2, *[Message] * 7, *[WorkflowRun] * 4, *[Score] * 2]
    await store.reindex()
    await check_indexed(store)


@pytest.mark.damages
async def test_a_corrupt_record_is_named_after_all_others_came(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    keys = place.keys
    await furnish(store, "ana", "bob")
    whole = [each for each in ids(await exported(store)) if each != "ana-1"]
    await raw("SET", keys.score("bob-score1"), "{")
    await raw("SET", keys.message("shared", "bob-s1"), "{")
    assert len(await exported(store)) == len(whole) + 1
    for key in (
        keys.message("ana-thread", "ana-1"),
        keys.resource("ana"),
        keys.thread("ana-empty"),
    ):
        stored = await raw("GET", key)
        await raw("SET", key, "{")
        records: list[Record] = []
        with pytest.raises(CorruptRecordError) as corrupt:
            await _collect(store, records)
        assert corrupt.value.key == key
        assert len(records) == len(whole)
        await raw("SET", key, stored)


async def _collect(store: RedisStore, records: list[Record]) -> None:
    async for each in store.export_resource("ana"):
        records.append(each)  # noqa: PERF401 - those that came before an error are kept


async def test_records_that_come_or_go_meanwhile_hide_no_others(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch, 2)
    lasting: list[str] = []
    for n in range(9):
        kind = "kept" if n % 2 else "gone"
        await store.memory.save_thread(thread(f"{kind}{n}", created_at=at(n)))
        await store.memory.save_messages(
            [message(f"m-{kind}{n}", n, thread_id="kept1")] if n > 1 else []
        )
        await store.scores.save_score(score(f"s-{kind}{n}", n, resource_id="u"))
        await persist(store, f"r-{kind}{n}", n, resource_id="u")
        lasting += [f"{kind}{n}", f"s-{kind}{n}", f"r-{kind}{n}"] if n % 2 else []
        lasting += [f"m-{kind}{n}"] if n % 2 and n > 1 else []
    seen: list[str] = []
    async for each in store.export_resource("u"):
        n = len(seen)
        seen += ids([each])
        await store.memory.save_thread(thread(f"new{n}", created_at=at(-n)))
        await store.memory.delete_thread(f"gone{n % 9}")
        await store.memory.delete_messages([f"m-gone{(n - 1) % 9}"])
        await store.scores.save_score(score(f"s-new{n}", -n, resource_id="u"))
    assert set(lasting) <= set(seen)
    assert len(set(seen)) == len(seen)


async def test_memory_is_bounded_and_a_reader_may_stop(
    store: RedisStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read ahead of the chunk that the reader is at."""
    shrink(monkeypatch, 10)
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message(f"m{n}", n) for n in range(100)])
    async with gated_store(place) as (reader, gate):
        await reader.ping()
        records = reader.export_resource("u")
        seen = [await anext(records) for _ in range(11)]
        gate.shut = True
        # The last of ten is read again, as others may share its date.
        seen += [await anext(records) for _ in range(8)]
        following = asyncio.ensure_future(anext(records))
        await until(lambda: gate.holds, "the next chunk is asked for")
        gate.open()
        assert ids([*seen, await following]) == ["t", *(f"m{n}" for n in range(19))]
        await cast("Any", records).aclose()
        assert await reader.ping()
