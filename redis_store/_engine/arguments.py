"""Argument checks of public calls.

Each check returns the value in the form that the call needs, or raises InvalidArgumentError. A call
checks all its arguments before any I/O.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, TypeVar, cast

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from redis_store._cursors import Scope, decode
from redis_store._engine import prepared_values
from redis_store._engine.timestamps import epoch_us, from_epoch_us
from redis_store.errors import InvalidArgumentError
from redis_store.json_values import MAX_DEPTH
from redis_store.models import Resource, Score, Thread
from redis_store.pages import DateRange, Include, Paging

T = TypeVar("T")
Dated = TypeVar("Dated", Thread, Resource, Score)

MAX_ID_BYTES = 1024
# Below 2**53, as ties are pushed up: from there on, neighbouring scores would be the same double.
_MAX_US = 2**53 - 2**40
_EARLIEST, _LATEST = from_epoch_us(-_MAX_US), from_epoch_us(_MAX_US)
_METADATA_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED_KEYS = frozenset({"__proto__", "prototype", "constructor"})


def check_id(argument: str, value: object) -> str:
    """Return an id that can be part of a key: 1 to 1,024 bytes of UTF-8."""
    if type(value) is str and 0 < len(value) <= MAX_ID_BYTES and value.isascii():
        return value
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(argument, "must be a non-empty string", value)
    try:
        size = len(value.encode())
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(argument, "has a lone surrogate", ascii(value)) from exc
    if size > MAX_ID_BYTES:
        raise InvalidArgumentError(argument, "must not exceed 1 kB", value)
    if f"{value}" != value:
        # A str with a format of its own, such as an enum's member, whose value no key would have.
        raise InvalidArgumentError(argument, "must be a str that formats as itself", value)
    return value


def check_ids(argument: str, value: object) -> list[str]:
    """Return a list of ids, each once."""
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise InvalidArgumentError(argument, "must be a list of ids", value)
    ids = [check_id(argument, id_) for id_ in cast("list[object]", value)]
    return list(dict.fromkeys(ids))


def check_id_or_ids(argument: str, value: object) -> list[str]:
    """Return the ids of an argument that is one id or a list of ids, each once."""
    return check_ids(argument, [value] if isinstance(value, str) else value)


def check_thread_id(argument: str, value: object) -> str:
    """Return a thread id whose keys are no other id's: see ``keys``."""
    return _check_before(":id:", argument, value)


def check_thread_ids(argument: str, value: object) -> list[str]:
    """Return one thread id or several as a list."""
    ids = check_id_or_ids(argument, value)
    if not ids:
        raise InvalidArgumentError(argument, "must be an id or several", value)
    return [check_thread_id(argument, id_) for id_ in ids]


def check_run(namespace: object, workflow_name: object, run_id: object) -> None:
    """Check that the run's key is no other run's: see ``keys``."""
    _check_before(":workflow_name:", "namespace", namespace)
    check_workflow_name(workflow_name)
    check_run_id(run_id)


def check_workflow_name(value: object) -> str:
    """Return a workflow name that can be part of a key."""
    return _check_before(":run_id:", "workflow_name", value)


def check_run_id(value: object) -> str:
    """Return a run id whose key cannot be mistaken for one with a resource suffix."""
    return _check_before(":resourceId:", "run_id", value)


def _check_before(separator: str, argument: str, value: object) -> str:
    """Return an id that, in a key, ends at the first separator."""
    id_ = check_id(argument, value)
    if ":" in id_ and separator in f"{id_}{separator[:-1]}":
        why = f"must neither contain {separator!r} nor end in {separator[:-1]!r}"
        raise InvalidArgumentError(argument, why, value)
    return id_


def check_int(argument: str, value: object) -> int:
    """Return an int."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgumentError(argument, "must be an int", value)
    return value


def check_count(argument: str, value: object) -> int:
    """Return an int of 0 or more."""
    count = check_int(argument, value)
    if count < 0:
        raise InvalidArgumentError(argument, "must not be negative", value)
    return count


def check_choice(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    """Check that the value is one of the allowed words."""
    if value not in allowed:
        raise InvalidArgumentError(argument, f"must be one of {allowed}", value)


def check_text(argument: str, value: object) -> None:
    """Check that the value is a string or ``None``."""
    if value is not None and not isinstance(value, str):
        raise InvalidArgumentError(argument, "must be a string or None", value)


def check_title(value: object) -> None:
    """Check that the value is a thread's title, ``None`` or ``UNSET``."""
    if value is not UNSET:
        check_text("title", value)


def check_dict(argument: str, value: object) -> None:
    """Check that the value is a dict."""
    check_instance(argument, value, dict)


def check_json(argument: str, value: object, depth: int = MAX_DEPTH) -> Any:
    """Return a value as it will be read: itself, or what ``json_values`` makes of it."""
    return prepared_values.prepare(argument, value, depth=depth).value


def check_object(argument: str, value: object, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return a dict as it will be read: see ``check_json``."""
    check_dict(argument, value)
    return cast("dict[str, Any]", check_json(argument, value, depth))


def check_instance(argument: str, value: object, kind: type[T]) -> T:
    """Return an instance of a class."""
    if not isinstance(value, kind):
        raise InvalidArgumentError(argument, f"must be a {kind.__name__}", value)
    return value


def check_records(argument: str, value: object, kind: type[T], check: Callable[[T], T]) -> list[T]:
    """Return a list of records of one kind, each as its check returns it."""
    if not isinstance(value, (list, tuple)):
        raise InvalidArgumentError(argument, f"must be a list of {kind.__name__}", value)
    records: list[T] = []
    for at, item in enumerate(cast("list[object]", value)):
        if not isinstance(item, kind):
            why = f"must be a {kind.__name__}"
            raise InvalidArgumentError(argument, why, item, place=f"[{at}]")
        try:
            records.append(check(item))
        except InvalidArgumentError as error:
            error.add_item(f"{argument}[{at}]")
            raise
    return records


def check_ttl(argument: str, value: object) -> None:
    """Check that the value is a timedelta, ``None`` or ``UNSET``."""
    if value is not None and not isinstance(value, (timedelta, UnsetType)):
        raise InvalidArgumentError(argument, "must be a timedelta or None", value)


def check_date(argument: str, value: object) -> datetime:
    """Return an aware datetime in UTC.

    Raises:
        InvalidArgumentError: It is no datetime, is naive, or lies before 1684 or after 2255: the
            score of a sorted set, a double, cannot hold its microseconds.
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidArgumentError(argument, "must be an aware datetime", value)
    if not _EARLIEST < value < _LATEST:
        raise InvalidArgumentError(argument, "must lie in 1684..2255", value)
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def are_utc(dates: Sequence[object]) -> bool:
    """Whether ``check_date`` would return each date as it is; it looks at all of them at once."""
    if set(map(type, dates)) != {datetime}:
        return False
    moments = cast("Sequence[datetime]", dates)
    in_utc = all(moment.tzinfo is UTC for moment in moments)
    return in_utc and min(moments) > _EARLIEST and max(moments) < _LATEST


def check_dates(record: Dated) -> Dated:
    """Return a copy of the record whose dates are in UTC."""
    return replace(
        record,
        created_at=check_date("created_at", record.created_at),
        updated_at=check_date("updated_at", record.updated_at),
    )


def check_bound(argument: str, value: object) -> int | None:
    """Return a date that bounds a listing, in microseconds; ``None`` is no bound."""
    return None if value is None else epoch_us(check_date(argument, value))


def check_date_range(value: object) -> tuple[int | None, int | None]:
    """Return a DateRange as inclusive microseconds; ``None`` is an open end."""
    if value is None:
        return None, None
    date_range = check_instance("date_range", value, DateRange)
    start = check_bound("date_range.start", date_range.start)
    end = check_bound("date_range.end", date_range.end)
    return (
        None if start is None else start + date_range.start_exclusive,
        None if end is None else end - date_range.end_exclusive,
    )


def check_paging(page: object, per_page: object) -> Paging:
    """Return the page to read; a ``page`` above 0 needs a ``per_page``."""
    number = check_count("page", page)
    if per_page is not None:
        return Paging(number, check_count("per_page", per_page))
    if number:
        raise InvalidArgumentError("page", "needs a per_page", page)
    return Paging(number, None)


def check_cursors(paging: Paging, scope: Scope | None, before: object, after: object) -> Paging:
    """Return the page of a listing that has cursors.

    Args:
        paging: The page by its number.
        scope: The listing; ``None`` if it is of several threads, which have no common cursor.
        before: The cursor that the page precedes, if any.
        after: The cursor that the page follows, if any.
    """
    number, size, backwards = paging.page, paging.per_page, before is not None
    argument, text = ("before", before) if backwards else ("after", after)
    if text is None:
        return Paging(number, size, scope)
    if backwards and after is not None:
        raise InvalidArgumentError("before", "excludes after", before)
    if number:
        raise InvalidArgumentError("page", f"must be 0 with {argument}", number)
    if scope is None:
        raise InvalidArgumentError(argument, "needs a listing of one thread", text)
    return Paging(0, size, scope, decode(argument, text, scope), backwards)


def check_includes(value: object) -> list[Include]:
    """Return a list of includes."""
    return check_records("include", value, Include, _check_include)


def _check_include(include: Include) -> Include:
    check_id("include", include.id)
    check_count("include", include.with_previous_messages)
    check_count("include", include.with_next_messages)
    return include


def check_metadata(value: object) -> dict[str, Any]:
    """Return a filter on metadata, whose keys are identifiers; ``None`` filters nothing."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidArgumentError("metadata", "must be a dict", value)
    wanted = dict(cast("Mapping[str, Any]", value))
    for key in wanted:
        if not _is_metadata_key(key):
            raise InvalidArgumentError("metadata", f"has an invalid key {key!r}", key)
    # As they are stored: an enum's member must match its value.
    return cast("dict[str, Any]", check_json("metadata", wanted))


def _is_metadata_key(key: object) -> bool:
    return isinstance(key, str) and bool(_METADATA_KEY.fullmatch(key)) and key not in _RESERVED_KEYS


def check_scalars(value: object) -> dict[str, Any]:
    """Return a filter on metadata whose values are str, finite numbers, bool or None."""
    wanted = check_metadata(value)
    for key, scalar in wanted.items():
        if not _is_scalar(scalar):
            why = f"has a value for {key!r} that is no str, finite number, bool or None"
            raise InvalidArgumentError("metadata", why, scalar)
    return wanted


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, (str, int))
