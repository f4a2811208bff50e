"""Pages of messages: of one thread, of several merged, and with included messages."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from redis_store._engine import codecs
from redis_store._engine.arguments import (
    check_choice,
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
from redis_store.memory.windows import Filter, Position, Row, Window
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
    ) -> None:
        self.paging = check_paging(page, per_page)
        check_choice("direction", direction, ("asc", "desc"))
        self.direction: Direction = direction
        self.descending = direction == "desc"
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
        """Build a window of a thread with the request's filter."""
        return Window(
            thread_id=thread_id,
            direction=self.direction,
            filter=self.filter,
            skip=skip,
            take=take,
        )

    def sorted(self, rows: Iterable[Row]) -> list[Message]:
        """Sort rows in the requested direction."""
        return [row.message for row in sorted(rows, key=position_of, reverse=self.descending)]


async def read_thread_page(
    db: Database, request: PageRequest, thread_id: str, *, include_total: bool
) -> Page[Message]:
    """Read a page of one thread, without included messages.

    Nothing is merged, so the messages are read without their positions.
    """
    paging, size = request.paging, request.paging.per_page
    if size == 0:
        return paging.of_items([], 0)
    # Without a total, one message beyond the page tells whether there are more.
    take = None if size is None else size + (not include_total)
    window = request.window(thread_id, skip=paging.offset, take=take)
    total, messages = await windows.messages(db, window)
    if include_total:
        return paging.of_items(messages, total)
    has_more = size is not None and len(messages) > size
    return paging.with_more(messages[:size], None, has_more=has_more)


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
    # All included messages may come right after the page and do not count as more; so without a
    # total, it takes one row more than there are included messages to decide `has_more`.
    beyond = 0 if include_total else 1 + len(included)
    rows, total = await _select(db, request, thread_ids, beyond)
    rows, following = _split(rows, paging.per_page)
    returned_early = _included_after(rows, included, request, set(thread_ids))
    if not include_total:
        has_more = any(row.position.id not in returned_early for row in following)
    elif paging.end is None:
        has_more = False
    else:
        has_more = paging.offset + len(rows) + len(returned_early) < total
    # By id: a message of the page may be included too, and is returned once.
    returned = {row.position.id: row for row in [*included, *rows]}
    items = request.sorted(returned.values()) if included else [row.message for row in rows]
    return paging.with_more(items, total if include_total else None, has_more=has_more)


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


async def _select(
    db: Database, request: PageRequest, thread_ids: list[str], beyond: int
) -> tuple[list[Row], int]:
    """Read the page's rows, ``beyond`` more rows after its end, and the total."""
    paging = request.paging
    take = None if paging.per_page is None else paging.per_page + beyond
    if len(thread_ids) == 1:
        window = request.window(thread_ids[0], skip=paging.offset, take=take)
        ((total, rows),) = await windows.read(db, [window])
        return rows, total
    end = None if take is None else paging.offset + take
    rows, total = list[Row](), 0
    for attempt in count():
        # `skip` applies to the merged threads: everything up to the page's end may be in any one.
        found = await windows.positions(db, [request.window(id_, take=end) for id_ in thread_ids])
        merged = sorted(
            (position for _, positions in found for position in positions),
            reverse=request.descending,
        )
        chosen = await windows.read_at(db, merged[paging.offset : end])
        if chosen is None:
            continue
        # Between the two reads a thread may get another owner; its messages must not be shown to
        # the former one, so the page is read again. A message that never passes was selected by
        # a wrong score or count of another writer: it is left out.
        rows = [row for row in chosen if request.filter.accepts(row.message)]
        if len(rows) == len(chosen) or attempt >= _REREADS:
            total = sum(total for total, _ in found)
            break
    return rows, total


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
            cursor=[targets[item.id].position],
            take=count,
        )
        for item in request.include
        if item.id in targets
        for direction, count in _sides(item)
    ]
    neighbours = [row for found in await windows.read(db, around) for row in found.rows]
    return list({row.position.id: row for row in [*targets.values(), *neighbours]}.values())


def _row(db: Database, id_: str, thread_id: str, body: bytes, score: bytes | float | None) -> Row:
    message = codecs.decode_message(db.keys.message(thread_id, id_), body)
    us = epoch_us(message.created_at)
    # A message that the timeline has lost sorts by its date, until `verify` repairs the timeline.
    return Row(Position(us, us if score is None else int(float(score)), thread_id, id_), message)


def _split(rows: list[Row], per_page: int | None) -> tuple[list[Row], list[Row]]:
    return (rows, []) if per_page is None else (rows[:per_page], rows[per_page:])


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

    They have been returned already, so ``has_more`` must not count them. Under a metadata filter
    ``has_more`` follows from the page and the total alone, so there are none.
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
