"""Values in snapshots and results, and what an update leaves as it was, to the byte."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_store import InvalidArgumentError, RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.json_values import json_values, same
from tests.support.records.workflow_runs import persist, put, record, result, snapshot, stored
from tests.support.wire.raw import Raw

VALUES: dict[str, Any] = {
    "an empty list": [],
    "an empty object": {},
    "empties inside": {"a": [], "b": {}, "c": [[], {}]},
    "null": None,
    "booleans": [True, False],
    "beyond 2^53": 2**53 + 1,
    "beyond 2^64": -(2**70) - 3,
    "a whole float": 1.0,
    "a third": 1 / 3,
    "the least float": 5e-324,
    "text like JSON": '{"a": [1, null]}',
    "text like a number": "007",
    "quotes, commas and braces": '",\\"}]{[:,\\\\',
    "emoji": "😀 é \u2028 \x00",
    "10 kB": "é\\" * 4000,
    "hostile keys": {"": 1, "a.b": 2, '"': 3, "__proto__": 4, "😀": 5, "status": "x"},
}


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


async def test_values_survive_the_update_of_another_step(store: RedisStore) -> None:
    """GEN-02: empty lists stay lists, large integers keep every digit, and so on."""
    kept = await persist(store, context={"first": {"output": VALUES}}, **VALUES)
    await result(store, "second", {"output": 1}, request_context={"a": 1})
    await store.workflows.update_workflow_state("w", "r", {"extra": []})
    after = await store.workflows.load_workflow_snapshot("w", "r")
    assert after is not None
    assert same({name: after[name] for name in VALUES}, VALUES)
    assert same(after["context"]["first"], {"output": VALUES})
    assert after["extra"] == []
    assert list(after) == [*kept, "extra"]


async def test_values_round_trip_as_results_and_as_state(store: RedisStore) -> None:
    """GEN-02: of any type, bare, as output, and merged by position."""
    await persist(store, context={})
    for name, value in VALUES.items():
        await result(store, name, value, request_context={name: value})
        await result(store, f"{name} as output", {"output": [None, value]})
        await result(store, f"{name} as output", {"output": [value, None]})
        await store.workflows.update_workflow_state("w", "r", {f"{name} as state": value})
    after = await store.workflows.load_workflow_snapshot("w", "r")
    assert after is not None
    for name, value in VALUES.items():
        assert same(after["context"][name], value)
        assert same(after["requestContext"][name], value)
        assert same(after["context"][f"{name} as output"], {"output": [value, value]})
        assert same(after[f"{name} as state"], value)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=json_values, second=json_values, padding=st.integers(0, 700))
async def test_any_result_round_trips(
    store: RedisStore, first: Any, second: Any, padding: int
) -> None:
    """GEN-02: also where records are long enough to be changed by edits."""
    await persist(store, context={"p": "x" * padding, "a": 0, "b": first})
    await result(store, "a", first)
    context = await result(store, "a", second)
    expected = {"p": "x" * padding, "a": second, "b": first}
    if not isinstance(first, dict) or not isinstance(second, dict):
        assert same(context, expected)
    after = await store.workflows.load_workflow_snapshot("w", "r")
    assert after is not None
    assert same(after["context"], context)
    assert same(context["b"], first)


async def test_what_has_no_json_form_is_refused(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-02: in a snapshot, a result, a request context and a state; nothing is written."""
    await persist(store)
    before = await stored(raw, place)
    refused: list[Any] = [float("nan"), [float("inf")], b"x", {1}, object()]
    for value in refused:
        with pytest.raises(InvalidArgumentError):
            await persist(store, context={"a": value})
        with pytest.raises(InvalidArgumentError):
            await result(store, "s", value)
        with pytest.raises(InvalidArgumentError):
            await result(store, "s", 1, request_context={"a": value})
        with pytest.raises(InvalidArgumentError):
            await store.workflows.update_workflow_state("w", "r", {"a": value})
    assert await stored(raw, place) == before


async def test_unknown_fields_survive_updates(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-09: of the record, of the snapshot, and of a step; of the record also a new snapshot."""
    new: dict[str, Any] = {"a": [], "n": 2**70, "f": 1.50, "t": '",'}
    fields = record(parentRunId="p", newer=new)
    fields["snapshot"] = snapshot(newer=new, context={"first": {"output": 1, "newer": new}})
    await put(raw, place, fields)
    await store.reindex()
    await result(store, "second", 1, request_context={"a": 1})
    assert await store.workflows.update_workflow_state("w", "r", {"status": "done"}) is not None
    after = await stored(raw, place)
    assert after["parentRunId"] == "p"
    assert same(after["newer"], new)
    assert same(after["snapshot"]["newer"], new)
    assert same(after["snapshot"]["context"]["first"], {"output": 1, "newer": new})
    await store.workflows.persist_workflow_snapshot("w", "r", {"status": "again"})
    again = await stored(raw, place)
    assert again["snapshot"] == {"status": "again"}
    assert again["parentRunId"] == "p"
    assert same(again["newer"], new)


@pytest.mark.parametrize("text", [True, False], ids=["as text", "missing"])
async def test_an_update_reads_a_snapshot_as_a_load_does(
    store: RedisStore, raw: Raw, place: Place, *, text: bool
) -> None:
    """GEN-09: where it is stored as JSON text, or is missing, nothing of it is lost either."""
    fields = record()
    known = fields.pop("snapshot")
    if text:
        fields["snapshot"] = json.dumps(known)
    await put(raw, place, fields)
    await store.reindex()
    before: dict[str, Any] = known if text else {}
    assert await store.workflows.load_workflow_snapshot("w", "r") == before
    assert await store.workflows.update_workflow_state("w", "r", {"a": 1}) == before | {"a": 1}
    assert await store.workflows.load_workflow_snapshot("w", "r") == before | {"a": 1}


async def test_half_a_surrogate_pair_survives_updates(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-09: JavaScript writes it where it cuts an emoji; other steps can go on."""
    fields = record()
    fields["snapshot"]["context"] = {"cut": "CUT", "n": 2**70, "l": []}
    key = await put(raw, place, fields)
    json_text = (await raw("GET", key)).replace(b"CUT", rb"\ud83d")
    await raw("SET", key, json_text)
    await store.reindex()
    context = await result(store, "s", 1)
    assert same(context, {"cut": "\ud83d", "n": 2**70, "l": [], "s": 1})
