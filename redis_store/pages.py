"""Pages of listings, and the arguments that select them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from redis_store import json_values
from redis_store.wire import WireForm, to_wire

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

    def to_dict(self, name: str = "items") -> dict[str, Any]:
        """Return the page as JSON values in Mastra's form, where ``perPage: false`` is all.

        Args:
            name: What the items are called: Mastra's listings have ``threads``, ``messages``,
                ``runs`` and ``scores``.
        """
        return {
            name: [to_wire(name, item) for item in self.items],
            "total": self.total,
            "page": self.page,
            "perPage": False if self.per_page is None else self.per_page,
            "hasMore": self.has_more,
        }

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
    """The page of a listing to return."""

    page: int
    per_page: int | None

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

    def of_items(self, items: list[T], total: int) -> Page[T]:
        """Build the page from its items and the total."""
        has_more = self.end is not None and self.offset + len(items) < total
        return self.with_more(items, total, has_more=has_more)

    def with_more(self, items: list[T], total: int | None, *, has_more: bool) -> Page[T]:
        """Build the page with a given ``has_more``, if it does not follow from the total."""
        return Page(
            items=items, total=total, page=self.page, per_page=self.per_page, has_more=has_more
        )
