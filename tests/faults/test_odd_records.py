"""Stored records with one field that is anything: each call answers, or names the record's key."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_store import CorruptRecordError, Include, MessagePatch, RedisStore, Resource
from redis_store._engine.keys import Keys
from redis_store.maintenance import Retention
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread
from tests.support.records.scores import saved as scores_saved
from tests.support.records.scores import score
from tests.support.records.workflow_runs import persist, record, result
from tests.support.wire.raw import Raw

pytestmark = pytest.mark.damages

Call = Callable[[RedisStore], Awaitable[object]]

DATE = "2026-01-15T09:30:00.000Z"
DEEP = json.loads("[" * 300 + "]" * 300)
_odd = st.sampled_from(
    [
        *(None, False, True, 0, -1, 2**64, 1.5, 1e300, "", "x", "\ud800", "{}", "[]", "null", "{"),
        *([], {}, [1], {"a": 1}, {"a": "\udc00"}, {"\udc00": [0]}, DEEP, {"status": 7}, "1e999"),
        *(DATE, "2026-01-15", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "now"),
        *(-62135596800, 1768469400000, {"status": "\ud800"}, {"metadata": 1}, {"parts": 1}),
        *({"format": 2, "parts": [None]}, {"output": [1]}, {"context": []}, {"requestContext": 0}),
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, width=32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
).filter(lambda value: "Infinity" not in json.dumps(value))
ODD = _odd | _json


async def _drain(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]


READS: dict[str, dict[str, Call]] = {
    "thread": {
        "get": lambda s: s.memory.get_thread_by_id("t"),
        "list": lambda s: s.memory.list_threads(),
        "list by": lambda s: s.memory.list_threads_by_resource_id("u", order_by="updated_at"),
        "filter": lambda s: s.memory.list_threads(metadata={"a": [1]}),
        "update": lambda s: s.memory.update_thread("t", metadata={"b": 1}),
        "metadata": lambda s: s.memory.update_thread_metadata("t", lambda t: t.metadata),
        "save messages": lambda s: s.memory.save_messages([message("n", 5)]),
        "clone": lambda s: s.memory.clone_thread("t"),
        "transfer": lambda s: s.memory.update_thread_resource_id("t", "v"),
        "messages": lambda s: s.memory.list_messages("t"),
        "update messages": lambda s: s.memory.update_messages([MessagePatch(id="a", role="x")]),
        "delete messages": lambda s: s.memory.delete_messages(["b"]),
        "save": lambda s: s.memory.save_thread(thread("t")),
    },
    "message": {
        "list": lambda s: s.memory.list_messages("t"),
        "list two": lambda s: s.memory.list_messages(["t", "t2"], direction="desc"),
        "filter": lambda s: s.memory.list_messages("t", metadata={"a": 1}),
        "resource": lambda s: s.memory.list_messages("t", resource_id="u"),
        "include": lambda s: s.memory.list_messages("t2", include=[Include("a", 1, 1)]),
        "by resource": lambda s: s.memory.list_messages_by_resource_id("u"),
        "by id": lambda s: s.memory.list_messages_by_id(["a", "b"]),
        "iterate": lambda s: _drain(s.memory.iter_messages("t")),
        "clone": lambda s: s.memory.clone_thread("t"),
        "copy": lambda s: s.memory.copy_thread("t", resource_id="v"),
        "update": lambda s: s.memory.update_messages(
            [MessagePatch(id="b", content={"metadata": {"b": 1}})]
        ),
        "save": lambda s: s.memory.save_messages([message("b", 3)]),
        "delete": lambda s: s.memory.delete_messages(["b"]),
    },
    "resource": {
        "get": lambda s: s.memory.get_resource_by_id("r"),
        "update": lambda s: s.memory.update_resource("r", metadata={"b": 1}),
        "merge": lambda s: s.memory.merge_working_memory("r", lambda known: f"{known}+"),
        "save": lambda s: s.memory.save_resource(Resource(id="r")),
    },
    "run": {
        "load": lambda s: s.workflows.load_workflow_snapshot("w", "r"),
        "get": lambda s: s.workflows.get_workflow_run_by_id("r"),
        "get by name": lambda s: s.workflows.get_workflow_run_by_id("r", workflow_name="w"),
        "list": lambda s: s.workflows.list_workflow_runs(),
        "list by": lambda s: s.workflows.list_workflow_runs(status="running", resource_id="u"),
        "result": lambda s: result(s, "s", {"output": [1]}, request_context={"a": 1}),
        "state": lambda s: s.workflows.update_workflow_state("w", "r", {"a": 1}),
        "persist": lambda s: s.workflows.persist_workflow_snapshot("w", "r", {"status": "x"}),
        "delete": lambda s: s.workflows.delete_workflow_run_by_id("r", workflow_name="w"),
    },
    "score": {
        "get": lambda s: s.scores.get_score_by_id("s"),
        "by scorer": lambda s: s.scores.list_scores_by_scorer_id("scorer", source="LIVE"),
        "by run": lambda s: s.scores.list_scores_by_run_id("run"),
        "by entity": lambda s: s.scores.list_scores_by_entity_id("entity"),
        "by span": lambda s: s.scores.list_scores_by_span("trace", "span"),
        "save": lambda s: s.scores.save_score(score("s")),
    },
}

KEYS: dict[str, Callable[[Keys], str]] = {
    "thread": lambda keys: keys.thread("t"),
    "message": lambda keys: keys.message("t", "b"),
    "resource": lambda keys: keys.resource("r"),
    "run": lambda keys: keys.run("workflows", "w", "r"),
    "score": lambda keys: keys.score("s"),
}

_DATES = {"createdAt": DATE, "updatedAt": DATE}
RECORDS: dict[str, dict[str, Any]] = {
    "thread": {"id": "t", "resourceId": "u", "title": "x", "metadata": {"a": [1]}, **_DATES},
    "message": {
        "id": "b",
        "threadId": "t",
        "resourceId": "u",
        "role": "user",
        "type": "v2",
        "createdAt": "2026-01-15T09:30:00.000001Z",
        "content": message("b", metadata={"a": 1}).content,
    },
    "resource": {"id": "r", "workingMemory": "m", "metadata": '{"a":1}', **_DATES},
    "run": record(resourceId="u"),
    "score": {
        "id": "s",
        "scorerId": "scorer",
        "entityId": "entity",
        "runId": "run",
        "score": 0.5,
        "scorer": {},
        "entity": {},
        "source": "LIVE",
        "output": 1,
        "reason": "x",
        "traceId": "trace",
        "spanId": "span",
        "metadata": {},
        **_DATES,
    },
}


@pytest.fixture(autouse=True)
async def _cleared(store: RedisStore) -> AsyncIterator[None]:
    yield
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()


async def _furnish(store: RedisStore, raw: Raw, place: Place) -> None:
    if keys := await raw.keys(place.keys.prefix):
        await raw("DEL", *keys)
    for id_ in ("t", "t2"):
        await store.memory.save_thread(thread(id_))
    await store.memory.save_messages([message(id_, us) for us, id_ in enumerate("abc")])
    await store.memory.save_messages([message("z", thread_id="t2")])
    await store.memory.save_resource(Resource(id="r"))
    await persist(store, resource_id="u")
    await scores_saved(store, score("s", trace_id="trace", span_id="span"))


async def _check(store: RedisStore, raw: Raw, key: str, stored: bytes, call: Call) -> None:
    """Make one call, and maintenance, over a record that is not as it should be."""
    await raw("SET", key, stored)
    try:
        await call(store)
    except CorruptRecordError as error:
        assert error.key == key  # noqa: PT017 - any other error fails the test
        report = await store.verify()
        assert (key in {f.key for f in report.findings if f.problem == "corrupt record"}) or (
            "mastra_messages" in key and "corrupt record" in report.problems
        )
    await store.verify(repair=True)
    await store.reindex()
    assert [one.id for one in await store.memory.list_messages("t2")][:1] == ["z"]


_CASES = st.sampled_from(
    [(kind, field, call) for kind in RECORDS for field in RECORDS[kind] for call in READS[kind]]
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=_CASES, odd=ODD)
async def test_whatever_a_field_holds_each_call_answers_or_names_the_key(
    store: RedisStore, raw: Raw, place: Place, case: tuple[str, str, str], odd: Any
) -> None:
    """GEN-03, GEN-04: never a TypeError, and what does not touch the record works as before."""
    kind, field, call = case
    stored = json.dumps(RECORDS[kind] | {field: odd}).encode()
    await _furnish(store, raw, place)
    await _check(store, raw, KEYS[kind](place.keys), stored, READS[kind][call])


@pytest.mark.parametrize("kind", RECORDS)
async def test_a_missing_field_too(store: RedisStore, raw: Raw, place: Place, kind: str) -> None:
    """GEN-03: each in turn, through every call."""
    for missing in RECORDS[kind]:
        fields = {name: value for name, value in RECORDS[kind].items() if name != missing}
        for call in READS[kind]:
            await _furnish(store, raw, place)
            await _check(
                store, raw, KEYS[kind](place.keys), json.dumps(fields).encode(), READS[kind][call]
            )


async def test_what_has_no_date_is_not_pruned(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-01: it reads as of 1970, but nobody knows how old it is."""
    await _furnish(store, raw, place)
    for kind, fields in RECORDS.items():
        undated = {name: value for name, value in fields.items() if name not in _DATES}
        await raw("SET", KEYS[kind](place.keys), json.dumps(undated))
    day = timedelta(days=1)
    ages = Retention(threads=day, messages=day, resources=day, snapshots=day, scores=day)
    async with place.store(retention=ages) as pruning:
        for _ in range(2):
            await pruning.prune()
            assert await raw("EXISTS", *(key(place.keys) for key in KEYS.values())) == len(KEYS)
            await pruning.reindex()
    assert [one.id for one in await store.memory.list_messages("t")] == ["b"]


def _deep(kind: str, levels: int) -> bytes:
    field = {"thread": "metadata", "resource": "metadata", "message": "content"}.get(kind)
    field = field or {"run": "snapshot", "score": "output"}[kind]
    stored = json.dumps(RECORDS[kind] | {field: "DEEP"})
    return stored.replace('"DEEP"', '{"a":' * levels + "1" + "}" * levels).encode()


@pytest.mark.parametrize("kind", RECORDS)
async def test_what_is_too_deep_to_read_is_corrupt(
    store: RedisStore, raw: Raw, place: Place, kind: str
) -> None:
    """GEN-03, GEN-04: never a RecursionError; its neighbours stay readable, and verify goes on."""
    for call in READS[kind]:
        await _furnish(store, raw, place)
        await _check(store, raw, KEYS[kind](place.keys), _deep(kind, 20_000), READS[kind][call])
    await _furnish(store, raw, place)
    await raw("SET", KEYS[kind](place.keys), _deep(kind, 20_000))
    with pytest.raises(CorruptRecordError, match="too deep"):
        await next(iter(READS[kind].values()))(store)


@pytest.mark.parametrize("kind", RECORDS)
async def test_a_record_without_dates_has_the_same_at_each_read(
    store: RedisStore, raw: Raw, place: Place, kind: str
) -> None:
    """GEN-01: its other date, or 1970."""
    await _furnish(store, raw, place)
    read = next(iter(READS[kind].values()))
    for missing in (["createdAt"], ["createdAt", "updatedAt"], ["updatedAt"]):
        for how in ({}, dict.fromkeys(missing)):
            kept = {n: v for n, v in RECORDS[kind].items() if n not in missing} | how
            await raw("SET", KEYS[kind](place.keys), json.dumps(kept))
            once: Any = await read(store)
            again: Any = await read(store)
            assert once == again
            if kind != "run":
                one = once.items[1] if kind == "message" else once
                both_missing = "createdAt" in missing and (kind == "message" or len(missing) > 1)
                assert one.created_at.year == (1970 if both_missing else 2026)
