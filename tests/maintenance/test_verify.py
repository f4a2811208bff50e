"""Verification: each kind of damage is found where it was done, and mended."""

from collections import Counter
from typing import assert_type, get_args

import pytest

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from redis_store.maintenance import Finding, Report
from redis_store.maintenance.report import Problem
from tests.maintenance.damages import FAR, FIRST, damages, run_member
from tests.maintenance.dumps import dump
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_invariants
from tests.support.records.builders import message, thread
from tests.support.records.mastra_database import THREADS, load
from tests.support.wire.raw import Raw


@pytest.mark.damages
@pytest.mark.parametrize("name", damages(Keys()))
async def test_damage_is_found_and_mended(
    store: RedisStore, place: Place, raw: Raw, name: str
) -> None:
    await _fill(store, place, raw)
    command, finding = damages(place.keys)[name]
    await raw(*command)
    before = await dump(raw, place.keys)
    report = await store.verify()
    assert finding in report.findings
    assert not report.ok
    assert report.repaired == 0
    assert await dump(raw, place.keys) == before
    mended = await store.verify(repair=True)
    assert finding in mended.findings
    assert mended.repaired == mended.problems.total()
    after = await store.verify()
    assert after.ok, after.findings
    await check_invariants(raw, place.keys)
    await check_listings(store, raw, place.keys)


async def _fill(store: RedisStore, place: Place, raw: Raw) -> None:
    await load(raw, place.keys)
    await store.reindex()
    # What Mastra lets tie is brought into the order that the invariants ask for.
    await store.verify(repair=True)


async def test_every_problem_of_a_report_is_found_by_a_test() -> None:
    known = {damage.finding.problem for damage in damages(Keys()).values()}
    assert known | {"corrupt record"} == set(get_args(Problem))


@pytest.mark.damages
async def test_only_what_is_damaged_changes(store: RedisStore, place: Place, raw: Raw) -> None:
    await _fill(store, place, raw)
    before = await dump(raw, place.keys)
    for name in ("an id that is not indexed", "counts that are wrong", "an entry without a name"):
        await raw(*damages(place.keys)[name].command)
    await store.verify(repair=True)
    assert await dump(raw, place.keys) == before


@pytest.mark.damages
@pytest.mark.parametrize("kind", ["thread", "message", "orphan", "resource", "run", "score"])
async def test_a_record_that_cannot_be_read_is_reported_and_never_touched(
    store: RedisStore, place: Place, raw: Raw, kind: str
) -> None:
    await _fill(store, place, raw)
    keys = place.keys
    key = {
        "thread": keys.thread("%cent"),
        "message": keys.message("plain", FIRST),
        "orphan": keys.message("plain", "ghost"),
        "resource": keys.resource("u-1"),
        "run": keys.of_member(run_member(keys)),
        "score": keys.score("s*1"),
    }[kind]
    await raw("SET", key, '{"id": "to')
    for repair in (True, False):
        report = await store.verify(repair=repair)
        assert Finding("corrupt record", key) in report.findings
    assert await raw("GET", key) == b'{"id": "to'


async def test_a_healthy_database_has_nothing_to_report(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await _fill(store, place, raw)
    before = await dump(raw, place.keys)
    report = await store.verify(repair=True)
    assert_type(report, Report)
    assert_type(report.findings, list[Finding])
    assert (report.ok, report.findings, report.repaired) == (True, [], 0)
    assert await dump(raw, place.keys) == before
    messages = sum(len(created) for _, created in THREADS.values())
    indexes = report.checked.pop("indexes")
    assert indexes > 20
    assert report.checked == Counter(
        {
            "threads": len(THREADS),
            "resources": 2,
            "runs": 6,
            "scores": 6,
            "messages": messages,
            "threads' orders": sum(bool(created) for _, created in THREADS.values()),
            "id indexes": messages,
        }
    )


async def test_an_empty_database_is_healthy(store: RedisStore) -> None:
    assert await store.verify(repair=True) == Report()


async def test_a_thread_whose_messages_are_deleted_is_healthy(store: RedisStore) -> None:
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a"), message("b", 1, resource_id="v")])
    await store.memory.delete_messages(["a", "b"])
    assert (await store.verify()).ok


@pytest.mark.damages
async def test_a_message_whose_id_leads_to_a_thread_without_it_is_not_lost(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await _fill(store, place, raw)
    keys = place.keys
    await raw("ZREM", keys.timeline("plain"), FIRST)
    await raw("SET", keys.message_pointer(FIRST), "%cent")
    await store.verify(repair=True)
    assert [item.id for item in await store.memory.list_messages_by_id([FIRST])] == [FIRST]
    assert FIRST in {item.id for item in await store.memory.list_messages("plain")}
    assert (await store.verify()).ok


@pytest.mark.damages
async def test_of_a_message_in_two_threads_the_one_that_its_id_leads_to_stays(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await _fill(store, place, raw)
    keys = place.keys
    body = await raw("GET", keys.message("plain", FIRST))
    moved = body.replace(b'"threadId":"plain"', b'"threadId":"%cent"')
    moved = moved.replace(b'"threadId": "plain"', b'"threadId": "%cent"')
    await raw("SET", keys.message("%cent", FIRST), moved)
    await raw("ZADD", keys.timeline("%cent"), FAR, FIRST)
    await store.verify(repair=True)
    assert await raw("EXISTS", keys.message("%cent", FIRST)) == 0
    assert (await store.verify()).ok
    await check_invariants(raw, keys)
