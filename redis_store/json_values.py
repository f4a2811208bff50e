"""JSON values: type checks and comparison."""

from collections.abc import Mapping
from itertools import starmap
from math import isfinite
from typing import Any, TypeGuard

import msgspec


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether the value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether the value is a JSON array."""
    return isinstance(value, (list, tuple))


def same(left: object, right: object) -> bool:
    """Compare JSON values by type: ``1``, ``"1"`` and ``True`` differ, ``1`` and ``1.0`` do not."""
    if is_object(left) and is_object(right):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if is_array(left) and is_array(right):
        return len(left) == len(right) and all(starmap(same, zip(left, right, strict=True)))
    if _is_number(left) and _is_number(right):
        return left == right
    return type(left) is type(right) and left == right


def has_fields(value: object, wanted: Mapping[str, Any]) -> bool:
    """Whether the value is an object with all wanted fields and their values.

    A missing field is not ``None``. If no fields are wanted, any value matches.
    """
    if not wanted:
        return True
    return is_object(value) and all(
        key in value and same(value[key], field) for key, field in wanted.items()
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Whether all floats in a value, or in a record's fields, are finite."""
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, msgspec.Struct):
        return all(is_finite(getattr(value, name)) for name in value.__struct_fields__)
    if is_object(value):
        return all(map(is_finite, value.values()))
    return not is_array(value) or all(map(is_finite, value))
