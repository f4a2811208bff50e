"""Stored JSON without records: its raw fields, which an update keeps byte for byte."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from redis_store import json_values
from redis_store.errors import CorruptRecordError
from redis_store.json_values import is_object

Fields = dict[str, Raw]

# What decoding raises for stored bytes that it refuses.
UNREADABLE = (msgspec.MsgspecError, TypeError, ValueError, RecursionError)

_fields = msgspec.json.Decoder(Fields)


def decode_value(key: str, stored: bytes) -> Any:
    """Decode any JSON value; bytes that are no JSON are text.

    Raises:
        CorruptRecordError: It is nested too deep.
    """
    try:
        return loads(stored)
    except ValueError:
        return stored.decode(errors="replace")
    except RecursionError as exc:
        raise corrupt(key, exc) from exc


def loads(text: str | bytes) -> Any:
    """Decode JSON by the standard library, which accepts half a surrogate pair."""
    # Not the bytes: json.loads() guesses UTF-16 or UTF-32 from the position of zero bytes.
    text = text.decode() if isinstance(text, bytes) else text
    return json.loads(text, parse_constant=_no_json, parse_float=_finite)


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number


def decode_fields(key: str, stored: bytes) -> Fields:
    """Split a record into its raw fields, so that an update keeps unknown ones."""
    try:
        return parse(stored)
    except UNREADABLE as exc:
        raise corrupt(key, exc) from exc


def fields_of(value: Raw | None) -> Fields | None:
    """Split a raw value into its raw fields; ``None`` if it is no object."""
    try:
        return None if value is None else parse(value)
    except UNREADABLE:
        return None


def parse(stored: bytes | Raw) -> Fields:
    """Split stored JSON into its raw fields; raises one of ``UNREADABLE``."""
    try:
        return _fields.decode(stored)
    except (msgspec.MsgspecError, ValueError):
        # msgspec refuses half a surrogate pair, which JavaScript writes when it cuts an emoji.
        fields = loads(bytes(stored))
        if not is_object(fields):
            raise
        return split(fields)


def value_of(value: Raw | None) -> Any:
    """Decode a raw value; ``None`` where it cannot be."""
    try:
        return None if value is None else loads(bytes(value))
    except UNREADABLE:
        return None


def split(value: dict[str, Any]) -> Fields:
    """Encode an object's fields one by one."""
    return {name: Raw(json_values.encode(item)) for name, item in value.items()}


def join(fields: Fields) -> Raw:
    """Join raw fields; those that were not replaced keep their bytes."""
    return Raw(json_values.encode(fields))


def patch(key: str, stored: bytes, changes: Mapping[str, object]) -> bytes:
    """Replace some fields of a stored record; the others keep their bytes.

    Args:
        key: Where the record is stored, for errors.
        stored: The record.
        changes: New values by wire name; ``UNSET`` removes the field.
    """
    fields = decode_fields(key, stored)
    for name, value in changes.items():
        if value is UNSET:
            fields.pop(name, None)
        else:
            fields[name] = Raw(json_values.encode(value))
    return json_values.encode(fields)


def corrupt(key: str, cause: Exception) -> CorruptRecordError:
    """Build the error for stored bytes that decoding refused."""
    too_deep = isinstance(cause, RecursionError)
    return CorruptRecordError(key, "it is nested too deep" if too_deep else str(cause))
