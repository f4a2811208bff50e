"""Pages of listings, and the arguments that select them."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from redis_store import json_values
from redis_store._cursors import Cursor, Scope, encode
from redis_store._wire import WireForm, to_wire

T = TypeVar("T")

Direction = Literal["asc", "desc"]
ThreadOrder = Literal["created_at", "updated_at"]


class Page(WireForm, Generic[T], kw_only=True):
    """One page of a listing; it has a length and iterates over its items.

    Attributes:
        items: The records of this page.
        total: How many records match the filters; ``None`` if counting was switched off.
        page: The page's number, from 0.
        per_page: Records per page; ``None`` is all.
        has_more: Whether there are matching records after this page.
        next_cursor: Where this page ends: as ``after=`` it lists the next page. ``None`` if nothing
            follows, and for listings without cursors.
        previous_cursor: Where this page begins: as ``before=`` it lists the page that precedes this
            one. ``None`` if nothing does, and for listings without cursors.
    """

    items: list[T]
    total: int | None
    page: int
    per_page: int | None
    has_more: bool
    next_cursor: str | None = None
    previous_cursor: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def to_dict(self, name: str = "items") -> dict[str, Any]:
        """Return the page as JSON values in Mastra's form, where ``perPage: false`` is all.

        Mastra has no cursors; a page that has some adds ``nextCursor`` and ``previousCursor``.

        Args:
            name: What the items are called: Mastra's listings have ``threads``, ``messages``,
                ``runs`` and ``scores``.
        """
        ends = {"nextCursor": self.next_cursor, "previousCursor": self.previous_cursor}
        return {
            name: [to_wire(name, item) for item in self.items],
            "total": self.total,
            "page": self.page,
            "perPage": False if self.per_page is None else self.per_page,
            "hasMore": self.has_more,
        } | {end: cursor for end, cursor in ends.items() if cursor is not None}

    def to_json(self, name: str = "items") -> str:
        """Return the JSON of ``to_dict``."""
        return json_values.encode(self.to_dict(name)).decode()


class DateRange(msgspec.Struct, frozen=True):
    """A range of timezone-aware datetimes. A missing end is open; ends are inclusive by default."""

    start: datetime | None = None
    end: datetime | None = None
    start_exclusive: bool = False
    end_exclusive: bool = False


class Include(msgspec.Struct, frozen=True):
    """A message to return besides the page, with neighbours from its own thread."""

    id: str
    with_previous_messages: int = 0
    with_next_messages: int = 0


class Paging(msgspec.Struct, frozen=True):
    """The page of a listing to return: by its number, or next to a cursor.

    Attributes:
        page: The page's number; 0 with a cursor.
        per_page: Records per page; ``None`` is all.
        scope: The listing, if its pages have cursors.
        cursor: The cursor where the page begins, or where it ends if ``backwards``.
        backwards: Whether the page precedes the cursor. It is then read towards the listing's
            start, and reversed.
    """

    page: int
    per_page: int | None
    scope: Scope | None = None
    cursor: Cursor | None = None
    backwards: bool = False

    @property
    def offset(self) -> int:
        """How many records come before the page."""
        return self.page * (self.per_page or 0)

    @property
    def end(self) -> int | None:
        """The offset just after the page; ``None`` if the page is everything."""
        return None if self.per_page is None else self.offset + self.per_page

    def cut(self, items: list[T], total: int | None = None) -> Page[T]:
        """Slice the page out of the whole listing."""
        total = len(items) if total is None else total
        return self.of_items(items[self.offset : self.end], total)

    def of_items(self, items: list[T], total: int, start: int | None = None) -> Page[T]:
        """Build the page from its items and the total.

        Args:
            items: The page's records.
            total: How many records match.
            start: How many of them precede the page, if its number does not tell.
        """
        first = self.offset if start is None else start
        is_all = self.end is None and self.cursor is None
        has_more = not is_all and first + len(items) < total
        return self.with_more(items, total, has_more=has_more)

    def start(self, passed: int, size: int, total: int) -> int:
        """Return how many records precede a page of this size.

        Args:
            passed: How many records precede the page in the order in which it is read.
            size: How many records are on the page.
            total: How many records match.
        """
        return total - passed - size if self.backwards else passed

    def link(
        self,
        page: Page[T],
        *,
        has_previous: bool,
        first: Callable[[], Cursor],
        last: Callable[[], Cursor],
    ) -> Page[T]:
        """Give a page the cursors before its first and after its last record."""
        if self.scope is None or self.per_page == 0:
            return page
        if not page.items:
            # Such a page is where its own cursor is.
            if self.cursor is None:
                return page
            here = encode(self.scope, self.cursor)
            page.previous_cursor = here if has_previous else None
            page.next_cursor = here if page.has_more else None
            return page
        if has_previous:
            page.previous_cursor = encode(self.scope, first())
        if page.has_more:
            page.next_cursor = encode(self.scope, last())
        return page

    def with_more(self, items: list[T], total: int | None, *, has_more: bool) -> Page[T]:
        """Build the page with a given ``has_more``, if it does not follow from the total."""
        return Page(
            items=items, total=total, page=self.page, per_page=self.per_page, has_more=has_more
        )
