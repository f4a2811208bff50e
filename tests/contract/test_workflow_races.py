"""Runs that several writers change at once: two stores, as two processes would have."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import T0
from tests.support.records.workflow_runs import (
    found,
    listed,
    persist,
    put,
    record,
    result,
    snapshot,
)
from tests.support.schedules.interleaving import between
from tests.support.wire.raw import Raw

CALLS = 50

Run = Callable[[RedisStore], Awaitable[Any]]


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store, raced=place.keys.hash_tags)


@pytest.fixture
async def stores(store: RedisStore, place: Place) -> AsyncIterator[list[RedisStore]]:
    """Two stores on the same data."""
    async with place.store() as other:
        yield [store, other]


@pytest.mark.races
async def test_concurrent_results_are_all_kept(stores: list[RedisStore]) -> None:
    """WF-06: of N steps; each call returns a context that holds its own."""
    await persist(stores[0], context={"big": [2**70, []]})
    contexts = await asyncio.gather(
        *(result(stores[n % 2], f"s{n}", {"output": n}) for n in range(CALLS))
    )
    assert all(contexts[n][f"s{n}"] == {"output": n} for n in range(CALLS))
    everything = {f"s{n}": {"output": n} for n in range(CALLS)}
    after = await stores[0].workflows.load_workflow_snapshot("w", "r")
    assert after == snapshot(context={"big": [2**70, []], **everything})
    # Each result was a step of its own: no two calls saw the same set.
    assert sorted(map(len, contexts)) == list(range(2, CALLS + 2))


@pytest.mark.races
async def test_concurrent_results_of_one_list_are_all_kept(stores: list[RedisStore]) -> None:
    """WF-05, WF-06: iterations of one step, each at its own position."""
    await persist(stores[0])
    outputs = [[None] * n + [n] + [None] * (CALLS - n - 1) for n in range(CALLS)]
    await asyncio.gather(
        *(result(stores[n % 2], "each", {"output": output}) for n, output in enumerate(outputs))
    )
    run = await found(stores[0])
    assert run.snapshot["context"]["each"] == {"output": list(range(CALLS))}


@pytest.mark.races
async def test_concurrent_states_and_results_are_all_kept(stores: list[RedisStore]) -> None:
    """WF-06: disjoint fields of state, results and request contexts, all at once."""
    await persist(stores[0], context={})
    states = (
        stores[n % 2].workflows.update_workflow_state("w", "r", {f"k{n}": n}) for n in range(CALLS)
    )
    results = (
        result(stores[n % 2], f"s{n}", n, request_context={f"c{n}": n}) for n in range(CALLS)
    )
    merged = await asyncio.gather(*states, *results)
    assert all(merged)
    after = (await found(stores[0])).snapshot
    assert {f"k{n}": n for n in range(CALLS)}.items() <= after.items()
    assert after["context"] == {f"s{n}": n for n in range(CALLS)}
    assert after["requestContext"] == {"tenant": "x"} | {f"c{n}": n for n in range(CALLS)}


@pytest.mark.races
async def test_one_of_racing_expectations_applies(stores: list[RedisStore]) -> None:
    """WF-07: exactly one of N; the others get ``None`` and change nothing."""
    for trial in range(5):
        await persist(stores[0])
        outcomes = await asyncio.gather(
            *(
                stores[n % 2].workflows.update_workflow_state(
                    "w",
                    "r",
                    {"status": f"by {n}", f"k{n}": n},
                    expected_status=["running", "suspended"],
                )
                for n in range(CALLS)
            )
        )
        winners = [n for n, outcome in enumerate(outcomes) if outcome is not None]
        assert len(winners) == 1, f"trial {trial}: {winners}"
        (winner,) = winners
        expected = snapshot(f"by {winner}", **{f"k{winner}": winner})
        assert outcomes[winner] == expected
        assert (await found(stores[0])).snapshot == expected
        assert await listed(stores[1], status=f"by {winner}") == ["r"]


@pytest.mark.races
async def test_a_chain_of_expectations_goes_step_by_step(stores: list[RedisStore]) -> None:
    """WF-07: where each call expects what another sets, as many apply as the chain is long."""
    await persist(stores[0], status="0")

    async def push(n: int) -> int:
        applied = 0
        for step in range(10):
            state = {"status": str(step + 1), f"k{step}": n}
            workflows = stores[n % 2].workflows
            merged = await workflows.update_workflow_state(
                "w", "r", state, expected_status=str(step)
            )
            applied += merged is not None
        return applied

    applied = sum(await asyncio.gather(*map(push, range(8))))
    run = await found(stores[0])
    assert run.status == str(applied)
    assert [name for name in run.snapshot if name[0] == "k"] == [f"k{n}" for n in range(applied)]
    assert await listed(stores[0], status=str(applied)) == ["r"]


@pytest.mark.races
async def test_results_that_race_a_delete_do_not_bring_the_run_back(
    stores: list[RedisStore], raw: Raw, place: Place
) -> None:
    """WF-05: whenever the delete comes, nothing of the run is left afterwards."""
    for trial in range(10):
        await persist(stores[0])
        chance = random.Random(trial)  # noqa: S311 - no secret
        calls = [
            *(result(stores[n % 2], f"s{n}", n) for n in range(9)),
            stores[0].workflows.update_workflow_state("w", "r", {"status": "x"}),
            stores[1].workflows.delete_workflow_run_by_id("r", workflow_name="w"),
        ]
        chance.shuffle(calls)
        await asyncio.gather(*calls)
        assert await stores[0].workflows.get_workflow_run_by_id("r", workflow_name="w") is None
        assert await result(stores[0], "late", 1) == {}
        assert place.keys.run("workflows", "w", "r") not in await raw.keys(place.keys.prefix)
        assert await listed(stores[0]) == []


UPDATES: dict[str, Run] = {
    "results": lambda s: s.workflows.update_workflow_results("w", "r", step_id="mine", result=1),
    "state": lambda s: s.workflows.update_workflow_state("w", "r", {"mine": 1}),
}


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.races
async def test_an_update_that_a_delete_comes_between_applies_nothing(
    store: RedisStore, place: Place, raw: Raw, name: str
) -> None:
    """WF-05, WF-07: as if it had come after the delete."""
    for suffix in (None, "u"):
        key = await put(raw, place, record(resourceId="u"), suffix)
        await store.reindex()
        outcome = await between(
            place,
            UPDATES[name],
            lambda: store.workflows.delete_workflow_run_by_id("r", workflow_name="w"),
        )
        assert not outcome
        assert key not in await raw.keys(place.keys.prefix)


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.races
async def test_an_update_sees_what_came_between(store: RedisStore, place: Place, name: str) -> None:
    """WF-06: another store's result, state and snapshot are under it, not lost."""
    await persist(store, resource_id="u")
    await between(place, UPDATES[name], lambda: result(store, "theirs", 2))
    assert (await found(store)).snapshot["context"]["theirs"] == 2
    await between(
        place,
        UPDATES[name],
        lambda: store.workflows.update_workflow_state("w", "r", {"status": "theirs"}),
    )
    assert await listed(store, status="theirs") == ["r"]
    await between(place, UPDATES[name], lambda: persist(store, us=7, status="new", theirs=3))
    run = await found(store)
    assert (run.status, run.resource_id, run.created_at) == (
        "new",
        "u",
        T0 + timedelta(microseconds=7),
    )
    assert run.snapshot["theirs"] == 3
    assert run.snapshot.get("mine") or run.snapshot["context"].get("mine")


@pytest.mark.races
async def test_an_expectation_is_checked_against_what_came_between(
    store: RedisStore, place: Place
) -> None:
    """WF-07: a status that another store set meanwhile is not overwritten."""
    await persist(store)
    outcome = await between(
        place,
        lambda s: s.workflows.update_workflow_state(
            "w", "r", {"status": "x"}, expected_status="running"
        ),
        lambda: store.workflows.update_workflow_state("w", "r", {"status": "theirs"}),
    )
    assert outcome is None
    assert (await found(store)).status == "theirs"


@pytest.mark.races
async def test_a_persist_keeps_the_date_and_resource_that_came_between(
    store: RedisStore, place: Place
) -> None:
    """WF-02: two first persists: the second to write keeps what the first one set."""
    await between(
        place,
        lambda s: s.workflows.persist_workflow_snapshot("w", "r", snapshot("late")),
        lambda: persist(store, resource_id="u"),
    )
    run = await found(store)
    assert (run.status, run.resource_id, run.created_at) == ("late", "u", T0)
    assert await listed(store, resource_id="u", status="late") == ["r"]
    assert await listed(store, status="running") == []


@pytest.mark.races
async def test_a_delete_removes_what_came_between(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """WF-01: a result that came first is deleted with the run, and so are its index entries."""
    await persist(store)
    await between(
        place,
        lambda s: s.workflows.delete_workflow_run_by_id("r", workflow_name="w"),
        lambda: store.workflows.update_workflow_state("w", "r", {"status": "new"}),
    )
    assert await listed(store) == []
    assert await raw.keys(place.keys.prefix) == []


async def test_a_run_that_comes_back_while_it_is_deleted_is_listed(
    store: RedisStore, place: Place
) -> None:
    """WF-01: also where the delete has yet to leave the indexes, which the hash tags part."""
    await persist(store, resource_id="u")
    await between(
        place,
        lambda s: s.workflows.delete_workflow_run_by_id("r", workflow_name="w"),
        lambda: persist(store, us=7, resource_id="u"),
        after=2,
    )
    assert await listed(store) == await listed(store, resource_id="u", workflow_name="w") == ["r"]
    assert await listed(store, status="running") == ["r"]


async def test_of_two_updates_the_later_one_is_listed(store: RedisStore, place: Place) -> None:
    """WF-07: also where the earlier one has yet to enter it in the indexes."""
    await persist(store)
    await between(
        place,
        lambda s: s.workflows.update_workflow_state("w", "r", {"status": "earlier"}),
        lambda: store.workflows.update_workflow_state("w", "r", {"status": "running"}),
        after=2,
    )
    assert await listed(store, status="running") == ["r"]
    assert await listed(store, status="earlier") == []
