"""Reading messages: pages, includes, lookups by id, iteration."""

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import count
from typing import Any

from redis_store._engine import codecs
from redis_store._engine.arguments import (
    check_choice,
    check_count,
    check_date_range,
    check_id,
    check_ids,
    check_includes,
    check_paging,
    check_scalars,
    check_thread_id,
    check_thread_ids,
)
from redis_store._engine.operations import Repository, iteration, query
from redis_store._engine.timestamps import epoch_us
from redis_store.errors import InvalidArgumentError
from redis_store.memory import windows
from redis_store.memory.expired_threads import without_expired
from redis_store.memory.lifetime import keep_alive
from redis_store.memory.locations import find, moved
from redis_store.memory.windows import Filter, Position, Row, Window
from redis_store.models import Message
from redis_store.pages import DateRange, Direction, Include, Page

# How often a page is read again whose messages change while it is read.
_ATTEMPTS = 3


class MessageReads(Repository):
    """Calls that read messages."""

    @query
    async def list_messages(
        self,
        thread_id: str | Sequence[str],
        *,
        resource_id: str | None = None,
        page: int = 0,
        per_page: int | None = 40,
        direction: Direction = "asc",
        date_range: DateRange | None = None,
        metadata: dict[str, Any] | None = None,
        include: Sequence[Include] = (),
        include_total: bool = True,
    ) -> Page[Message]:
        """List the messages of one thread or several, merged, by date and then by insertion.

        One thread: one round trip, O(log n + page) on the server and in bytes, at any length and
        with a date range. A metadata filter, and a resource in a thread that holds messages of
        several, read the thread in chunks of 500. Several threads: one more round trip.
        ``include``: two more, and then the page is not read in one step with what it includes.

        Args:
            thread_id: One thread id, or several.
            resource_id: Only messages that carry it; ``None`` or ``""`` is any.
            page: The page, from 0.
            per_page: Its size; ``None`` is all.
            direction: ``"asc"`` (oldest first) or ``"desc"``.
            date_range: Bounds on ``created_at``.
            metadata: Scalars that ``content.metadata`` must hold.
            include: Messages to return beside the page, each with neighbours from its own thread.
            include_total: ``False`` spares counting: ``total`` is ``None``.
        """
        request = _Request(
            page=page,
            per_page=per_page,
            direction=direction,
            date_range=date_range,
            metadata=metadata,
            include=include,
            resource_id=resource_id or None,
        )
        thread_ids = check_thread_ids("thread_id", thread_id)
        if self._db.thread_ttl is not None:
            await keep_alive(self._db, thread_ids)
        if len(thread_ids) == 1 and not request.include:
            return await self._page_of(request, thread_ids[0], include_total=include_total)
        return await self._page(request, thread_ids, include_total=include_total)

    @query
    async def list_messages_by_resource_id(
        self,
        resource_id: str,
        *,
        page: int = 0,
        per_page: int | None = 40,
        direction: Direction = "asc",
        date_range: DateRange | None = None,
        metadata: dict[str, Any] | None = None,
        include: Sequence[Include] = (),
        include_total: bool = True,
    ) -> Page[Message]:
        """List the messages of a resource in all threads: see ``list_messages``.

        Three round trips: the threads that hold any, where their messages stand, the page.
        ``""`` selects nothing.
        """
        request = _Request(
            page=page,
            per_page=per_page,
            direction=direction,
            date_range=date_range,
            metadata=metadata,
            include=include,
            resource_id=resource_id,
        )
        if resource_id == "":
            total = 0 if include_total else None
            return request.paging.with_more([], total, has_more=False)
        check_id("resource_id", resource_id)
        thread_ids = await self._threads_with(resource_id)
        return await self._page(request, thread_ids, include_total=include_total)

    @query
    async def list_messages_by_id(self, message_ids: Sequence[str]) -> list[Message]:
        """Read messages by id: each once, by date, unknown ids left out. One round trip."""
        ids = check_ids("message_ids", message_ids)
        return [row.message for row in sorted(await self._rows_by_id(ids), key=_position)]

    @iteration
    def iter_messages(
        self, thread_id: str, *, direction: Direction = "asc", batch_size: int = 100
    ) -> AsyncIterator[Message]:
        """Iterate over a thread's messages, ``batch_size`` in memory at once: a round trip each.

        Messages that others add or delete meanwhile make it neither skip nor repeat any.
        """
        check_thread_id("thread_id", thread_id)
        check_choice("direction", direction, ("asc", "desc"))
        if not check_count("batch_size", batch_size):
            raise InvalidArgumentError("batch_size", "must be 1 or more", 0)
        return self._iterate(Window(thread_id=thread_id, direction=direction), batch_size)

    async def _iterate(self, window: Window, batch_size: int) -> AsyncIterator[Message]:
        await keep_alive(self._db, [window.thread_id])
        async for row in windows.iterate(self._db, window, batch_size):
            yield row.message

    async def _threads_with(self, resource_id: str) -> list[str]:
        """Find the threads that may hold messages of a resource."""
        if self._db.scans:
            pattern = self._keys.record_patterns()["orders"]
            scan = self._db.scan(pattern, "zset")
            orders = {order async for _, found in scan for order in found}
            return [self._keys.thread_of_timeline(order) for order in orders]
        index = self._keys.threads_with_messages_of(resource_id)
        found = await self._db.command("ZRANGE", index, 0, -1)
        return await without_expired(self._db, index, [id_.decode() for id_ in found])

    async def _page_of(
        self, request: "_Request", thread_id: str, *, include_total: bool
    ) -> Page[Message]:
        """Read a page of one thread and nothing beside it, which needs no positions."""
        paging, size = request.paging, request.paging.per_page
        if size == 0:
            return paging.of_items([], 0)
        take = None if size is None else size + (not include_total)
        window = request.window(thread_id, skip=paging.offset, take=take)
        total, messages = await windows.messages(self._db, window)
        if include_total:
            return paging.of_items(messages, total)
        has_more = size is not None and len(messages) > size
        return paging.with_more(messages[:size], None, has_more=has_more)

    async def _page(
        self, request: "_Request", thread_ids: list[str], *, include_total: bool
    ) -> Page[Message]:
        paging = request.paging
        if paging.per_page == 0 and not request.include:
            return paging.of_items([], 0)
        included = await self._included(request)
        if paging.per_page == 0:
            return paging.of_items(request.sorted(included), 0)
        beyond = 0 if include_total else 1 + len(included)
        rows, total = await self._select(request, thread_ids, beyond)
        rows, ahead = _split(rows, paging.per_page)
        unreturned = _ahead_of(rows, included, request, set(thread_ids))
        if not include_total:
            more = any(row.position.id not in unreturned for row in ahead)
        elif paging.end is None:
            more = False
        else:
            more = paging.offset + len(rows) + len(unreturned) < total
        shown = {row.position.id: row for row in [*included, *rows]}
        items = request.sorted(shown.values()) if included else [row.message for row in rows]
        return paging.with_more(items, total if include_total else None, has_more=more)

    async def _select(
        self, request: "_Request", thread_ids: list[str], beyond: int
    ) -> tuple[list[Row], int]:
        """Read the page's rows, some beyond its end, and the total."""
        paging = request.paging
        take = None if paging.per_page is None else paging.per_page + beyond
        if len(thread_ids) == 1:
            window = request.window(thread_ids[0], skip=paging.offset, take=take)
            ((total, rows),) = await windows.read(self._db, [window])
            return rows, total
        end = None if take is None else paging.offset + take
        rows, total = list[Row](), 0
        for attempt in count():
            found = await windows.positions(
                self._db, [request.window(id_, take=end) for id_ in thread_ids]
            )
            merged = sorted(
                (position for _, positions in found for position in positions),
                reverse=request.descending,
            )
            chosen = await windows.read_at(self._db, merged[paging.offset : end])
            if chosen is None:
                continue
            rows = [row for row in chosen if request.filter.accepts(row.message)]
            # A thread that changed hands in between is read again, not shown to its former owner.
            # What no attempt accepts is where another writer's score or count put it.
            if len(rows) == len(chosen) or attempt == _ATTEMPTS:
                total = sum(total for total, _ in found)
                break
        return rows, total

    async def _included(self, request: "_Request") -> list[Row]:
        """Read each target that the resource may see, with its neighbours."""
        if not request.include:
            return []
        ids = list(dict.fromkeys(item.id for item in request.include))
        scope = Filter(resource_id=request.filter.resource_id)
        targets = {
            row.position.id: row
            for row in await self._rows_by_id(ids)
            if scope.accepts(row.message)
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
        neighbours = [row for found in await windows.read(self._db, around) for row in found.rows]
        return list({row.position.id: row for row in [*targets.values(), *neighbours]}.values())

    async def _rows_by_id(self, ids: Sequence[str]) -> list[Row]:
        """Find messages by pointer. One that moves meanwhile costs some round trips."""
        rows: list[Row] = []
        while ids:
            found = (await find(self._db, ids)).messages
            lost: dict[str, str] = {}
            for id_, (thread_id, body, score) in found.items():
                if body is None:
                    lost[id_] = thread_id
                else:
                    rows.append(self._row(id_, thread_id, body, score))
            ids = list(await moved(self._db, lost))
        return rows

    def _row(self, id_: str, thread_id: str, body: bytes, score: bytes | float | None) -> Row:
        message = codecs.decode_message(self._keys.message(thread_id, id_), body)
        us = epoch_us(message.created_at)
        return Row(
            Position(us, us if score is None else int(float(score)), thread_id, id_), message
        )


class _Request:
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
        """Order rows as asked."""
        return [row.message for row in sorted(rows, key=_position, reverse=self.descending)]


def _position(row: Row) -> Position:
    return row.position


def _split(rows: list[Row], per_page: int | None) -> tuple[list[Row], list[Row]]:
    return (rows, []) if per_page is None else (rows[:per_page], rows[per_page:])


def _sides(item: Include) -> list[tuple[Direction, int]]:
    sides: list[tuple[Direction, int]] = [
        ("desc", item.with_previous_messages),
        ("asc", item.with_next_messages),
    ]
    return [side for side in sides if side[1]]


def _ahead_of(
    rows: list[Row], included: list[Row], request: _Request, thread_ids: set[str]
) -> set[str]:
    """Find the included messages that a later page need not show; none under a metadata filter."""
    if not rows or request.filter.metadata:
        return set()
    last, sign = rows[-1].position, -1 if request.descending else 1
    return {
        row.position.id
        for row in included
        if row.position.thread_id in thread_ids
        and request.filter.accepts(row.message)
        and (row.position > last if sign > 0 else row.position < last)
    }
