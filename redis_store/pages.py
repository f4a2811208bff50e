"""Pages and the arguments that choose them, validated once for every listing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Generic, Literal, TypeVar, cast

import msgspec

from redis_store._engine.keys import check_id
from redis_store.errors import InvalidArgumentError

T = TypeVar("T")

Direction = Literal["asc", "desc"]
ThreadOrder = Literal["created_at", "updated_at"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Not 2**53: from there on, ties pushed up would share a score.
_MAX_US = 2**53 - 2**40


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """One page of a listing; it has a length and iterates over its items.

    Attributes:
        items: The records of this page.
        total: How many records match the filters; ``None`` when counting was switched off.
        page: The page's number, from 0.
        per_page: Its size; ``None`` means all.
        has_more: Whether a matching record lies after this page.
    """

    items: list[T]
    total: int | None
    page: int
    per_page: int | None
    has_more: bool

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)


class DateRange(msgspec.Struct, frozen=True):
    """A range of timezone-aware datetimes; a missing end is open, ends are inclusive by default."""

    start: datetime | None = None
    end: datetime | None = None
    start_exclusive: bool = False
    end_exclusive: bool = False


class Include(msgspec.Struct, frozen=True):
    """A message to return beside the page, with neighbours from its own thread."""

    id: str
    with_previous_messages: int = 0
    with_next_messages: int = 0


class Paging(msgspec.Struct, frozen=True):
    """A validated choice of page."""

    page: int
    per_page: int | None

    @classmethod
    def of(cls, operation: str, page: object, per_page: object) -> "Paging":
        """Validate the page arguments of an operation.

        Raises:
            InvalidArgumentError: One is negative or no int, or ``page > 0`` without ``per_page``.
        """
        page = check_count(operation, "page", page)
        if per_page is not None:
            return cls(page, check_count(operation, "per_page", per_page))
        if page:
            raise InvalidArgumentError.of(operation, "page", "needs a per_page", page)
        return cls(page, None)

    @property
    def offset(self) -> int:
        """How many records lie before the page."""
        return self.page * (self.per_page or 0)

    @property
    def end(self) -> int | None:
        """The offset just after the page; ``None`` when the page is everything."""
        return None if self.per_page is None else self.offset + self.per_page

    def cut(self, items: list[T], total: int | None = None) -> Page[T]:
        """Cut the page out of the whole listing."""
        total = len(items) if total is None else total
        return self.of_items(items[self.offset : self.end], total)

    def of_items(self, items: list[T], total: int) -> Page[T]:
        """Build the page from its items and the total."""
        has_more = self.end is not None and self.offset + len(items) < total
        return self.with_more(items, total, has_more=has_more)

    def with_more(self, items: list[T], total: int | None, *, has_more: bool) -> Page[T]:
        """Build the page where ``has_more`` does not follow from the total."""
        return Page(
            items=items, total=total, page=self.page, per_page=self.per_page, has_more=has_more
        )


def check_int(operation: str, argument: str, value: object) -> int:
    """Return an int, or raise InvalidArgumentError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgumentError.of(operation, argument, "must be an int", value)
    return value


def check_count(operation: str, argument: str, value: object) -> int:
    """Return a non-negative int, or raise InvalidArgumentError."""
    count = check_int(operation, argument, value)
    if count < 0:
        raise InvalidArgumentError.of(operation, argument, "must not be negative", value)
    return count


def check_choice(operation: str, argument: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise InvalidArgumentError unless the value is one of the allowed words."""
    if value not in allowed:
        raise InvalidArgumentError.of(operation, argument, f"must be one of {allowed}", value)


def check_dict(operation: str, argument: str, value: object) -> None:
    """Raise InvalidArgumentError unless the value is a dict."""
    if not isinstance(value, dict):
        raise InvalidArgumentError.of(operation, argument, "must be a dict", value)


def epoch_us(moment: datetime) -> int:
    """Return the exact microseconds since 1970 of an aware datetime."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_epoch_us(us: int) -> datetime:
    """Return the UTC datetime of exact microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def iso(us: int) -> str:
    """Return microseconds since 1970 as ISO 8601 in UTC, with six digits of fraction."""
    return from_epoch_us(us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def check_date(operation: str, argument: str, value: object) -> datetime:
    """Return an aware datetime in UTC.

    Raises:
        InvalidArgumentError: No datetime, a naive one, or one whose microseconds a sorted set's
            score (a double) cannot hold: before 1684 or after 2255.
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidArgumentError.of(operation, argument, "must be an aware datetime", value)
    if abs(epoch_us(value)) >= _MAX_US:
        raise InvalidArgumentError.of(operation, argument, "must lie in 1684..2255", value)
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def range_us(operation: str, date_range: object) -> tuple[int | None, int | None]:
    """Return a DateRange as inclusive microseconds; ``None`` for an open end."""
    if date_range is None:
        return None, None
    if not isinstance(date_range, DateRange):
        raise InvalidArgumentError.of(operation, "date_range", "must be a DateRange", date_range)
    start = _bound(operation, "date_range.start", date_range.start)
    end = _bound(operation, "date_range.end", date_range.end)
    return (
        None if start is None else start + date_range.start_exclusive,
        None if end is None else end - date_range.end_exclusive,
    )


def _bound(operation: str, argument: str, value: object) -> int | None:
    return None if value is None else epoch_us(check_date(operation, argument, value))


def check_include(operation: str, include: object) -> list[Include]:
    """Return the includes as a list, each of them valid."""
    if not isinstance(include, (list, tuple)):
        raise InvalidArgumentError.of(operation, "include", "must be a list of Include", include)
    return [_checked_include(operation, item) for item in cast("list[object]", include)]


def _checked_include(operation: str, item: object) -> Include:
    if not isinstance(item, Include):
        raise InvalidArgumentError.of(operation, "include", "must hold Include", item)
    check_id(operation, "include", item.id)
    check_count(operation, "include", item.with_previous_messages)
    check_count(operation, "include", item.with_next_messages)
    return item
