"""Spans of JSON: every value is where they say, and reads as it does when decoded at once."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redis_store._engine import json_spans
from redis_store._engine.json_spans import Span, decode, read_object

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text('a\\",{}[]:é😀\n', max_size=9),
)
names = st.text("a\"\\é,'{}", max_size=3)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(names, inner, max_size=5),
    max_leaves=40,
)
# Compact, as this library and JavaScript write; and with white space, as Python does by default.
layouts = st.sampled_from([{"separators": (",", ":"), "ensure_ascii": False}, {}, {"indent": 1}])


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Iterator[None]:
    """Take even small values apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_spans, "_SLICE", 8)
        patch.setattr(json_spans, "_WINDOW", 4)
        patch.setattr(json_spans, "_SHORT", 16)
        yield


@given(value=values, layout=layouts)
@example(value=[{"a": n} for n in range(20)], layout={})
@example(value=[{"a": [{"a": 1}, {"a": "},{"}]}] * 20, layout={"separators": (",", ":")})
@example(value=["a,b", "],["] * 20, layout={"separators": (",", ":")})
@example(value=[1, 23, -4.5] * 20, layout={"separators": (",", ":")})
def test_a_value_decodes_as_it_does_at_once(value: Any, layout: dict[str, Any]) -> None:
    text = json.dumps(value, **layout).encode()
    assert decode(text, Span(0, len(text))) == msgspec.json.decode(text)


@given(members=st.dictionaries(st.text(max_size=3), values, max_size=6), layout=layouts)
def test_members_are_where_their_spans_are(members: dict[str, Any], layout: dict[str, Any]) -> None:
    text = b" " + json.dumps(members, **layout).encode()
    found = read_object(text, 1, {name: {} for name in members})
    assert found is not None
    assert text[found.close :] == b"}"
    assert list(found.values) == list(members)
    for name, value in members.items():
        assert json.loads(text[slice(*found.values[name])]) == value
        assert (name in found.objects) == isinstance(value, dict)


def test_of_two_members_of_one_name_the_last_counts() -> None:
    text = b'{"a":{"b":1},"a":[2]}'
    found = read_object(text, 0, {"a": {}})
    assert found is not None
    assert text[slice(*found.values["a"])] == b"[2]"
    assert not found.objects


def test_what_is_no_object_has_no_members() -> None:
    for text in (b"[]", b'"{}"', b"1", b""):
        assert read_object(text, 0, {}) is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1',
        b'{"a":1,}',
        b'{"a" 1}',
        b"{a:1}",
        b'{"a":1 "b":2}',
        b'{"a":tru}',
        b'{"a":[1,2}',
        b'{"a":"\\x"}',
        b'{"a":"' + b"x" * 99,
        b"{,}",
    ],
)
def test_malformed_json_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read_object(text, 0, {})


def test_half_a_surrogate_pair_is_read_where_it_is() -> None:
    """As JavaScript writes it; the spans of what holds it are unknown."""
    text = b'"\\ud83d"'
    assert decode(text, Span(0, len(text))) == "\ud83d"
    with pytest.raises(msgspec.MsgspecError):
        read_object(b'{"a":' + text + b"}", 0, {})
