"""What workflow calls cost: round trips, bytes for a large snapshot, and nothing for other runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from redis_store import RedisStore, WorkflowStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import at
from tests.support.records.workflow_runs import persist, put, record, result, snapshot
from tests.support.wire.proxies import CountingProxy, metered_store
from tests.support.wire.raw import Raw

Run = Callable[[WorkflowStore], Awaitable[object]]


class Pinned(NamedTuple):
    """Round trips in the plain layout, and in the hash-tagged one."""

    plain: int
    tagged: int


CALLS: dict[str, tuple[Run, Pinned]] = {
    "load": (lambda w: w.load_workflow_snapshot("w", "r"), Pinned(1, 1)),
    "load an unknown one": (lambda w: w.load_workflow_snapshot("w", "x"), Pinned(1, 1)),
    "load a suffixed one": (lambda w: w.load_workflow_snapshot("w", "suffixed"), Pinned(2, 2)),
    "get by name": (lambda w: w.get_workflow_run_by_id("r", workflow_name="w"), Pinned(1, 1)),
    "get": (lambda w: w.get_workflow_run_by_id("r"), Pinned(2, 2)),
    "persist a new one": (lambda w: w.persist_workflow_snapshot("w", "new", {}), Pinned(2, 4)),
    "persist": (lambda w: w.persist_workflow_snapshot("w", "r", snapshot("x")), Pinned(2, 4)),
    "update results": (
        lambda w: w.update_workflow_results("w", "r", step_id="s", result=1),
        Pinned(2, 4),
    ),
    "update state": (lambda w: w.update_workflow_state("w", "r", {"status": "y"}), Pinned(2, 4)),
    "expect another state": (
        lambda w: w.update_workflow_state("w", "r", {"status": "y"}, expected_status="no"),
        Pinned(1, 1),
    ),
    "update an unknown one": (lambda w: w.update_workflow_state("w", "x", {}), Pinned(1, 1)),
    "list": (lambda w: w.list_workflow_runs(), Pinned(2, 2)),
    "list a page": (lambda w: w.list_workflow_runs(page=1, per_page=1), Pinned(2, 2)),
    "list by all filters": (
        lambda w: w.list_workflow_runs(
            workflow_name="w", resource_id="u", status="running", from_date=at(0), to_date=at(9)
        ),
        Pinned(2, 2),
    ),
    "list none": (lambda w: w.list_workflow_runs(status="none"), Pinned(1, 1)),
    "count": (lambda w: w.list_workflow_runs(per_page=0), Pinned(1, 1)),
    "delete": (lambda w: w.delete_workflow_run_by_id("r", workflow_name="w"), Pinned(2, 4)),
    "delete an unknown one": (
        lambda w: w.delete_workflow_run_by_id("x", workflow_name="w"),
        Pinned(1, 1),
    ),
}


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


@pytest.fixture
async def workflows(
    store: RedisStore, proxy: CountingProxy, place: Place
) -> AsyncIterator[WorkflowStore]:
    """The workflows of a connected store behind ``proxy``; ``store`` is not."""
    assert store.topology == "standalone"
    async with metered_store(proxy, place) as metered:
        yield metered.workflows


async def furnish(store: RedisStore, raw: Raw, place: Place) -> None:
    """Store runs to look up."""
    await persist(store, resource_id="u")
    await persist(store, "r1", us=1, resource_id="u")
    await put(raw, place, record("suffixed", resourceId="u"), "u")
    await store.reindex()


async def test_every_call_takes_its_round_trips_and_does_not_scan(
    workflows: WorkflowStore, store: RedisStore, proxy: CountingProxy, place: Place, raw: Raw
) -> None:
    """WF-04, GEN-10: what a call costs is what is pinned here, in either layout."""
    costs: dict[str, int] = {}
    scanning: set[str] = set()
    for name, (call, _) in CALLS.items():
        await furnish(store, raw, place)
        before = await raw.commandstats()
        with proxy.measure() as cost:
            await call(workflows)
        costs[name] = cost.round_trips
        after = await raw.commandstats()
        if any(after.get(each) != before.get(each) for each in ("scan", "keys")):
            scanning.add(name)
    assert costs == {
        name: pinned.tagged if place.keys.hash_tags else pinned.plain
        for name, (_, pinned) in CALLS.items()
    }
    assert scanning == set()


def large(steps: int = 1000) -> dict[str, Any]:
    """Build a snapshot of a megabyte: results of a kilobyte each."""
    context = {f"step {n}": {"output": "x" * 1000} for n in range(steps)}
    return snapshot(context=context, serializedStepGraph=["g" * 10] * 10)


UPDATES: dict[str, Run] = {
    "a new step": lambda w: w.update_workflow_results(
        "w", "r", step_id="new", result={"output": "y" * 180}
    ),
    "the first step": lambda w: w.update_workflow_results(
        "w", "r", step_id="step 0", result={"output": "y" * 180}
    ),
    "a step in the middle": lambda w: w.update_workflow_results(
        "w", "r", step_id="step 500", result={"output": "y" * 180}
    ),
    "the last step": lambda w: w.update_workflow_results(
        "w", "r", step_id="step 999", result={"output": "y" * 180}
    ),
    "a new step and the request context": lambda w: w.update_workflow_results(
        "w", "r", step_id="new", result={"output": "y" * 180}, request_context={"a": 1}
    ),
    "a new field": lambda w: w.update_workflow_state("w", "r", {"new": "y" * 180}),
    "a status": lambda w: w.update_workflow_state("w", "r", {"status": "suspended"}),
    "a known field": lambda w: w.update_workflow_state("w", "r", {"timestamp": 1}),
}


@pytest.mark.parametrize("by_peer", [False, True], ids=["own", "by the peer"])
async def test_a_small_change_of_a_large_snapshot_sends_little(
    workflows: WorkflowStore,
    store: RedisStore,
    proxy: CountingProxy,
    place: Place,
    raw: Raw,
    *,
    by_peer: bool,
) -> None:
    """WF-05: below 4 kB up for 200 bytes in a megabyte, wherever they are; one megabyte down."""
    kept = large()
    if by_peer:
        await put(raw, place, record(snapshot=kept))
    else:
        await store.workflows.persist_workflow_snapshot("w", "r", kept, created_at=at(0))
    await store.reindex()
    for name, update in UPDATES.items():
        with proxy.measure() as cost:
            await update(workflows)
        assert cost.bytes_sent < 4000, name
        assert cost.bytes_received < 1_100_000, name
    after = await store.workflows.load_workflow_snapshot("w", "r")
    assert after is not None
    assert len(after["context"]) == 1001
    for step in ("step 0", "step 500", "step 999", "new"):
        assert after["context"][step] == {"output": "y" * 180}
    assert (after["status"], after["timestamp"], after["new"]) == ("suspended", 1, "y" * 180)
    assert after["context"]["step 1"] == {"output": "x" * 1000}


async def test_writers_of_one_process_take_turns_on_a_large_snapshot(
    workflows: WorkflowStore, store: RedisStore, proxy: CountingProxy
) -> None:
    """WF-06: N concurrent results read it N times, not N²/2 times."""
    await store.workflows.persist_workflow_snapshot("w", "r", large(100))
    with proxy.measure() as cost:
        await asyncio.gather(
            *(
                workflows.update_workflow_results("w", "r", step_id=f"s{n}", result=n)
                for n in range(20)
            )
        )
    assert cost.bytes_received < 21 * 105_000


LISTINGS: dict[str, Run] = {
    "newest of a workflow": lambda w: w.list_workflow_runs(workflow_name="w", per_page=2),
    "of a resource": lambda w: w.list_workflow_runs(resource_id="u"),
    "of a status": lambda w: w.list_workflow_runs(status="rare"),
    "of all filters": lambda w: w.list_workflow_runs(
        workflow_name="w", resource_id="u", status="rare", to_date=at(9)
    ),
    "by id": lambda w: w.get_workflow_run_by_id("r1"),
    "by id and name": lambda w: w.get_workflow_run_by_id("r1", workflow_name="w"),
}


async def test_unrelated_runs_cost_nothing(
    workflows: WorkflowStore, store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    """WF-04, GEN-10: the same bytes and round trips beside 3 runs as beside 200."""

    async def used() -> dict[str, tuple[int, int, int]]:
        costs: dict[str, tuple[int, int, int]] = {}
        for name, call in LISTINGS.items():
            with proxy.measure() as cost:
                await call(workflows)
            costs[name] = (cost.round_trips, cost.bytes_sent, cost.bytes_received)
        return costs

    for us in range(3):
        await persist(store, f"r{us}", us, resource_id="u", status="rare")
    before = await used()
    await asyncio.gather(
        *(persist(store, f"r{n + 3}", n, workflow="other", resource_id="v") for n in range(200))
    )
    assert await used() == before
    with proxy.measure() as cost:
        await workflows.list_workflow_runs(per_page=3)
    # In the hash-tagged layout its index is split in 32, and each part gives a page of names.
    assert cost.bytes_received < (15_000 if place.keys.hash_tags else 3000)


async def test_a_page_costs_what_it_holds(
    workflows: WorkflowStore, store: RedisStore, proxy: CountingProxy
) -> None:
    """WF-04: not what the workflow has; only the page's snapshots cross the wire."""
    await asyncio.gather(*(persist(store, f"r{n}", n, padding="x" * 1000) for n in range(100)))
    for page in (0, 10, 49):
        with proxy.measure() as cost:
            found = await workflows.list_workflow_runs(workflow_name="w", page=page, per_page=2)
        assert (len(found), found.total) == (2, 100)
        assert cost.bytes_received < 15_000
    with proxy.measure() as cost:
        await workflows.list_workflow_runs(workflow_name="w", status="running", per_page=2)
    assert cost.bytes_received < 40_000


async def test_a_lost_script_is_sent_again(
    workflows: WorkflowStore, store: RedisStore, raw: Raw
) -> None:
    """WF-05: a server that was restarted has no scripts."""
    await persist(store)
    await raw("SCRIPT", "FLUSH")
    assert (await workflows.update_workflow_results("w", "r", step_id="s", result=1))["s"] == 1
    assert (await result(store, "t", 2)).keys() >= {"s", "t"}
