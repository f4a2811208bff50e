"""Filters: which items a search returns, by the fields of their values."""

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from redis_store.errors import InvalidArgumentError
from redis_store.json_values import is_array, is_object

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
_OPERATORS = frozenset({"$eq", "$ne", *_ORDERS})


def check_filter(wanted: object) -> dict[str, Any]:
    """Return a filter.

    Raises:
        InvalidArgumentError: It is no dict, or has an unknown operator.
    """
    if not is_object(wanted):
        raise InvalidArgumentError("filter", "must be a dict", wanted)
    for value in wanted.values():
        _check_operators(value)
    return wanted


def _check_operators(value: object) -> None:
    if is_object(value):
        unknown = {key for key in value if key.startswith("$")} - _OPERATORS
        if unknown:
            raise InvalidArgumentError(
                "filter", f"has the unknown operator {min(unknown)!r}", value
            )
        for each in value.values():
            _check_operators(each)


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a value has all fields that are wanted.

    A name with dots is that of a field, or else the path to a nested one. A dict of operators
    compares: ``$eq``, ``$ne``, ``$gt``, ``$gte``, ``$lt``, ``$lte``, of which the last four compare
    numbers with numbers, and texts with texts. A dict of names is met by a dict that has them.
    """
    return all(_meets(_field(value, name), expected) for name, expected in wanted.items())


def _field(value: Mapping[str, Any], name: str) -> Any:
    if name in value:
        return value[name]
    found: Any = value
    for step in name.split("."):
        if not is_object(found):
            return None
        found = found.get(step)
    return found


def _meets(found: Any, expected: Any) -> bool:
    if is_object(expected):
        if any(key.startswith("$") for key in expected):
            return all(_compares(found, operator, to) for operator, to in expected.items())
        return is_object(found) and all(
            _meets(found.get(name), each) for name, each in expected.items()
        )
    if is_array(expected):
        return (
            is_array(found)
            and len(found) == len(expected)
            and all(_meets(one, other) for one, other in zip(found, expected, strict=True))
        )
    return bool(found == expected)


def _compares(found: Any, operator: str, to: Any) -> bool:
    if operator in ("$eq", "$ne"):
        return bool(found == to) is (operator == "$eq")
    comparable = (_is_number(found) and _is_number(to)) or (
        isinstance(found, str) and isinstance(to, str)
    )
    return comparable and _ORDERS[operator](found, to)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))
