"""LangGraph's operations on items: what is checked of them, and which namespaces they mean."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import isfinite

from redis_store._engine.arguments import check_count
from redis_store._engine.timestamps import to_ms
from redis_store.errors import InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.langgraph.arguments import check_part
from redis_store.integrations.langgraph.filters import check_filter

with requires("langgraph"):
    from langgraph.store.base import (
        GetOp,
        InvalidNamespaceError,
        ListNamespacesOp,
        MatchCondition,
        Op,
        PutOp,
        SearchOp,
        validate_op_namespace,
    )


def check_operation(op: Op) -> None:
    """Check all of an operation that can be without running it.

    Raises:
        InvalidArgumentError: A key, value, filter, lifetime or number cannot be used.
        InvalidNamespaceError: Nor can a label.
    """
    validate_op_namespace(op)
    if isinstance(op, (GetOp, PutOp)):
        if not op.namespace:
            raise InvalidNamespaceError("Namespace cannot be empty.")
        check_part("key", op.key)
    if isinstance(op, PutOp):
        ttl_ms_of(op.ttl)
        _check_value(op.value)
    if isinstance(op, SearchOp):
        check_filter(op.filter or {})
    if isinstance(op, (SearchOp, ListNamespacesOp)):
        check_count("limit", op.limit)
        check_count("offset", op.offset)


def _check_value(value: object) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise InvalidArgumentError("value", "must be a dict", value)


def ttl_ms_of(minutes: float | None) -> int:
    """Return a lifetime in ms; 0 is for ever."""
    if minutes is None:
        return 0
    if not isfinite(minutes) or minutes <= 0:
        raise InvalidArgumentError("ttl", "must be a positive number of minutes", minutes)
    return max(1, to_ms(timedelta(minutes=minutes)))


def constant_labels(path: Sequence[str]) -> tuple[str, ...]:
    """Return the labels before the first wildcard."""
    path = tuple(path)
    return path[: path.index("*")] if "*" in path else path


def fits(namespace: Sequence[str], condition: MatchCondition) -> bool:
    """Whether a namespace starts or ends with the labels of a condition."""
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    start = 0 if condition.match_type == "prefix" else len(namespace) - len(path)
    part = namespace[start : start + len(path)]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))
