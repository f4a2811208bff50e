"""Filters on metadata: which are allowed, and what they match."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, cast

from redis_store.errors import InvalidArgumentError
from redis_store.json_values import is_object, same

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
    return is_object(metadata) and all(
        key in metadata and same(metadata[key], value) for key, value in wanted.items()
    )
