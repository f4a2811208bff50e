import json
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redis_store import json_values
from redis_store.json_values import MAX_DEPTH, NotJsonError, are_plain, encode, has_fields, plain


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, "1", False),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        (None, None, True),
        ([1, 2], [1, 2], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ([1], [True], False),
        ({"a": 1, "b": [None]}, {"b": [None], "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": 1}, {"a": True}, False),
        ({}, [], False),
        ("a", "a", True),
    ],
)
def test_json_values_compare_by_type(left: object, right: object, *, same: bool) -> None:
    """THR-09: type-strict, lists ordered, dicts by content with the same key set."""
    assert json_values.same(left, right) is same
    assert json_values.same(right, left) is same


def test_a_missing_key_is_no_null() -> None:
    """THR-09: None matches an explicit null, never a missing key."""
    assert has_fields({"a": None}, {"a": None})
    assert not has_fields({}, {"a": None})
    assert not has_fields("text", {"a": None})


class _Number(IntEnum):
    ONE = 1


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from([_Number.ONE, b"", frozenset[Any](), object()])
)
_keys = st.text(st.characters(codec=None), max_size=3) | st.integers() | st.none()
_anything: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(st.integers(), max_size=2)
        | st.dictionaries(_keys, inner, max_size=3)
    ),
    max_leaves=8,
)


def _as_read(value: Any) -> Any:
    """Read what is stored; two halves side by side are one character then."""
    return json.loads(json.dumps(value))


@given(values=st.lists(_anything, max_size=4))
@example(values=[{1: "a", "1": "b"}])
@example(values=[[{}], {"a": []}, ()])
def test_the_quick_look_takes_exactly_what_stays_as_it_is(values: list[Any]) -> None:
    """GEN-02: what it takes comes back as given; what it does not take is changed or refused."""
    try:
        stored: list[Any] | None = [plain(value) for value in values]
    except NotJsonError:
        stored = None
    if are_plain(values):
        assert stored is not None
        assert json.dumps(stored) == json.dumps(values)
    if stored is not None:
        assert are_plain(stored)
        assert repr(json.loads(encode(stored))) == repr(_as_read(stored))


def _nested(depth: int) -> Any:
    inner: Any = 1
    for level in range(depth):
        inner = {"a": inner} if level % 2 else [inner, 2]
    return inner


def test_the_limit_of_depth_is_exact() -> None:
    allowed, deeper = _nested(MAX_DEPTH), _nested(MAX_DEPTH + 1)
    assert are_plain([allowed])
    assert plain(allowed) == allowed
    assert not are_plain([deeper])
    with pytest.raises(NotJsonError, match="200 lists"):
        plain(deeper)


def test_the_limit_of_depth_leaves_room_to_every_caller() -> None:
    """Within it nothing that recurses fails, 300 frames deep."""

    def at_depth(frames: int) -> None:
        if frames:
            at_depth(frames - 1)
            return
        value = _nested(MAX_DEPTH + 3)
        assert json.loads(encode(value)) == value
        assert json_values.same(value, json.loads(json.dumps(value)))
        half = {"a": value, "b": "\ud83d"}
        assert json.loads(encode(half)) == half

    at_depth(300)
