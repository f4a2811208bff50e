import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redis_store._engine import splices
from redis_store._engine.splices import Splice, apply, diff
from tests.support.records.builders import T0


def applied(before: bytes, edits: list[Splice]) -> bytes:
    """Do what the server does with edits."""
    at, parts = 0, list[bytes]()
    for edit in edits:
        assert edit.keep >= 0
        assert edit.drop >= 0
        parts += (before[at : at + edit.keep], edit.text)
        at += edit.keep + edit.drop
        assert at <= len(before), "edits go beyond the value"
    return b"".join([*parts, before[at:]])


def sent(edits: list[Splice]) -> int:
    """Count the bytes of text that cross the wire."""
    return sum(len(edit.text) for edit in edits)


# Few letters, so that values share much; commas part a value in two.
texts = st.text("ab,", max_size=12).map(str.encode)


@given(before=texts | st.binary(max_size=8), after=texts | st.binary(max_size=8))
@example(before=b"", after=b"")
@example(before=b"aaa", after=b"aa")
@example(before=b"a,a", after=b"a,a,a")
@example(before=b",", after=b"")
@example(before=b"abab", after=b"ababab")
@example(before=b"a,b", after=b"ab")
@example(before="é".encode(), after="è".encode())
@settings(max_examples=1000, deadline=None)
def test_edits_turn_one_value_into_the_other(before: bytes, after: bytes) -> None:
    edits = diff(before, after)
    assert applied(before, edits) == after
    assert sent(edits) <= len(after)
    assert len(edits) <= 2
    assert apply(before, edits) == after


@given(before=texts | st.binary(max_size=30), after=texts | st.binary(max_size=30))
def test_values_of_many_blocks_have_the_same_edits(before: bytes, after: bytes) -> None:
    """A block ends anywhere: in the common prefix, in the suffix, in what differs."""
    edits = diff(before, after)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splices, "_BLOCK", 4)
        assert diff(before, after) == edits
        assert apply(before, edits) == after


@given(value=texts)
def test_the_same_value_sends_nothing(value: bytes) -> None:
    assert sent(diff(value, value)) == 0


def record(steps: dict[str, Any], *, us: int = 0, **fields: Any) -> bytes:
    """Build a run's record with so many steps in its context."""
    snapshot = {"status": "running", "context": steps, "requestContext": {"tenant": "x"}}
    updated = (T0 + timedelta(microseconds=us)).isoformat()
    known = {"run_id": "r", "snapshot": snapshot | fields, "updatedAt": updated}
    return json.dumps(known, separators=(",", ":"), ensure_ascii=False).encode()


STEPS: dict[str, Any] = {f"step {n}": {"output": ["é", n, {}] * 200} for n in range(300)}
CHANGES: dict[str, bytes] = {
    "a new step": record(STEPS | {"new": {"output": "y" * 100}}, us=7),
    "the first step": record(STEPS | {"step 0": {"output": "y" * 100}}, us=7),
    "a step in the middle": record(STEPS | {"step 150": {"output": "y" * 100}}, us=7),
    "the last step": record(STEPS | {"step 299": None}, us=7),
    "one step less": record({k: v for k, v in STEPS.items() if k != "step 100"}, us=7),
    "a new field": record(STEPS, us=7, waitingPaths={"a,b": [1, 2]}),
    "only the date": record(STEPS, us=7),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_small_change_of_a_large_value_gives_small_edits(name: str) -> None:
    before, after = record(STEPS), CHANGES[name]
    edits = diff(before, after)
    assert len(before) > 500_000
    assert applied(before, edits) == after
    assert sent(edits) < 250


def test_what_is_behind_the_last_comma_is_an_edit_of_its_own() -> None:
    before, after = b'{"a":1,"b":2,"t":3}', b'{"a":9,"b":2,"t":8}'
    assert diff(before, after) == [Splice(5, 1, b"9"), Splice(11, 1, b"8")]
