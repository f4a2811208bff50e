"""Calls of two stores on one run, in every order in which their round trips can reach a server.

Whatever the order, the run must be as one call after the other would leave it, and listed where it
belongs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import combinations_with_replacement
from typing import Any

import pytest

from redis_store import RedisStore, WorkflowStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import T0
from tests.support.records.workflow_runs import persist, snapshot
from tests.support.schedules.interleaving import Interleaving
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

# The second argument names the call: the two of a pair differ in what they write.
CALLS: dict[str, Callable[[WorkflowStore, str], Awaitable[object]]] = {
    "persist": lambda w, by: w.persist_workflow_snapshot(
        "w", "r", snapshot(by, context={}), resource_id=by, created_at=T0
    ),
    "result": lambda w, by: w.update_workflow_results("w", "r", step_id=by, result=by),
    "state": lambda w, by: w.update_workflow_state("w", "r", {"status": by, by: 1}),
    "expecting": lambda w, by: w.update_workflow_state(
        "w", "r", {"status": by, f"{by} won": 1}, expected_status="running"
    ),
    "delete": lambda w, _: w.delete_workflow_run_by_id("r", workflow_name="w"),
}
PAIRS = list(combinations_with_replacement(CALLS, 2))
STATUSES = ("running", "x", "y")


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield


async def view(store: RedisStore) -> object:
    """Read the run in every way that there is."""
    workflows = store.workflows
    run = await workflows.get_workflow_run_by_id("r", workflow_name="w")
    shown = None if run is None else (run.resource_id, run.created_at, run.snapshot)
    filters: list[dict[str, Any]] = [
        {},
        {"workflow_name": "w"},
        *({"status": status} for status in STATUSES),
        *({"resource_id": resource_id} for resource_id in ("u", "x", "y")),
    ]
    listed = [len(await workflows.list_workflow_runs(**each)) for each in filters]
    return shown, listed, await workflows.get_workflow_run_by_id("r") is not None


@pytest.mark.parametrize("pair", PAIRS, ids=" & ".join)
async def test_racing_calls_leave_what_one_after_the_other_would(
    store: RedisStore, place: Place, pair: tuple[str, str]
) -> None:
    """WF-05, WF-06, WF-07, GEN-11: every race ends as if there had been none."""
    calls = list(zip(pair, "xy", strict=True))
    allowed: list[object] = []
    for one_after_the_other in (calls, calls[::-1]):
        await store.workflows.dangerously_clear_all()
        await persist(store, resource_id="u")
        for name, by in one_after_the_other:
            await CALLS[name](store.workflows, by)
        allowed.append(await view(store))
    async with gated_store(place) as (one, gate), gated_store(place) as (two, other_gate):
        racing = Interleaving([one.memory, two.memory], [gate, other_gate])
        for order in racing.orders(at_most=8):
            await store.workflows.dangerously_clear_all()
            await persist(store, resource_id="u")
            await order.run(
                lambda _: CALLS[pair[0]](one.workflows, "x"),
                lambda _: CALLS[pair[1]](two.workflows, "y"),
            )
            await check_indexed(store, raced=place.keys.hash_tags)
            assert await view(store) in allowed
