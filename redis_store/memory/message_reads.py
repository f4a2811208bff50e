"""Message reads: listings, lookups by id, iteration."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis_store._connections.commands import decoded
from redis_store._engine.arguments import (
    check_choice,
    check_count,
    check_id,
    check_ids,
    check_thread_id,
    check_thread_ids,
)
from redis_store._engine.operations import Repository, iteration, query
from redis_store.errors import InvalidArgumentError
from redis_store.memory import windows
from redis_store.memory.expired_threads import without_expired
from redis_store.memory.lifetime import keep_alive
from redis_store.memory.message_pages import (
    PageRequest,
    position_of,
    read_by_id,
    read_page,
    read_thread_page,
)
from redis_store.memory.windows import Window
from redis_store.models import Message
from redis_store.pages import DateRange, Direction, Include, Page


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
        before: str | None = None,
        after: str | None = None,
    ) -> Page[Message]:
        """List the messages of one thread or several, merged, by date and then by insertion.

        One thread: one round trip, O(log n + page) on the server and in bytes, at any length and
        with a date range. A metadata filter, or a resource in a thread with messages of several,
        makes it read the thread in chunks of 500. Several threads: one more round trip.
        ``include``: two more; the page and the included messages are then separate reads.

        Pages of one thread have cursors, at the same cost. By cursors, pages neither repeat nor
        skip a message, though others are added or deleted meanwhile; with any filter, and with
        ``include``. Only if messages share a date, and all those are deleted that the cursor names
        (16 at most), may another one of that date come twice or not at all. A chat that shows the
        newest messages first::

            page = await memory.list_messages("t", per_page=20, direction="desc")
            older = await memory.list_messages(
                "t", per_page=20, direction="desc", after=page.next_cursor
            )
            newer = await memory.list_messages(
                "t", per_page=20, direction="desc", before=older.previous_cursor
            )

        ``before`` lists in the same direction as ``after``: here ``newer`` is ``page`` again.

        Args:
            thread_id: One thread id, or several.
            resource_id: Only messages of this resource; ``None`` or ``""`` is any.
            page: The page, from 0.
            per_page: Messages per page; ``None`` is all.
            direction: ``"asc"`` (oldest first) or ``"desc"``.
            date_range: Bounds on ``created_at``.
            metadata: Scalar values that ``content.metadata`` must have.
            include: Messages to return besides the page, each with neighbours from its own thread.
            include_total: ``False`` skips counting: ``total`` is ``None``.
            before: A cursor of this thread in this direction: list the page that ends there.
                Excludes ``after`` and ``page``.
            after: Such a cursor: list the page that begins there. Excludes ``before`` and ``page``.

        Raises:
            InvalidArgumentError: Among others: a cursor of another thread or direction, a damaged
                one, or one for several threads.
        """
        thread_ids = check_thread_ids("thread_id", thread_id)
        request = PageRequest(
            page=page,
            per_page=per_page,
            direction=direction,
            date_range=date_range,
            metadata=metadata,
            include=include,
            resource_id=resource_id or None,
            thread_ids=thread_ids,
            before=before,
            after=after,
        )
        if self._db.thread_ttl is not None:
            await keep_alive(self._db, thread_ids)
        if len(thread_ids) == 1 and not request.include:
            (only,) = thread_ids
            return await read_thread_page(self._db, request, only, include_total=include_total)
        return await read_page(self._db, request, thread_ids, include_total=include_total)

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
        """List the messages of a resource in all threads: see ``list_messages``; without cursors.

        Three round trips: the threads with such messages, the messages' positions, the page.
        ``""`` selects nothing.
        """
        request = PageRequest(
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
        return await read_page(self._db, request, thread_ids, include_total=include_total)

    @query
    async def list_messages_by_id(self, message_ids: Sequence[str]) -> list[Message]:
        """Read messages by id, each once, sorted by date; skip unknown ids. One round trip."""
        ids = check_ids("message_ids", message_ids)
        return [row.message for row in sorted(await read_by_id(self._db, ids), key=position_of)]

    @iteration
    def iter_messages(
        self, thread_id: str, *, direction: Direction = "asc", batch_size: int = 100
    ) -> AsyncIterator[Message]:
        """Iterate over a thread's messages. One round trip per ``batch_size`` messages.

        It neither skips nor repeats messages when others are added or deleted meanwhile.
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
        """Return the threads that may have messages of a resource."""
        if self._db.scans:
            pattern = self._keys.record_patterns()["orders"]
            scan = self._db.scan(pattern, "zset")
            timelines = {timeline async for _, found in scan for timeline in found}
            return [self._keys.thread_of_timeline(timeline) for timeline in timelines]
        index = self._keys.threads_with_messages_of(resource_id)
        found = await self._db.command("ZRANGE", index, 0, -1)
        return await without_expired(self._db, index, [decoded(id_) for id_ in found])
