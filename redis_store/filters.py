"""Filters on metadata: which are allowed, and how JSON values compare."""

import re
from collections.abc import Mapping
from itertools import starmap
from math import isfinite
from typing import Any, cast

from redis_store.errors import InvalidArgumentError

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED = frozenset({"__proto__", "prototype", "constructor"})


def check_metadata(operation: str, metadata: object) -> dict[str, Any]:
    """Return a metadata filter whose keys can be asked for; ``None`` filters nothing.

    Raises:
        InvalidArgumentError: No dict, or a key that is no identifier of at most 128 characters.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InvalidArgumentError.of(operation, "metadata", "must be a dict", metadata)
    wanted = dict(cast("Mapping[str, Any]", metadata))
    for key in wanted:
        if not _is_key(key):
            raise InvalidArgumentError.of(operation, "metadata", f"has an invalid key {key!r}", key)
    return wanted


def _is_key(key: object) -> bool:
    return isinstance(key, str) and bool(_KEY.fullmatch(key)) and key not in _RESERVED


def check_scalars(operation: str, metadata: object) -> dict[str, Any]:
    """Return a metadata filter whose values are str, finite number, bool or None."""
    wanted = check_metadata(operation, metadata)
    for key, value in wanted.items():
        if not _is_scalar(value):
            why = f"has a value for {key!r} that is no str, finite number, bool or None"
            raise InvalidArgumentError.of(operation, "metadata", why, value)
    return wanted


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, (str, int))


def matches(metadata: object, wanted: Mapping[str, Any]) -> bool:
    """Whether every wanted key is there with an equal JSON value.

    A missing key matches nothing, ``None`` included.
    """
    if not wanted:
        return True
    if not isinstance(metadata, dict):
        return False
    stored = cast("dict[str, Any]", metadata)
    return all(key in stored and same_json(stored[key], wanted[key]) for key in wanted)


def same_json(left: Any, right: Any) -> bool:
    """Compare JSON values by type: ``1``, ``"1"`` and ``True`` differ, ``1`` and ``1.0`` do not."""
    if isinstance(left, dict) and isinstance(right, dict):
        return _same_dict(cast("dict[str, Any]", left), cast("dict[str, Any]", right))
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return _same_list(cast("list[Any]", left), cast("list[Any]", right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right
    return type(left) is type(right) and bool(left == right)


def _same_dict(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(same_json(left[key], right[key]) for key in left)


def _same_list(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(starmap(same_json, zip(left, right, strict=True)))
