"""Several threads at once: by id, and page by page."""

from collections.abc import Sequence
from typing import Any

from redis_store._cursors import Scope
from redis_store._engine import codecs
from redis_store._engine.arguments import (
    check_choice,
    check_cursors,
    check_id,
    check_ids,
    check_metadata,
    check_paging,
    check_thread_id,
)
from redis_store._engine.database import Database
from redis_store._engine.index_pages import Index, Listing, Query
from redis_store._engine.indexes import SORT_FIELDS, THREADS
from redis_store._engine.operations import Repository, query
from redis_store.json_values import has_fields
from redis_store.memory.expired_threads import remove_expired
from redis_store.memory.lifetime import keep_alive
from redis_store.models import Thread
from redis_store.pages import Direction, Page, ThreadOrder


class ThreadLists(Repository):
    """Reads of several threads."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._threads: Listing[Thread] = Listing(db, THREADS)

    @query
    async def get_threads_by_id(
        self, thread_ids: Sequence[str], *, resource_id: str | None = None
    ) -> dict[str, Thread]:
        """Read threads by id. One round trip for any number of them, one more with ``thread_ttl``.

        Args:
            thread_ids: The threads' ids.
            resource_id: If given, threads of other resources read as absent.

        Returns:
            The threads that exist, by id, in the sequence of the ids: ``threads.get(id)`` is what
            ``get_thread_by_id(id)`` returns.
        """
        ids = [check_thread_id("thread_ids", id_) for id_ in check_ids("thread_ids", thread_ids)]
        if not ids:
            return {}
        await keep_alive(self._db, ids)
        key_of = {id_: self._keys.thread(id_) for id_ in ids}
        found = await self._db.get(list(key_of.values()))
        threads = {
            id_: codecs.decode_thread(key, stored)
            for id_, key in key_of.items()
            if (stored := found[key]) is not None
        }
        return {
            id_: thread
            for id_, thread in threads.items()
            if resource_id in (None, thread.resource_id)
        }

    @query
    async def list_threads(
        self,
        *,
        resource_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        page: int = 0,
        per_page: int | None = 100,
        order_by: ThreadOrder = "created_at",
        direction: Direction = "desc",
        before: str | None = None,
        after: str | None = None,
    ) -> Page[Thread]:
        """List threads; ties are sorted by id.

        Two round trips. Without a metadata filter the cost is O(log n + page) in the resource's
        threads; with one, every thread of the resource is read, 500 at a time. Without a resource
        all threads are listed: on a cluster their index has 32 shards, and each is read up to the
        end of the page, or from the cursor on.

        Pages that follow one another by cursors neither repeat nor skip a thread when others are
        added, deleted or updated meanwhile: see ``list_messages``. With ``order_by="updated_at"`` a
        thread that is updated moves to its new place, and may so be seen twice or not at all.

        Args:
            resource_id: The threads' owner; ``None`` or ``""`` is any.
            metadata: Whole JSON values that the thread's metadata must have.
            page: The page, from 0.
            per_page: Threads per page; ``None`` is all.
            order_by: ``"created_at"`` or ``"updated_at"``.
            direction: ``"asc"`` or ``"desc"``.
            before: A cursor of this listing (owner, order and direction): list the page that ends
                there. Excludes ``after`` and ``page``.
            after: Such a cursor: list the page that begins there. Excludes ``before`` and ``page``.
        """
        return await self._list_threads(
            resource_id=None if resource_id == "" else resource_id,
            metadata=metadata,
            page=page,
            per_page=per_page,
            order_by=order_by,
            direction=direction,
            before=before,
            after=after,
        )

    @query
    async def list_threads_by_resource_id(
        self,
        resource_id: str,
        *,
        metadata: dict[str, Any] | None = None,
        page: int = 0,
        per_page: int | None = 100,
        order_by: ThreadOrder = "created_at",
        direction: Direction = "desc",
        before: str | None = None,
        after: str | None = None,
    ) -> Page[Thread]:
        """List one resource's threads: see ``list_threads``."""
        check_id("resource_id", resource_id)
        return await self._list_threads(
            resource_id=resource_id,
            metadata=metadata,
            page=page,
            per_page=per_page,
            order_by=order_by,
            direction=direction,
            before=before,
            after=after,
        )

    async def _list_threads(
        self,
        *,
        resource_id: str | None,
        metadata: dict[str, Any] | None,
        page: int,
        per_page: int | None,
        order_by: ThreadOrder,
        direction: Direction,
        before: str | None,
        after: str | None,
    ) -> Page[Thread]:
        paging = check_paging(page, per_page)
        check_choice("order_by", order_by, ("created_at", "updated_at"))
        check_choice("direction", direction, ("asc", "desc"))
        wanted = check_metadata(metadata)
        shards_by: dict[ThreadOrder, list[str]]
        if resource_id is None:
            shards_by = {field: self._keys.all_threads(field) for field in SORT_FIELDS}
        else:
            check_id("resource_id", resource_id)
            shards_by = {
                field: [self._keys.threads_of(resource_id, field)] for field in SORT_FIELDS
            }

        paging = check_cursors(
            paging, Scope(order_by, resource_id, direction == "desc"), before, after
        )

        def is_listed(thread: Thread) -> bool:
            return resource_id in (None, thread.resource_id)

        def accepts(thread: Thread) -> bool:
            return has_fields(thread.metadata, wanted)

        query = Query[Thread](
            [Index(shards_by[order_by], is_listed)],
            descending=direction == "desc",
            accepts=accepts if wanted else None,
        )
        await remove_expired(self._db, shards_by)
        return await self._threads.page(paging, query)
