"""Step results and states: what lands in the snapshot, and when."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.json_values import same
from tests.support.records.workflow_runs import listed, persist, result, snapshot, stored
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


async def test_a_result_lands_in_the_context(store: RedisStore) -> None:
    """WF-05: a new step is added, a known one replaced; the whole context is returned."""
    kept = await persist(store)
    assert await result(store, "a", {"output": 1}) == kept["context"] | {"a": {"output": 1}}
    context = await result(store, "b", {"output": 2})
    assert await result(store, "a", {"output": 3}) == context | {"a": {"output": 3}}
    assert await store.workflows.load_workflow_snapshot("w", "r") == kept | {
        "context": context | {"a": {"output": 3}}
    }


async def test_a_context_that_is_no_object_begins_anew(store: RedisStore) -> None:
    """WF-05: as does one that is missing."""
    contexts: list[Any] = [None, [], "text", 7]
    for context in contexts:
        await persist(store, context=context)
        assert await result(store, "a", 1) == {"a": 1}
    await store.workflows.persist_workflow_snapshot("w", "r", {})
    assert await result(store, "a", 1) == {"a": 1}


# Of one step's outputs: the old, the new, and what is stored then.
MERGES: list[tuple[Any, Any, Any]] = [
    ([1, None, None], [None, 2, None], [1, 2, None]),
    ([1, 2, 3], [4], [4, 2, 3]),
    ([1], [None, 2, None], [1, 2, None]),
    ([], [1], [1]),
    ([1], [], [1]),
    ([], [], []),
    ([2**70, [], {}], [None, None, None], [2**70, [], {}]),
    ([1, 1, 1], [0, False, ""], [0, False, ""]),
    ([{"a": 1}], [{"b": 2}], [{"b": 2}]),
    ([1], {"a": 2}, {"a": 2}),
    ({"a": 2}, [1], [1]),
    ([1], None, None),
    ("ab", ["c"], ["c"]),
]


async def test_outputs_that_are_lists_merge_by_position(store: RedisStore) -> None:
    """WF-05: a new value that is not null wins, the longer length stays; others are replaced."""
    await persist(store)
    for n, (before, after, merged) in enumerate(MERGES):
        await result(store, f"s{n}", {"status": "running", "output": before, "old": 1})
        context = await result(store, f"s{n}", {"status": "success", "output": after})
        assert same(context[f"s{n}"], {"status": "success", "output": merged})


async def test_a_result_of_another_shape_is_replaced(store: RedisStore) -> None:
    """WF-05: only two lists of outputs merge."""
    await persist(store)
    shapes: list[Any] = [None, [1], 7, "text", {"status": "x"}]
    for before in shapes:
        await result(store, "s", before)
        assert (await result(store, "s", {"output": [None]}))["s"] == {"output": [None]}
        assert (await result(store, "s", before))["s"] == before


async def test_the_request_context_merges_one_level(store: RedisStore) -> None:
    """WF-05: in the snapshot, not in the returned context; ``{}`` changes nothing."""
    await persist(store, requestContext={"tenant": "x", "deep": {"a": 1}})
    context = await result(store, "s", 1, request_context={"deep": {"b": 2}, "n": None})
    assert context == {"input": {"q": "hi"}, "s": 1}
    await result(store, "s", 2, request_context={})
    await result(store, "s", 3)
    after = await store.workflows.load_workflow_snapshot("w", "r")
    assert after is not None
    assert after["requestContext"] == {"tenant": "x", "deep": {"b": 2}, "n": None}


async def test_a_result_for_an_unknown_run_creates_nothing(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-05: so a late step cannot bring a deleted run back."""
    assert await result(store, "s", 1, request_context={"a": 1}) == {}
    assert await store.workflows.update_workflow_state("w", "r", {"status": "x"}) is None
    await persist(store)
    await store.workflows.delete_workflow_run_by_id("r", workflow_name="w")
    assert await result(store, "s", 1) == {}
    assert await raw.keys(place.keys.prefix) == []


async def test_a_state_merges_one_level(store: RedisStore) -> None:
    """WF-07: the merged snapshot is returned; a status moves the run between listings."""
    kept = await persist(store, context={"a": 1})
    merged = await store.workflows.update_workflow_state(
        "w", "r", {"status": "done", "context": {"b": 2}, "new": None}
    )
    assert merged == kept | {"status": "done", "context": {"b": 2}, "new": None}
    assert await store.workflows.load_workflow_snapshot("w", "r") == merged
    assert await listed(store, status="done") == ["r"]
    assert await listed(store, status="running") == []


async def test_an_expected_status_applies(store: RedisStore) -> None:
    """WF-07: one status, or any of several."""
    statuses: list[Any] = ["running", ["running"], ("x", "running"), {"running"}]
    for expected in statuses:
        await persist(store)
        merged = await store.workflows.update_workflow_state(
            "w", "r", {"status": "done"}, expected_status=expected
        )
        assert merged == snapshot("done")


async def test_another_status_applies_nothing(store: RedisStore, raw: Raw, place: Place) -> None:
    """WF-07: ``None``, and updated_at stays too."""
    await persist(store)
    before = await stored(raw, place)
    statuses: list[Any] = ["done", ["a", "b"], [], "runnin", "running "]
    for expected in statuses:
        applied = await store.workflows.update_workflow_state(
            "w", "r", {"a": 1}, expected_status=expected
        )
        assert applied is None
        assert await stored(raw, place) == before


async def test_a_run_without_a_status_meets_no_expectation(store: RedisStore) -> None:
    """WF-07: nor does one whose status is no text."""
    workflows = store.workflows
    statuses: list[Any] = [None, 7, ["running"]]
    for status in statuses:
        await persist(store, status=status)
        applied = await workflows.update_workflow_state("w", "r", {}, expected_status="running")
        assert applied is None
        assert await workflows.update_workflow_state("w", "r", {"a": 1}) is not None
