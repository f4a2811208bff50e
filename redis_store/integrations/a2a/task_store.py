"""RedisTaskStore: the tasks of an A2A server."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from redis_store._engine import clock
from redis_store._engine.arguments import check_id, check_instance, check_ttl
from redis_store._engine.database import Database
from redis_store._engine.documents import Documents
from redis_store._engine.hash_indexes import Id, IndexEntry, Listed
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.operations import named
from redis_store._engine.timestamps import epoch_us
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError
from redis_store.integrations._document_maintenance import OWNER, UPDATED
from redis_store.integrations._extras import requires
from redis_store.integrations.a2a import task_order
from redis_store.integrations.a2a.task_order import NAME, Place
from redis_store.store import RedisStore

with requires("a2a"):
    from a2a.server.context import ServerCallContext
    from a2a.server.owner_resolver import OwnerResolver, resolve_user_scope
    from a2a.server.tasks.task_store import TaskStore
    from a2a.types.a2a_pb2 import ListTasksRequest, ListTasksResponse, Task
    from a2a.utils.constants import DEFAULT_LIST_TASKS_PAGE_SIZE
    from a2a.utils.errors import InvalidParamsError
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

_CONTEXT = "context"


def task_documents(db: Database, ttl: timedelta | None = None) -> Documents:
    """Return the documents that tasks are: (owner, task id)."""
    return Documents(db, IntegrationKeys(db.keys, NAME), "task", ttl=ttl)


def export_task(_: Id, body: bytes) -> Any:
    """Return a task as JSON."""
    return MessageToDict(Task.FromString(body))


class RedisTaskStore(TaskStore):
    """Keeps the tasks of an A2A server.

    ::

        handler = DefaultRequestHandler(agent_executor=…, task_store=RedisTaskStore(store), …)

    Every owner has tasks of his own: nobody sees another's, though their ids be the same. Owners
    are resources: ``store.erase_resource(owner)`` and ``export_resource`` cover their tasks, if
    this module is imported.

    What the protocol makes impossible: a save replaces the whole task and names no version, so of
    racing savers the last one wins, and the whole task is sent each time.

    Args:
        store: An open store. It is not closed here.
        owner_resolver: Returns the owner of a call's tasks: by default, the user's name.
        ttl: How long a task lives after it was last saved or read; ``None`` is for ever.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        owner_resolver: OwnerResolver = resolve_user_scope,
        ttl: timedelta | None = None,
    ) -> None:
        check_ttl("ttl", ttl)
        self._db = database_of(check_instance("store", store, RedisStore))
        self._tasks = task_documents(self._db, ttl)
        self._owner_of = owner_resolver

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Store a task, new or not.

        One round trip; two if its context changes, or five with ``hash_tags``.

        Raises:
            InvalidArgumentError: Its id is empty or too long.
        """
        with named("save"):
            check_id("id", task.id)
        id_ = (self._owner_of(context), task.id)
        score = task_order.score(_status_ns(task), task.status.state)
        entries = [
            IndexEntry((OWNER, id_[0]), score),
            IndexEntry((_CONTEXT, id_[0], task.context_id), score),
            IndexEntry((UPDATED, id_[0]), epoch_us(await clock.now(self._db))),
        ]
        await self._tasks.put(id_, task.SerializeToString(), entries)

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """Read a task; ``None`` if the owner has none of this id. One round trip."""
        (found,) = await self._read([(self._owner_of(context), task_id)])
        return found

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Delete a task, if there is one. Two round trips, four with ``hash_tags``."""
        await self._tasks.delete((self._owner_of(context), task_id))

    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """List an owner's tasks, the latest status first; those without a time come last.

        Two round trips, and as many tasks as a page has. By state or since a time, the index
        entries of all tasks that may match are read too, some 80 bytes each. Times are compared to
        10 µs, and tasks of the same time are sorted by state. A token names a place, so a page
        follows the one before it exactly, though tasks come and go; a task whose status changes
        meanwhile moves.

        Raises:
            InvalidParamsError: The page token is damaged, or of another owner.
        """
        owner = self._owner_of(context)
        index = (_CONTEXT, owner, params.context_id) if params.context_id else (OWNER, owner)
        cursor = _cursor(params, owner)
        size = params.page_size or DEFAULT_LIST_TASKS_PAGE_SIZE
        if params.status or params.HasField("status_timestamp_after"):
            listed = await self._matching(index, params)
            total = len(listed)
            listed = [each for each in listed if cursor is None or cursor.is_before(each)]
        else:
            total, listed = await asyncio.gather(
                self._tasks.indexes.count(index), self._page(index, cursor, size + 1)
            )
        page = listed[:size]
        more = len(listed) > size
        return ListTasksResponse(
            tasks=[task for task in await self._listed(index, page) if _matches(task, params)],
            next_page_token=Place.of(page[-1]).to_token() if more else "",
            page_size=size,
            total_size=total,
        )

    async def _matching(self, index: Id, params: ListTasksRequest) -> Sequence[Listed]:
        """Read the entries of tasks that match, except for the part of a tick."""
        low: float | None = None
        if params.HasField("status_timestamp_after"):
            low = task_order.lowest_score(params.status_timestamp_after.ToNanoseconds())
        found = await self._tasks.indexes.down_from(index, None, low, None)
        state = task_order.state_bits(params.status)
        return [each for each in found if not params.status or task_order.state_of(each) == state]

    async def _page(self, index: Id, cursor: Place | None, size: int) -> Sequence[Listed]:
        high, limit = None if cursor is None else cursor.score, size
        while True:
            found = await self._tasks.indexes.down_from(index, high, None, limit)
            page = [each for each in found if cursor is None or cursor.is_before(each)]
            # Only where many tasks tie with the cursor is there more to read.
            if len(page) >= size or len(found) < limit:
                return page
            limit *= 2

    async def _listed(self, index: Id, listed: Sequence[Listed]) -> Sequence[Task]:
        ids = [entry.id for entry in listed]
        tasks, stored = await asyncio.gather(self._read(ids), self._tasks.indexes.read(ids))
        valid = await self._tasks.indexes.current(index, listed, stored)
        found = zip(tasks, valid, strict=True)
        return [task for task, is_valid in found if task is not None and is_valid]

    async def _read(self, ids: Sequence[Id]) -> Sequence[Task | None]:
        documents = await self._tasks.get_many(ids)
        return [
            None if document is None else self._decode(id_, document.body)
            for id_, document in zip(ids, documents, strict=True)
        ]

    def _decode(self, id: Id, body: bytes) -> Task:
        try:
            return Task.FromString(body)
        except DecodeError as exc:
            raise CorruptRecordError(self._tasks.indexes.record(id), "it is no task") from exc


def _status_ns(task: Task) -> int | None:
    if task.HasField("status") and task.status.HasField("timestamp"):
        return task.status.timestamp.ToNanoseconds()
    return None


def _matches(task: Task, params: ListTasksRequest) -> bool:
    """Whether a task has the state and time that are asked for."""
    if params.status and task.status.state != params.status:
        return False
    if not params.HasField("status_timestamp_after"):
        return True
    at = _status_ns(task)
    return at is not None and at >= params.status_timestamp_after.ToNanoseconds()


def _cursor(params: ListTasksRequest, owner: str) -> Place | None:
    if not params.page_token:
        return None
    try:
        cursor = Place.from_token(params.page_token)
    except (ValueError, TypeError) as exc:
        raise InvalidParamsError(f"Invalid page token: {params.page_token}") from exc
    if cursor.id[0] != owner:
        raise InvalidParamsError(f"Invalid page token: {params.page_token}")
    return cursor
