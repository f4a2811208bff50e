"""A value as the difference to another one: smaller, and never another value."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("langgraph.checkpoint.base", reason="needs redis-store[langgraph]")

from langchain_core.messages import AnyMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from redis_store.integrations.langgraph import deltas
from redis_store.integrations.langgraph.deltas import Delta, Value, delta_to, is_due
from redis_store.integrations.langgraph.frames import frame, unframe
from redis_store.integrations.langgraph.ropes import spliced
from redis_store.integrations.langgraph.values import StoredValues
from tests.integrations.langgraph.states import messages

# Few bytes, so that values share much.
bodies = st.binary(max_size=200) | st.lists(st.sampled_from([b"ab", b"abc", b"\x93"])).map(b"".join)
kinds = st.sampled_from([b"msgpack\0", b"bytes\0", b""])


def stored(value: Any) -> bytes:
    """Return a value's bytes as a saver stores them."""
    kind, data = JsonPlusSerializer().dumps_typed(value)
    return f"{kind}\0".encode() + data


def _is_delta_of(base: bytes, data: bytes) -> int | None:
    """Return how many bytes a delta has, having checked that it makes the value."""
    delta = delta_to(Value("base", base), data)
    if delta is None:
        return None
    read = Delta.decode(delta.encode())
    assert read == delta
    assert b"".join(spliced([memoryview(base)], read.edits)) == data
    return len(delta.encode())


@given(kind=kinds, before=bodies, after=bodies, other=kinds)
@example(kind=b"msgpack\0", before=b"\xdc", after=b"", other=b"msgpack\0")
@settings(max_examples=1000)
def test_a_delta_makes_its_value(kind: bytes, before: bytes, after: bytes, other: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas, "MIN_BYTES", 0)
        patch.setattr(deltas, "_ANCHOR", 4)
        _is_delta_of(kind + before, other + after)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    changes=st.lists(st.tuples(bodies, bodies), max_size=6),
)
def test_values_are_put_together_from_pieces(
    sizes: list[int], changes: list[tuple[bytes, bytes]]
) -> None:
    """Whatever pieces the base is in."""
    whole, at = bytes(range(256)) * 2, 0
    rope = list[memoryview]()
    for size in sizes:
        rope.append(memoryview(whole)[at : at + size])
        at += size
    rope.append(memoryview(whole)[at:])
    value = whole
    for start, end in changes:
        after = start + value[len(start) // 2 : len(value) - len(end) // 2] + end
        edits = deltas._edits(value, after)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        value, rope = after, spliced(rope, edits)
    assert b"".join(rope) == value


Change = Callable[[list[AnyMessage]], list[AnyMessage]]

CHANGES: dict[str, tuple[Change, int]] = {
    "append": (lambda m: [*m, *messages(1, 500)], 900),
    "slide": (lambda m: [*m[1:], *messages(1, 500)], 900),
    "edit": (lambda m: [*m[:7], *messages(1, 500), *m[8:]], 900),
    "cut": (lambda m: m[:5] + m[9:], 200),
    "drop last": (lambda m: m[:-1], 200),
    "drop first": (lambda m: m[2:], 200),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("count", [10, 15, 16, 100])
def test_a_change_of_a_list_is_small(change: str, count: int) -> None:
    before, (make, most) = messages(count), CHANGES[change]
    size = _is_delta_of(stored(before), stored(make(before)))
    assert size is not None
    assert size <= most


def test_what_has_little_in_common_has_no_delta() -> None:
    assert _is_delta_of(stored(messages(20)), stored(messages(20, 100))) is None
    assert _is_delta_of(b"", b"a" * 1000) is None


def test_a_chain_is_due_at_its_depth_and_at_its_size() -> None:
    base = Value("v", b"a" * 10_000, deltas.MAX_DEPTH - 2, 0)
    delta = delta_to(base, base.data + b"b")
    assert delta is not None
    assert not is_due(delta, 10_000)
    assert is_due(delta._replace(depth=deltas.MAX_DEPTH), 10_000)
    grown = delta_to(Value("v", base.data, 1, 4_999), base.data + b"bb")
    assert grown is not None
    assert is_due(grown, 10_000)


def test_a_header_of_any_size_is_read_back() -> None:
    for header in ([], [1, "a", ["b"] * 100], ["x" * 70_000]):
        assert unframe(frame(header, b"1", b"2")) == (header, b"12")
    with pytest.raises(ValueError, match="truncated"):
        unframe(b"\0\0\0\x09\x91")


def test_a_value_whose_base_is_missing_is_corrupt() -> None:
    delta = delta_to(Value("base", b"a" * 1000), b"a" * 1001)
    assert delta is not None
    values = StoredValues([b"d\0name", delta.encode()])
    assert values.get("other") is None
    with pytest.raises(ValueError, match="'base'"):
        values.get("name")
    known = StoredValues(
        [b"d\0name", delta.encode(), b"k\0base", b""], [Value("base", b"a" * 1000)]
    )
    assert known.get("name") == Value("name", b"a" * 1001, 1, 1)
