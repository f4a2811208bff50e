"""Pages of threads, from the sorted sets that index them."""

from collections.abc import Sequence
from typing import Any

from redis_store import codecs
from redis_store.batch import entries
from redis_store.client import Command
from redis_store.filters import check_metadata, matches
from redis_store.keys import check_id
from redis_store.models import Thread
from redis_store.pages import Direction, Page, Paging, ThreadOrder, check_choice
from redis_store.repository import Repository, operation
from redis_store.transaction import Transaction

# Records read at once where a metadata filter must look at every thread.
_CHUNK = 500


class ThreadListings(Repository):
    """Listings of threads."""

    @operation
    async def list_threads(
        self,
        *,
        resource_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        page: int = 0,
        per_page: int | None = 100,
        order_by: ThreadOrder = "created_at",
        direction: Direction = "desc",
    ) -> Page[Thread]:
        """List threads; ties go by id.

        Two round trips. Without a metadata filter the cost is O(log n + page) in the resource's
        threads; with one every thread of the resource is read, 500 at a time. Without a resource
        all threads are listed: on a cluster their index has 32 shards, each of which is asked for
        everything up to the page's end.

        Args:
            resource_id: Whose threads; ``None`` or ``""`` is everyone's.
            metadata: Whole JSON values that the thread's metadata must hold.
            page: The page, from 0.
            per_page: Its size; ``None`` is all.
            order_by: ``"created_at"`` or ``"updated_at"``.
            direction: ``"asc"`` or ``"desc"``.
        """
        return await self._list(
            "list_threads",
            resource_id=resource_id or None,
            metadata=metadata,
            page=page,
            per_page=per_page,
            order_by=order_by,
            direction=direction,
        )

    @operation
    async def list_threads_by_resource_id(
        self,
        resource_id: str,
        *,
        metadata: dict[str, Any] | None = None,
        page: int = 0,
        per_page: int | None = 100,
        order_by: ThreadOrder = "created_at",
        direction: Direction = "desc",
    ) -> Page[Thread]:
        """List one resource's threads: see ``list_threads``."""
        name = "list_threads_by_resource_id"
        check_id(name, "resource_id", resource_id)
        return await self._list(
            name,
            resource_id=resource_id,
            metadata=metadata,
            page=page,
            per_page=per_page,
            order_by=order_by,
            direction=direction,
        )

    async def _list(
        self,
        name: str,
        *,
        resource_id: str | None,
        metadata: dict[str, Any] | None,
        page: int,
        per_page: int | None,
        order_by: ThreadOrder,
        direction: Direction,
    ) -> Page[Thread]:
        total = 0
        paging = Paging.of(name, page, per_page)
        check_choice(name, "order_by", order_by, ("created_at", "updated_at"))
        check_choice(name, "direction", direction, ("asc", "desc"))
        wanted = check_metadata(name, metadata)
        if resource_id is not None:
            check_id(name, "resource_id", resource_id)
            indexes = [self._keys.threads_of(resource_id, order_by)]
        else:
            indexes = self._keys.all_threads(order_by)
        window = Paging(0, None) if wanted else paging
        threads: list[Thread] | None = None
        while threads is None:
            ids, total = await self._ids(indexes, window, descending=direction == "desc")
            threads = await self._live(ids, resource_id, indexes)
        if not wanted:
            return paging.of_items(threads, total)
        return paging.cut([thread for thread in threads if matches(thread.metadata, wanted)])

    async def _ids(
        self, indexes: Sequence[str], window: Paging, *, descending: bool
    ) -> tuple[list[str], int]:
        """Read one window of the merged indexes, and how many entries they have in all."""
        merged = len(indexes) > 1
        start, end = 0 if merged else window.offset, window.end
        stop = -1 if end is None else end - 1
        verb = "ZREVRANGE" if descending else "ZRANGE"
        commands: list[Command] = [("ZCARD", index) for index in indexes]
        if end != start:
            commands += [(verb, index, start, stop, "WITHSCORES") for index in indexes]
        replies = await self._batch.send(commands)
        total = sum(replies[: len(indexes)])
        listed = [entry for reply in replies[len(indexes) :] for entry in entries(reply)]
        if merged:
            listed.sort(reverse=descending)
            listed = listed[window.offset : end]
        return [id_ for _, id_ in listed], total

    async def _live(
        self, ids: list[str], resource_id: str | None, indexes: Sequence[str]
    ) -> list[Thread] | None:
        """Read threads; ``None`` after entries that led nowhere were removed."""
        found: dict[str, bytes | None] = {}
        for first in range(0, len(ids), _CHUNK):
            keys = [self._keys.thread(id_) for id_ in ids[first : first + _CHUNK]]
            found |= await self._batch.get(keys)
        threads: list[Thread] = []
        stale = Transaction(self._batch)
        dangling = False
        for id_ in ids:
            key = self._keys.thread(id_)
            stored = found[key]
            thread = None if stored is None else codecs.decode_thread(key, stored)
            if thread is not None and resource_id in (None, thread.resource_id):
                threads.append(thread)
                continue
            dangling = True
            stale.same({key: stored})
            for index in indexes:
                stale.call("ZREM", index, id_)
        if not dangling:
            return threads
        await stale.commit()
        return None
