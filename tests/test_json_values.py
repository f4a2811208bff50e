import pytest

from redis_store import json_values
from redis_store.json_values import has_fields


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
