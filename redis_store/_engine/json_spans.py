"""Spans of JSON: where the members of a large object are, and their values, in short steps.

Decoding 10 MB in one call keeps every thread waiting for 30 ms or more, so a large value is taken
apart first. Only values of up to 256 kB are decoded in one call.

Tests: ``tests/engine/test_json_spans.py``.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from redis_store._engine import raw_fields

# What is asked for of nested objects: by name, in depth.
Wanted = Mapping[str, "Wanted"]

_SLICE = 2**18
# How much is looked at to find the end of a value, before it is four times as much.
_WINDOW = 2**20
# Elements of an array that are shorter, on average, are decoded many at once.
_SHORT = 2**12
_MAX_GUESSES = 4

_value = msgspec.json.Decoder()
_skip = msgspec.json.Decoder(Raw)
_name = msgspec.json.Decoder(str)
_SPACE = re.compile(rb"[ \t\r\n]*")
_NAME = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*')
_ELEMENT_START = re.compile(rb'\{"[^"\\]{0,64}":|["\[]|')
# The parser says which byte is one too many, counted from 1; there is no other way to ask for it.
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")


class Span(NamedTuple):
    """Where a value begins, and where it ends."""

    start: int
    end: int


class Object(NamedTuple):
    """Where the members of an object are.

    Attributes:
        values: The span of each value, by name; of two members of one name, the last counts.
        objects: The nested objects that were asked for.
        close: The position of its closing brace.
    """

    values: dict[str, Span]
    objects: dict[str, "Object"]
    close: int


def read_object(text: bytes, start: int, wanted: Wanted) -> Object | None:
    """Find the members of the object at ``start``; ``None`` if there is no object.

    Args:
        text: The JSON.
        start: Where the object begins.
        wanted: Which nested objects to find the members of, too.

    Raises:
        MsgspecError: The JSON is malformed.
    """
    if text[start : start + 1] != b"{":
        return None
    found = Object({}, {}, 0)
    view = memoryview(text)
    at = _after_space(text, start + 1)
    while text[at : at + 1] != b"}" or found.values:
        name_at = _NAME.match(text, at)
        if name_at is None:
            raise msgspec.DecodeError(f"no name at byte {at}")
        name = _name.decode(view[slice(*name_at.span(1))])
        at = name_at.end()
        nested = read_object(text, at, wanted[name]) if name in wanted else None
        end = _end(view, at) if nested is None else _after_space(text, nested.close + 1)
        found.values[name] = Span(at, end)
        found.objects.pop(name, None)
        if nested is not None:
            found.objects[name] = nested
        at = end
        if text[at : at + 1] == b"}":
            break
        at = _after_comma(text, at)
    return found._replace(close=at)


def decode(text: bytes, span: Span) -> Any:
    """Decode the value at a span.

    Raises:
        MsgspecError: The JSON is malformed.
        ValueError: A string in it is no UTF-8.
    """
    if span.end - span.start > _SLICE:
        first = text[span.start : span.start + 1]
        if first == b"[":
            return _decode_array(text, span)
        members = read_object(text, span.start, {})
        if members is not None:
            return {name: decode(text, value) for name, value in members.values.items()}
    return _decode(memoryview(text)[slice(*span)])


def _decode_array(text: bytes, span: Span) -> list[Any]:
    view, items = memoryview(text), list[Any]()
    close = text.rindex(b"]", *span)
    at = _after_space(text, span.start + 1)
    guesses = True
    while at < close:
        end = _end(view, at)
        batch = _decode_batch(text, at, close) if guesses and end - at < _SHORT else None
        if batch is None:
            guesses = guesses and end - at >= _SHORT
            items.append(decode(text, Span(at, end)))
        else:
            elements, end = batch
            items += elements
        at = end if end >= close else _after_comma(text, end)
    return items


def _decode_batch(text: bytes, start: int, close: int) -> tuple[list[Any], int] | None:
    """Decode elements of an array up to one that begins like the first; return where they end.

    A guess where an element ends is right exactly if what is before it decodes. ``None`` if that
    is so for none of a few guesses.
    """
    like = _ELEMENT_START.match(text, start)
    mark = b"," + (like[0] if like else b"")
    end = start
    for _ in range(_MAX_GUESSES):
        end = text.find(mark, max(end + 1, start + _SLICE), close)
        end = close if end < 0 else end
        try:
            return _value.decode(b"".join((b"[", memoryview(text)[start:end], b"]"))), end
        except (msgspec.MsgspecError, ValueError):
            if end == close:
                break
    return None


def _decode(text: memoryview) -> Any:
    try:
        return _value.decode(text)
    except (msgspec.MsgspecError, ValueError):
        # The standard library accepts the lone surrogates that JavaScript writes.
        return raw_fields.loads(bytes(text))


def _end(text: memoryview, start: int) -> int:
    """Return where the value at ``start`` ends, and white space behind it."""
    size = _WINDOW
    while True:
        window = text[start : start + size]
        try:
            _skip.decode(window)
        except (msgspec.MsgspecError, ValueError) as exc:
            behind = _TRAILING.search(str(exc))
            if behind is not None:
                return start + int(behind[1]) - 1
            if len(window) < size:
                raise
        if len(window) < size:
            raise msgspec.DecodeError("an object is not closed")
        # The window ends inside of the value.
        size *= 4


def _after_space(text: bytes, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _after_comma(text: bytes, at: int) -> int:
    if text[at : at + 1] != b",":
        raise msgspec.DecodeError(f"no comma at byte {at}")
    return _after_space(text, at + 1)
