"""Pages of messages: of one thread, of several merged, and with included messages."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from redis_store._cursors import Cursor, Scope, beside
from redis_store._engine import codecs
from redis_store._engine.arguments import (
    check_choice,
    check_cursors,
    check_date_range,
    check_id,
    check_includes,
    check_paging,
    check_scalars,
)
from redis_store._engine.database import Database
from redis_store._engine.timestamps import epoch_us
from redis_store.memory import windows
from redis_store.memory.locations import find, find_moved
from redis_store.memory.message_filter import Filter
from redis_store.memory.windows import Messages, Position, Row, Slice, Window
from redis_store.models import Message
from redis_store.pages import DateRange, Direction, Include, Page

# How often a merged page is read again because its messages changed while it was read.
_REREADS = 3


class PageRequest:
    """The validated arguments of a listing of messages."""

    def __init__(
        self,
        *,
        page: int,
        per_page: int | None,
        direction: Direction,
        date_range: DateRange | None,
        metadata: dict[str, Any] | None,
        include: Sequence[Include],
        resource_id: str | None,
        thread_ids: Sequence[str] = (),
        before: str | None = None,
        after: str | None = None,
    ) -> None:
        check_choice("direction", direction, ("asc", "desc"))
        self.direction: Direction = direction
        self.descending = direction == "desc"
        # Merged threads have no cursors: where dates tie, their order depends on the threads'
        # scores, which change when messages are pushed up.
        scope = Scope("messages", thread_ids[0], self.descending) if len(thread_ids) == 1 else None
        self.paging = check_cursors(check_paging(page, per_page), scope, before, after)
        self.include = check_includes(include)
        if resource_id:
            check_id("resource_id", resource_id)
        from_us, to_us = check_date_range(date_range)
        self.filter = Filter(
            from_us=from_us,
            to_us=to_us,
            resource_id=resource_id,
            metadata=check_scalars(metadata),
        )

    def window(self, thread_id: str, *, skip: int = 0, take: int | None) -> Window:
        """Build a window of a thread with the request's filter and cursor."""
        return Window(
            thread_id=thread_id,
            direction="asc" if self.descending == self.paging.backwards else "desc",
            filter=self.filter,
            cursor=self.paging.cursor,
            skip=skip,
            take=take,
        )

    def sorted(self, rows: Iterable[Row]) -> list[Message]:
        """Sort rows in the requested direction."""
        return [row.message for row in sorted(rows, key=position_of, reverse=self.descending)]

    def page_of(self, found: Messages) -> Page[Message]:
        """Build the page of the messages of a window."""
        start = self.paging.start(found.passed, len(found.items), found.total)
        items = found.items[::-1] if self.paging.backwards else found.items
        scores = found.scores[::-1] if self.paging.backwards else found.scores
        page = self.paging.of_items(items, found.total, start)
        return self.paging.link(
            page,
            has_previous=start > 0,
            first=lambda: self._cursor(items, scores[0], is_last=False, is_all=not page.has_more),
            last=lambda: self._cursor(items[::-1], scores[-1], is_last=True, is_all=not start),
        )

    def _cursor(
        self, nearest_first: Sequence[Message], score: int, *, is_last: bool, is_all: bool
    ) -> Cursor:
        """Build the cursor at one end of a page."""
        return beside(
            ((epoch_us(message.created_at), message.id) for message in nearest_first),
            score,
            follows=is_last != self.descending,
            is_all=is_all,
            beyond=self.paging.cursor if is_last != self.paging.backwards else None,
        )


async def read_thread_page(
    db: Database, request: PageRequest, thread_id: str, *, include_total: bool
) -> Page[Message]:
    """Read a page of one thread, without included messages.

    Nothing is merged, so the messages are read without their positions.
    """
    paging = request.paging
    if paging.per_page == 0:
        return paging.of_items([], 0)
    window = request.window(thread_id, skip=paging.offset, take=paging.per_page)
    page = request.page_of(await windows.messages(db, window))
    if not include_total:
        page.total = None
    return page


async def read_page(
    db: Database, request: PageRequest, thread_ids: list[str], *, include_total: bool
) -> Page[Message]:
    """Read a page of several threads, merged, with the included messages."""
    paging = request.paging
    if paging.per_page == 0 and not request.include:
        return paging.of_items([], 0)
    included = await _included(db, request)
    if paging.per_page == 0:
        return paging.of_items(request.sorted(included), 0)
    found = await _select(db, request, thread_ids)
    page = request.page_of(found.without_positions())
    if included:
        rows = found.rows[::-1] if paging.backwards else found.rows
        start = paging.start(found.passed, len(rows), found.total)
        # Included messages that follow the page are returned already and do not count as more.
        early = _included_after(rows, included, request, set(thread_ids))
        if start + len(rows) + len(early) >= found.total:
            page.has_more, page.next_cursor = False, None
        # By id: a message of the page may be included too, and is returned once.
        returned = {row.position.id: row for row in [*included, *rows]}
        page.items = request.sorted(returned.values())
    if not include_total:
        page.total = None
    return page


async def read_by_id(db: Database, ids: Sequence[str]) -> list[Row]:
    """Read messages by id, in any order; unknown ids are left out.

    One round trip; a few more for messages that are moved to another thread meanwhile.
    """
    rows: list[Row] = []
    while ids:
        found = (await find(db, ids)).messages
        missing: dict[str, str] = {}
        for id_, (thread_id, body, score) in found.items():
            if body is None:
                missing[id_] = thread_id
            else:
                rows.append(_row(db, id_, thread_id, body, score))
        ids = list(await find_moved(db, missing))
    return rows


def position_of(row: Row) -> Position:
    """Return a row's position, by which messages are sorted."""
    return row.position


async def _select(db: Database, request: PageRequest, thread_ids: list[str]) -> Slice:
    """Read the page's rows, and how many match."""
    paging = request.paging
    if len(thread_ids) == 1:
        window = request.window(thread_ids[0], skip=paging.offset, take=paging.per_page)
        (found,) = await windows.read(db, [window])
        return found
    rows, total = list[Row](), 0
    for attempt in count():
        # `skip` applies to the merged threads: everything up to the page's end may be in any one.
        read = await windows.positions(
            db, [request.window(id_, take=paging.end) for id_ in thread_ids]
        )
        merged = sorted(
            (position for _, positions in read for position in positions),
            reverse=request.descending,
        )
        chosen = await windows.read_at(db, merged[paging.offset : paging.end])
        if chosen is None:
            continue
        # Between the two reads a thread may get another owner; its messages must not be shown to
        # the former one, so the page is read again. A message that never passes was selected by
        # a wrong score or count of another writer: it is left out.
        rows = [row for row in chosen if request.filter.accepts(row.message)]
        if len(rows) == len(chosen) or attempt >= _REREADS:
            total = sum(total for total, _ in read)
            break
    return Slice(total, paging.offset, rows)


async def _included(db: Database, request: PageRequest) -> list[Row]:
    """Read the included messages that the resource may see, each with its neighbours."""
    if not request.include:
        return []
    ids = list(dict.fromkeys(item.id for item in request.include))
    # Dates and metadata select the page only; an included message needs just the right resource.
    scope = Filter(resource_id=request.filter.resource_id)
    targets = {
        row.position.id: row for row in await read_by_id(db, ids) if scope.accepts(row.message)
    }
    around = [
        Window(
            thread_id=targets[item.id].position.thread_id,
            direction=direction,
            filter=scope,
            cursor=_beside_target(targets[item.id].position, direction),
            take=count,
        )
        for item in request.include
        if item.id in targets
        for direction, count in _sides(item)
    ]
    neighbours = [row for found in await windows.read(db, around) for row in found.rows]
    return list({row.position.id: row for row in [*targets.values(), *neighbours]}.values())


def _beside_target(target: Position, direction: Direction) -> Cursor:
    here = [(target.created_us, target.id)]
    return beside(here, target.score, follows=direction == "asc", is_all=True)


def _row(db: Database, id_: str, thread_id: str, body: bytes, score: bytes | float | None) -> Row:
    message = codecs.decode_message(db.keys.message(thread_id, id_), body)
    us = epoch_us(message.created_at)
    # A message that the timeline has lost sorts by its date, until `verify` repairs the timeline.
    return Row(Position(us, us if score is None else int(float(score)), thread_id, id_), message)


def _sides(item: Include) -> list[tuple[Direction, int]]:
    sides: list[tuple[Direction, int]] = [
        ("desc", item.with_previous_messages),
        ("asc", item.with_next_messages),
    ]
    return [side for side in sides if side[1]]


def _included_after(
    rows: list[Row], included: list[Row], request: PageRequest, thread_ids: set[str]
) -> set[str]:
    """Return the included messages that sort after this page.

    Under a metadata filter ``has_more`` follows from the page and the total alone, so there are
    none.
    """
    if not rows or request.filter.metadata:
        return set()
    last = rows[-1].position
    return {
        row.position.id
        for row in included
        if row.position.thread_id in thread_ids
        and request.filter.accepts(row.message)
        and (row.position < last if request.descending else row.position > last)
    }
