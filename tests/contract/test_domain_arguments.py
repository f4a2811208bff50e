"""Wrong arguments of workflow, score and cache calls are refused by name, before any I/O."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from redis_store import BackendUnavailableError, InvalidArgumentError, RedisStore, Score
from tests.support.records.scores import score

Call = Callable[[RedisStore], Awaitable[object]]

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - what must be refused
LATE = datetime(2256, 1, 1, tzinfo=UTC)
# What is no dict, no text, no date and no JSON.
WRONG: Any = object()

BAD_IDS: list[Any] = ["", None, 7, b"t", "\ud800", "x" * 1025, "é" * 513, ["t"]]
BAD_WORKFLOWS: list[Any] = [*BAD_IDS, "a:run_id:b", "a:run_id"]
BAD_RUNS: list[Any] = [*BAD_IDS, "a:resourceId:b", "a:resourceId"]
BAD_NAMESPACES: list[Any] = [*BAD_IDS, "a:workflow_name:b", "a:workflow_name"]

BY_ID: dict[str, tuple[list[Any], Callable[[RedisStore, Any], Awaitable[object]]]] = {
    "persist_workflow_snapshot workflow_name": (
        BAD_WORKFLOWS,
        lambda s, id_: s.workflows.persist_workflow_snapshot(id_, "r", {}),
    ),
    "persist_workflow_snapshot run_id": (
        BAD_RUNS,
        lambda s, id_: s.workflows.persist_workflow_snapshot("w", id_, {}),
    ),
    "persist_workflow_snapshot namespace": (
        BAD_NAMESPACES,
        lambda s, id_: s.workflows.persist_workflow_snapshot("w", "r", {}, namespace=id_),
    ),
    "load_workflow_snapshot workflow_name": (
        BAD_WORKFLOWS,
        lambda s, id_: s.workflows.load_workflow_snapshot(id_, "r"),
    ),
    "load_workflow_snapshot run_id": (
        BAD_RUNS,
        lambda s, id_: s.workflows.load_workflow_snapshot("w", id_),
    ),
    "load_workflow_snapshot namespace": (
        BAD_NAMESPACES,
        lambda s, id_: s.workflows.load_workflow_snapshot("w", "r", namespace=id_),
    ),
    "update_workflow_results workflow_name": (
        BAD_WORKFLOWS,
        lambda s, id_: s.workflows.update_workflow_results(id_, "r", step_id="s", result=1),
    ),
    "update_workflow_results run_id": (
        BAD_RUNS,
        lambda s, id_: s.workflows.update_workflow_results("w", id_, step_id="s", result=1),
    ),
    "update_workflow_results step_id": (
        BAD_IDS,
        lambda s, id_: s.workflows.update_workflow_results("w", "r", step_id=id_, result=1),
    ),
    "update_workflow_state workflow_name": (
        BAD_WORKFLOWS,
        lambda s, id_: s.workflows.update_workflow_state(id_, "r", {}),
    ),
    "update_workflow_state run_id": (
        BAD_RUNS,
        lambda s, id_: s.workflows.update_workflow_state("w", id_, {}),
    ),
    "get_workflow_run_by_id run_id": (
        BAD_RUNS,
        lambda s, id_: s.workflows.get_workflow_run_by_id(id_),
    ),
    "delete_workflow_run_by_id workflow_name": (
        BAD_WORKFLOWS,
        lambda s, id_: s.workflows.delete_workflow_run_by_id("r", workflow_name=id_),
    ),
    "delete_workflow_run_by_id run_id": (
        BAD_RUNS,
        lambda s, id_: s.workflows.delete_workflow_run_by_id(id_, workflow_name="w"),
    ),
    "save_score id": (BAD_IDS, lambda s, id_: s.scores.save_score(score(id_))),
    "save_score scorer_id": (BAD_IDS, lambda s, id_: s.scores.save_score(score(scorer_id=id_))),
    "save_score entity_id": (BAD_IDS, lambda s, id_: s.scores.save_score(score(entity_id=id_))),
    "save_score run_id": (BAD_IDS, lambda s, id_: s.scores.save_score(score(run_id=id_))),
    "get_score_by_id id": (BAD_IDS, lambda s, id_: s.scores.get_score_by_id(id_)),
    "list_scores_by_scorer_id scorer_id": (
        BAD_IDS,
        lambda s, id_: s.scores.list_scores_by_scorer_id(id_),
    ),
    "list_scores_by_run_id run_id": (BAD_IDS, lambda s, id_: s.scores.list_scores_by_run_id(id_)),
    "list_scores_by_entity_id entity_id": (
        BAD_IDS,
        lambda s, id_: s.scores.list_scores_by_entity_id(id_),
    ),
    "list_scores_by_span trace_id": (
        BAD_IDS,
        lambda s, id_: s.scores.list_scores_by_span(id_, "s"),
    ),
    "list_scores_by_span span_id": (BAD_IDS, lambda s, id_: s.scores.list_scores_by_span("t", id_)),
    "get key": (BAD_IDS, lambda s, id_: s.cache.get(id_)),
    "set key": (BAD_IDS, lambda s, id_: s.cache.set(id_, 1)),
    "list_push key": (BAD_IDS, lambda s, id_: s.cache.list_push(id_, 1)),
    "list_length key": (BAD_IDS, lambda s, id_: s.cache.list_length(id_)),
    "list_from_to key": (BAD_IDS, lambda s, id_: s.cache.list_from_to(id_, 0)),
    "delete key": (BAD_IDS, lambda s, id_: s.cache.delete(id_)),
    "increment key": (BAD_IDS, lambda s, id_: s.cache.increment(id_)),
    "list_push_indexed list_key": (
        BAD_IDS,
        lambda s, id_: s.cache.list_push_indexed(id_, "counter", {}),
    ),
    "list_push_indexed counter_key": (
        BAD_IDS,
        lambda s, id_: s.cache.list_push_indexed("list", id_, {}),
    ),
}


def persisting(snapshot: Any = None, **options: Any) -> Call:
    snapshot = {} if snapshot is None else snapshot
    return lambda s: s.workflows.persist_workflow_snapshot("w", "r", snapshot, **options)


def updating(**options: Any) -> Call:
    arguments: dict[str, Any] = {"step_id": "s", "result": 1} | options
    return lambda s: s.workflows.update_workflow_results("w", "r", **arguments)


def merging(state: Any, **options: Any) -> Call:
    return lambda s: s.workflows.update_workflow_state("w", "r", state, **options)


def runs(**filters: Any) -> Call:
    return lambda s: s.workflows.list_workflow_runs(**filters)


def saving(**fields: Any) -> Call:
    return lambda s: s.scores.save_score(score(**fields))


# Texts of a score that are no text would be stored as what no reader takes.
OPTIONAL_TEXTS = [
    *("entity_type", "reason", "preprocess_prompt", "extract_prompt", "analyze_prompt"),
    *("generate_score_prompt", "generate_reason_prompt", "resource_id", "thread_id", "session_id"),
    *("organization_id", "project_id", "batch_id", "dataset_id", "dataset_item_id"),
]

WRONG_CALLS: dict[str, Call] = {
    **{f"save_score {name}": saving(**{name: 7}) for name in OPTIONAL_TEXTS},
    "persist_workflow_snapshot snapshot": persisting(["a"]),
    "persist_workflow_snapshot snapshot, without JSON": persisting({"a": WRONG}),
    "persist_workflow_snapshot resource_id": persisting(resource_id=""),
    "persist_workflow_snapshot created_at": persisting(created_at=NAIVE),
    "persist_workflow_snapshot created_at, late": persisting(created_at=LATE),
    "persist_workflow_snapshot updated_at": persisting(updated_at=NAIVE),
    "persist_workflow_snapshot updated_at, text": persisting(updated_at="2026-01-01T00:00:00Z"),
    "update_workflow_results result": updating(result=WRONG),
    "update_workflow_results request_context": updating(request_context=["a"]),
    "update_workflow_results request_context, without JSON": updating(request_context={"a": WRONG}),
    "update_workflow_state state": merging(None),
    "update_workflow_state state, without JSON": merging({"a": WRONG}),
    "update_workflow_state expected_status": merging({}, expected_status=""),
    "update_workflow_state expected_status, number": merging({}, expected_status=7),
    "update_workflow_state expected_status, one of them": merging({}, expected_status=["a", None]),
    "get_workflow_run_by_id workflow_name": lambda s: s.workflows.get_workflow_run_by_id(
        "r", workflow_name=""
    ),
    "list_workflow_runs workflow_name": runs(workflow_name=""),
    "list_workflow_runs workflow_name, of no run": runs(workflow_name="a:run_id:b"),
    "list_workflow_runs resource_id": runs(resource_id=""),
    "list_workflow_runs status": runs(status=""),
    "list_workflow_runs from_date": runs(from_date=NAIVE),
    "list_workflow_runs to_date": runs(to_date="2026"),
    "list_workflow_runs page": runs(page=1),
    "list_workflow_runs per_page": runs(per_page=-1),
    "save_score score": lambda s: s.scores.save_score(WRONG),
    "save_score score, not a number": saving(score=float("nan")),
    "save_score score, infinite": saving(score=float("-inf")),
    "save_score score, text": saving(score="1"),
    "save_score score, bool": saving(score=True),
    "save_score score, too great": saving(score=10**400),
    "save_score source": saving(source="live"),
    "save_score source, none": saving(source=None),
    "save_score scorer": saving(scorer=None),
    "save_score scorer, list": saving(scorer=["a"]),
    "save_score entity": saving(entity="agent"),
    "save_score score, without JSON": saving(output=WRONG),
    "save_score score, NaN inside": saving(metadata={"a": [float("nan")]}),
    "save_score trace_id": saving(trace_id="", span_id="s"),
    "save_score span_id": saving(trace_id="t", span_id=7),
    "save_score created_at": saving(created_at=NAIVE),
    "save_score updated_at": saving(updated_at=NAIVE),
    "list_scores_by_scorer_id page": lambda s: s.scores.list_scores_by_scorer_id("a", page=-1),
    "list_scores_by_run_id per_page": lambda s: s.scores.list_scores_by_run_id("a", per_page=-1),
    "list_scores_by_entity_id page": lambda s: s.scores.list_scores_by_entity_id(
        "a", page=1, per_page=None
    ),
    "list_scores_by_span per_page": lambda s: s.scores.list_scores_by_span("t", "s", per_page=True),
    "set value": lambda s: s.cache.set("k", WRONG),
    "set value, not a number": lambda s: s.cache.set("k", [float("nan")]),
    "set ttl": lambda s: s.cache.set("k", 1, ttl=5),  # type: ignore[arg-type]
    "list_push value": lambda s: s.cache.list_push("k", WRONG),
    "list_from_to start": lambda s: s.cache.list_from_to("k", "0"),  # type: ignore[arg-type]
    "list_from_to stop": lambda s: s.cache.list_from_to("k", 0, 1.5),  # type: ignore[arg-type]
    "list_push_indexed value": lambda s: s.cache.list_push_indexed("k", "n", WRONG),
    "list_push_indexed value, inside": lambda s: s.cache.list_push_indexed("k", "n", {"a": WRONG}),
    "list_push_indexed counter_key": lambda s: s.cache.list_push_indexed("k", "k", {}),
}


@pytest.fixture
async def unreachable() -> AsyncIterator[RedisStore]:
    """A store that can do no I/O without failing."""
    async with AsyncExitStack() as stack:
        store = RedisStore("unix:///nowhere/at/all")
        stack.push_async_callback(store.close)
        yield store


def expected_code(name: str) -> str:
    return name.split(",", maxsplit=1)[0].replace(" ", "_INVALID_").upper()


@pytest.mark.parametrize("name", BY_ID)
async def test_a_wrong_id_is_refused(unreachable: RedisStore, name: str) -> None:
    """GEN-07: no string, empty, too long, half a character, or one that breaks the key."""
    bad_ids, call = BY_ID[name]
    for id_ in bad_ids:
        with pytest.raises(InvalidArgumentError) as refused:
            await call(unreachable, id_)
        assert refused.value.code == expected_code(name)


@pytest.mark.parametrize(("name", "call"), WRONG_CALLS.items(), ids=WRONG_CALLS)
async def test_a_wrong_argument_is_refused_by_name(
    unreachable: RedisStore, name: str, call: Call
) -> None:
    """GEN-03, PAGE-01, SC-01: the code names the operation and the argument."""
    with pytest.raises(InvalidArgumentError) as refused:
        await call(unreachable)
    assert refused.value.code == expected_code(name)
    assert refused.value.details["argument"] in str(refused.value)


def test_every_text_of_a_score_is_tried() -> None:
    texts = {name for name, kind in Score.__annotations__.items() if kind == str | None}
    assert texts == {*OPTIONAL_TEXTS, "trace_id", "span_id"}


async def test_a_server_that_is_away_is_an_error_with_its_cause(unreachable: RedisStore) -> None:
    """GEN-03, GEN-04: never an absent run, never an empty page, never a cache miss."""
    s = unreachable
    for name, call in (
        ("LOAD_WORKFLOW_SNAPSHOT", s.workflows.load_workflow_snapshot("w", "r")),
        ("GET_WORKFLOW_RUN_BY_ID", s.workflows.get_workflow_run_by_id("r")),
        ("LIST_WORKFLOW_RUNS", s.workflows.list_workflow_runs()),
        ("PERSIST_WORKFLOW_SNAPSHOT", s.workflows.persist_workflow_snapshot("w", "r", {})),
        ("UPDATE_WORKFLOW_STATE", s.workflows.update_workflow_state("w", "r", {})),
        (
            "DELETE_WORKFLOW_RUN_BY_ID",
            s.workflows.delete_workflow_run_by_id("r", workflow_name="w"),
        ),
        ("SAVE_SCORE", s.scores.save_score(score())),
        ("GET_SCORE_BY_ID", s.scores.get_score_by_id("s")),
        ("LIST_SCORES_BY_RUN_ID", s.scores.list_scores_by_run_id("r")),
        ("GET", s.cache.get("k")),
        ("LIST_FROM_TO", s.cache.list_from_to("k", 0)),
    ):
        with pytest.raises(BackendUnavailableError) as failed:
            await call
        assert failed.value.code.startswith(f"{name}_")
        assert failed.value.__cause__ is not None
