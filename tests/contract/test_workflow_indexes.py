"""Runs and the indexes that list them: in step after any calls, and mended by whoever reads."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from redis_store import RedisStore
from tests.contract.workflow_run_model import STATUSES, Model, Operation, operations
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import at
from tests.support.records.workflow_runs import found, ids, listed, names, persist, result
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


def indexes(place: Place, attribute: str, value: str, run_id: str = "r") -> list[str]:
    """The one shard of an index that lists a run of the workflow ``w``."""
    run_key = place.keys.member(place.keys.run("workflows", "w", run_id))
    return place.keys.runs_by(attribute, value, run_key)


async def test_a_status_moves_the_run_between_indexes(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-04: it is in exactly the index of its status, and an empty one is gone."""
    keys = place.keys
    await persist(store, us=7, status="a")
    for status in ("b", "c", None, "a"):
        await store.workflows.update_workflow_state("w", "r", {"status": status})
        prefix = f"{keys.prefix}redis_store:workflows:status:"
        expected = [] if status is None else indexes(place, "status", status)
        assert await raw.keys(prefix) == expected
        for key in expected:
            member = keys.member(keys.run("workflows", "w", "r"))
            assert await raw.sorted_set(key) == {member: (at(7) - at(0)).microseconds + EPOCH_US}


EPOCH_US = int(at(0).timestamp()) * 1_000_000


async def test_a_persist_moves_the_run_between_indexes(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-02: of its resource and status, and to its new date in those that it stays in."""
    await persist(store, us=1, status="a", resource_id="u")
    await persist(store, "other", us=2, status="a", resource_id="u")
    await persist(store, us=3, status="b", resource_id="v")
    assert await listed(store) == ["r", "other"]
    assert await listed(store, workflow_name="w") == ["r", "other"]
    assert await listed(store, status="a") == await listed(store, resource_id="u") == ["other"]
    assert await listed(store, status="b", resource_id="v") == ["r"]
    before = await raw.keys(place.keys.prefix)
    await persist(store, us=4, status="b", resource_id="v")
    assert await raw.keys(place.keys.prefix) == before


async def test_a_result_leaves_the_indexes_but_the_date_of_the_update(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-08: the run keeps its place in every listing."""

    async def everything() -> dict[str, dict[str, int]]:
        found = await raw.keys(f"{place.keys.prefix}redis_store:workflows:")
        return {key: await raw.sorted_set(key) for key in found if ":updated:" not in key}

    await persist(store, resource_id="u")
    before = await everything()
    await result(store, "s", 1, request_context={"a": 1})
    assert await everything() == before


FILTERS: list[dict[str, Any]] = [
    {},
    {"workflow_name": "w"},
    {"resource_id": "u"},
    {"status": "running"},
    {"workflow_name": "w", "status": "running"},
    {"workflow_name": "w", "resource_id": "u", "from_date": at(-99), "to_date": at(10**9)},
]
ATTRIBUTES = (("all", ""), ("workflow", "w"), ("resource", "u"), ("status", "running"))


async def dangle(raw: Raw, place: Place, *run_ids: str) -> None:
    """List runs that are not there, newer than all, wherever a run can be listed."""
    for us, run_id in enumerate(run_ids):
        member = place.keys.member(place.keys.run("workflows", "w", run_id))
        for attribute, value in (*ATTRIBUTES, ("run", run_id)):
            for index in place.keys.runs_by(attribute, value, member):
                await raw("ZADD", index, EPOCH_US + 1000 + us, member)


@pytest.mark.parametrize("filters", FILTERS, ids=lambda filters: "+".join(filters) or "all")
async def test_entries_without_a_record_are_skipped_and_removed(
    store: RedisStore, raw: Raw, place: Place, filters: dict[str, Any]
) -> None:
    """WF-04: the page is full, in order, with the true total, and the entries are gone."""
    for us in range(5):
        await persist(store, f"r{us}", us, resource_id="u")
    await dangle(raw, place, "x", "y", "z")
    pages = [
        await store.workflows.list_workflow_runs(page=page, per_page=2, **filters)
        for page in range(3)
    ]
    assert [ids(page) for page in pages] == [["r4", "r3"], ["r2", "r1"], ["r0"]]
    assert [page.total for page in pages] == [5, 5, 5]
    assert [page.has_more for page in pages] == [True, True, False]
    for each in FILTERS:
        assert len(await listed(store, **each)) == 5
    for run_id in "xyz":
        assert await store.workflows.get_workflow_run_by_id(run_id) is None


async def test_entries_at_odds_with_their_record_are_skipped_and_removed(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-04: a run does not appear where it does not belong, whatever an index says."""
    await persist(store, resource_id="u", status="a")
    await persist(store, "mine", resource_id="v", status="b", workflow="x")
    member = place.keys.member(place.keys.run("workflows", "w", "r"))
    for attribute, value in (
        ("workflow", "x"),
        ("resource", "v"),
        ("status", "b"),
        ("run", "mine"),
    ):
        for index in place.keys.runs_by(attribute, value, member):
            await raw("ZADD", index, EPOCH_US + 1000, member)
    several: list[dict[str, Any]] = [{"workflow_name": "x"}, {"resource_id": "v"}, {"status": "b"}]
    for filters in several:
        page = await store.workflows.list_workflow_runs(per_page=1, **filters)
        assert (ids(page), page.total, page.has_more) == (["mine"], 1, False)
    run = await store.workflows.get_workflow_run_by_id("mine")
    assert run is not None
    assert run.run_id == "mine"


async def test_an_entry_whose_record_is_back_stays(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-04: a deleted run that is persisted again is listed again, everywhere."""
    for us in range(3):
        await persist(store, us=us, resource_id="u")
        for filters in FILTERS:
            assert await listed(store, **filters) == ["r"]
        await store.workflows.delete_workflow_run_by_id("r", workflow_name="w")
        await dangle(raw, place, "r")
        assert await listed(store) == await listed(store, status="running", resource_id="u") == []
        assert await listed(store, workflow_name="w") == []
        assert await store.workflows.get_workflow_run_by_id("r") is None


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=operations)
async def test_indexes_agree_with_records_after_any_calls(
    store: RedisStore, operations: list[Operation]
) -> None:
    """WF-04: every listing is what a model says, and verification finds nothing."""
    await store.workflows.dangerously_clear_all()
    model = Model()
    for operation in operations:
        await model.apply(store.workflows, operation)
    await check_indexed(store)
    for workflow, status, resource_id in product((None, "w", "w2"), STATUSES, (None, "u", "v")):
        page = await store.workflows.list_workflow_runs(
            workflow_name=workflow, status=status, resource_id=resource_id
        )
        expected = model.listed(workflow, status, resource_id)
        assert set(names(page)) == expected
        newest_first = sorted((at(model.runs[name].us) for name in expected), reverse=True)
        assert [run.created_at for run in page] == newest_first
    for (workflow, run_id), run in model.runs.items():
        shown = await found(store, run_id, workflow)
        assert (shown.status, shown.resource_id, shown.created_at) == (*run[:2], at(run.us))
