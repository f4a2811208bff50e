"""Scores: what is saved, what comes back, what a second save changes."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from redis_store import CorruptRecordError, InvalidArgumentError, RedisStore, Score
from redis_store.models import now
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import T0, at, thread
from tests.support.records.json_values import same
from tests.support.records.scores import ids, saved, score
from tests.support.wire.raw import Raw

# Every optional field, with a value that a careless store would change.
OPTIONAL: dict[str, Any] = {
    "entity_type": "AGENT",
    "input": [{"q": 2**70}, [], {}],
    "reason": '{"like": "JSON"}',
    "metadata": {"i": 0, "f": 1.0, "e": [], "n": {"a": None}},
    "request_context": {"tenant": "😀"},
    "additional_context": {"a": [1, None]},
    "preprocess_step_result": {"a": False},
    "extract_step_result": [1],
    "analyze_step_result": "text",
    "preprocess_prompt": "",
    "extract_prompt": "007",
    "analyze_prompt": "null",
    "generate_score_prompt": "\\",
    "generate_reason_prompt": "é" * 5000,
    "structured_output": {"a": {"b": [2**53 + 1]}},
    "trace_id": "t",
    "span_id": "s",
    "resource_id": "u",
    "thread_id": "t",
    "session_id": "session",
    "organization_id": "o",
    "project_id": "p",
    "batch_id": "b",
    "dataset_id": "d",
    "dataset_item_id": "i",
}


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.scores):
        yield
        await check_indexed(store)


async def stored(raw: Raw, place: Place, id_: str = "s") -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(await raw("GET", place.keys.score(id_)))
    return fields


async def test_everything_given_is_given_back(store: RedisStore) -> None:
    """SC-02: every field, by id and from every listing; the result is what was stored."""
    bare, given = score(), score(us=123456, **OPTIONAL)
    assert {
        name for name in Score.__struct_fields__ if getattr(bare, name) is None
    } == OPTIONAL.keys()
    assert same(await store.scores.save_score(given), given)
    for found in (
        await store.scores.get_score_by_id("s"),
        *(await store.scores.list_scores_by_scorer_id("scorer")),
        *(await store.scores.list_scores_by_run_id("run")),
        *(await store.scores.list_scores_by_entity_id("entity")),
        *(await store.scores.list_scores_by_span("t", "s")),
    ):
        assert same(found, given)


async def test_a_bare_score_has_no_further_fields(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SC-02: as in JavaScript, where undefined is not stored; the names are Mastra's."""
    await store.scores.save_score(score(us=5))
    assert await stored(raw, place) == {
        "id": "s",
        "scorerId": "scorer",
        "entityId": "entity",
        "runId": "run",
        "score": 0.5,
        "scorer": {"name": "x"},
        "entity": {"id": "agent"},
        "source": "LIVE",
        "output": {"a": 1},
        "createdAt": "2026-01-15T09:30:00.000005Z",
        "updatedAt": "2026-01-15T09:30:00Z",
    }
    assert await store.scores.get_score_by_id("s") == score(us=5)


async def test_a_finite_score_is_saved(store: RedisStore) -> None:
    """SC-01: of any size and sign; either source."""
    for number in (0, 1, -1, 0.0, 1e-300, -1.7976931348623157e308, 2**70, 0.1 + 0.2):
        for source in ("LIVE", "TEST"):
            await store.scores.save_score(score(score=number, source=source))
            found = await store.scores.get_score_by_id("s")
            assert found is not None
            assert (found.score, found.source) == (number, source)
            assert isinstance(found.score, float)


async def test_an_invalid_score_stores_nothing(store: RedisStore, raw: Raw, place: Place) -> None:
    """SC-01: neither a new one nor in place of a known one."""
    await store.scores.save_score(score())
    before = await stored(raw, place)
    invalid: list[dict[str, Any]] = [
        {"score": float("nan")},
        {"score": float("inf")},
        {"score": "0.5"},
        {"score": None},
        {"source": "live"},
        {"scorer": []},
        {"scorer": None},
        {"entity": "agent"},
        {"output": object()},
        {"reason": 7},
        {"created_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - what must be refused
    ]
    for fields in invalid:
        for id_ in ("s", "new"):
            with pytest.raises(InvalidArgumentError):
                await store.scores.save_score(score(id_, **fields))
    assert await stored(raw, place) == before
    assert await store.scores.get_score_by_id("new") is None


async def test_a_generated_id_and_date_are_there(store: RedisStore) -> None:
    """SC-01: the caller gets them back and finds the score by them."""
    before = now()
    given = Score(
        scorer_id="scorer",
        entity_id="entity",
        run_id="run",
        score=1,
        scorer={},
        entity={},
        source="TEST",
        output=None,
    )
    kept = await store.scores.save_score(given)
    assert before <= kept.created_at <= now()
    assert kept.created_at.tzinfo is UTC
    assert await store.scores.get_score_by_id(kept.id) == kept


async def test_saving_again_updates_one_row(store: RedisStore) -> None:
    """SC-01: the id and created_at stay, everything else is replaced."""
    await store.scores.save_score(score(**OPTIONAL))
    again = await store.scores.save_score(score(us=9, score=1, updated_at=at(10)))
    assert again == score(us=0, score=1, updated_at=at(10))
    assert await store.scores.get_score_by_id("s") == again
    assert (await store.scores.list_scores_by_run_id("run")).items == [again]


async def test_saving_again_moves_the_score_between_listings(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SC-01, SC-03: it leaves what it was listed by, and no empty index stays."""
    await store.scores.save_score(
        score(scorer_id="a", run_id="b", entity_id="c", trace_id="d", span_id="e")
    )
    await store.scores.save_score(
        score(scorer_id="f", run_id="g", entity_id="h", trace_id="d", span_id="i")
    )
    scores = store.scores
    for page, n in (
        (await scores.list_scores_by_scorer_id("a"), 0),
        (await scores.list_scores_by_run_id("b"), 0),
        (await scores.list_scores_by_entity_id("c"), 0),
        (await scores.list_scores_by_span("d", "e"), 0),
        (await scores.list_scores_by_scorer_id("f"), 1),
        (await scores.list_scores_by_run_id("g"), 1),
        (await scores.list_scores_by_entity_id("h"), 1),
        (await scores.list_scores_by_span("d", "i"), 1),
    ):
        assert (len(page), page.total) == (n, n)
    await store.scores.save_score(score(scorer_id="f", run_id="g", entity_id="h"))
    assert (await scores.list_scores_by_span("d", "i")).total == 0
    indexes = await raw.keys(f"{place.keys.prefix}redis_store:scores:")
    assert len(indexes) == 4


@pytest.mark.races
async def test_an_unknown_score_is_absent(store: RedisStore) -> None:
    """GEN-05: by id, and as an empty page."""
    assert await store.scores.get_score_by_id("x") is None
    page = await store.scores.list_scores_by_scorer_id("x")
    assert (page.items, page.total, page.has_more) == ([], 0, False)


async def test_a_returned_score_is_the_callers(store: RedisStore) -> None:
    """GEN-08: changing what was given or returned changes nothing in the store."""
    given = score(metadata={"a": [1]})
    returned = [
        given,
        await store.scores.save_score(given),
        await store.scores.get_score_by_id("s"),
        (await store.scores.list_scores_by_run_id("run")).items[0],
    ]
    for each in returned:
        assert each is not None
        each.metadata["a"].append(2)
        each.reason = "changed"
    assert await store.scores.get_score_by_id("s") == score(metadata={"a": [1]})


async def test_scores_of_the_peer_are_read(store: RedisStore, raw: Raw, place: Place) -> None:
    """SC-02: nulls where it writes them, whole numbers, dates in milliseconds."""
    fields = msgspec.to_builtins(score(created_at=T0)) | {
        "score": 1,
        "reason": None,
        "structuredOutput": None,
        "newerField": [],
        "createdAt": "2026-01-15T09:30:00.000Z",
        "updatedAt": "2026-01-15T09:30:00.000Z",
    }
    await raw("SET", place.keys.score("s"), json.dumps(fields))
    await store.reindex()
    assert await store.scores.get_score_by_id("s") == score(score=1)
    assert ids(await store.scores.list_scores_by_entity_id("entity")) == ["s"]


async def test_a_corrupt_score_can_be_replaced(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-03: it is named by an error, and the others can be read."""
    await saved(store, score("good", run_id="good"), score())
    key = place.keys.score("s")
    await raw("SET", key, '{"id":"s"')
    for call in (store.scores.get_score_by_id("s"), store.scores.list_scores_by_run_id("run")):
        with pytest.raises(CorruptRecordError) as corrupt:
            await call
        assert corrupt.value.key == key
    assert ids(await store.scores.list_scores_by_run_id("good")) == ["good"]
    await store.scores.save_score(score(us=3))
    assert await store.scores.get_score_by_id("s") == score(us=3)


async def test_clearing_all_leaves_what_is_not_a_score(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-06: other domains stay, and so do keys of others with names that are close."""
    await store.memory.save_thread(thread())
    await store.workflows.persist_workflow_snapshot("w", "r", {})
    foreign = ["mastra_scorer:id:x", "redis_store:score:x", "mastra_scorers"]
    for name in foreign:
        await raw("SET", place.keys.prefix + name, "x")
    outside = place.keys.prefix.replace("*", "x") + "mastra_scorers:id:x"
    await raw("SET", outside, "x")
    before = await raw.keys(place.keys.prefix)
    await saved(store, *(score(f"s{n}", trace_id="t", span_id="s") for n in range(5)))
    await store.scores.dangerously_clear_all()
    assert await raw.keys(place.keys.prefix) == before
    assert await raw("DEL", outside) == 1
    await raw("DEL", *(place.keys.prefix + name for name in foreign))
    await store.workflows.dangerously_clear_all()
