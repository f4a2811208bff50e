"""Threads: records, their atomic updates, change of owner, and deletion."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from redis_store._connections.commands import entries
from redis_store._engine import codecs
from redis_store._engine.arguments import (
    check_dates,
    check_dict,
    check_id,
    check_instance,
    check_object,
    check_thread_id,
    check_title,
)
from redis_store._engine.database import Database
from redis_store._engine.indexes import THREADS
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.timestamps import later_than
from redis_store.errors import ThreadNotFoundError
from redis_store.memory.lifetime import keep_alive
from redis_store.memory.thread_transaction import ThreadTransaction, transact_threads
from redis_store.models import Thread


class Threads(Repository):
    """Calls on single threads."""

    @query
    async def get_thread_by_id(
        self, thread_id: str, *, resource_id: str | None = None
    ) -> Thread | None:
        """Read a thread. One round trip.

        Args:
            thread_id: The thread's id.
            resource_id: If given, a thread of another resource reads as absent.

        Returns:
            The thread, or ``None``.
        """
        check_thread_id("thread_id", thread_id)
        key = self._keys.thread(thread_id)
        if self._db.thread_ttl is not None:
            await keep_alive(self._db, [thread_id])
        (stored,) = await self._db.send([("GET", key)])
        if stored is None:
            return None
        thread = codecs.decode_thread(key, stored)
        return thread if resource_id in (None, thread.resource_id) else None

    @operation
    async def save_thread(self, thread: Thread) -> Thread:
        """Store a thread whole, new or not, with the dates it has.

        One round trip for a new thread, two for a known one.

        Raises:
            InvalidArgumentError: A bad id, a naive date, or metadata without a JSON form.
        """
        thread = _check_thread(thread)
        key, json = self._keys.thread(thread.id), codecs.encode_thread(thread)

        async def attempt(tx: ThreadTransaction) -> None:
            # A thread that is saved is usually new: the conflict brings a known one's record.
            before = THREADS.read(key, tx.assume(key, None))
            _store(tx, key, json, before, thread)

        await transact_threads(self._db, attempt)
        return thread

    @operation
    async def update_thread(
        self,
        thread_id: str,
        *,
        title: str | UnsetType | None = UNSET,
        metadata: dict[str, Any] | UnsetType = UNSET,
    ) -> Thread:
        """Change the title, merge metadata one level, move ``updated_at`` strictly ahead.

        Two round trips, one more per concurrent update that comes first; none is lost.

        Raises:
            ThreadNotFoundError: There is no such thread.
        """
        check_thread_id("thread_id", thread_id)
        check_title(title)
        if metadata is not UNSET:
            check_object("metadata", metadata)

        def change(thread: Thread) -> dict[str, object]:
            changes: dict[str, object] = {}
            if title is not UNSET:
                changes["title"] = UNSET if title is None else title
            if metadata is not UNSET:
                changes["metadata"] = thread.metadata | metadata
            return changes

        updated = await self._change_thread(thread_id, change)
        if updated is None:
            raise ThreadNotFoundError(thread_id)
        return updated

    @operation
    async def update_thread_metadata(
        self,
        thread_id: str,
        update: Callable[[Thread], dict[str, Any] | None],
        *,
        resource_id: str | None = None,
    ) -> Thread | None:
        """Replace the metadata by what ``update`` makes of the thread, atomically.

        Two round trips. ``update`` runs again when another writer came first; ``None`` from it
        writes nothing; an exception from it propagates.

        Returns:
            The thread as it is now, or ``None`` when it is unknown or another resource's.
        """
        check_thread_id("thread_id", thread_id)

        def change(thread: Thread) -> dict[str, object] | None:
            metadata = update(thread)
            if metadata is None:
                return None
            check_dict("metadata", metadata)
            return {"metadata": metadata}

        return await self._change_thread(thread_id, change, resource_id, repeatable=False)

    @operation
    async def update_thread_resource_id(self, thread_id: str, resource_id: str) -> Thread:
        """Move a thread and all its messages to another resource, in one atomic step.

        Two round trips; message bodies stay on the server. The same owner changes nothing.

        Raises:
            ThreadNotFoundError: There is no such thread.
        """
        check_thread_id("thread_id", thread_id)
        check_id("resource_id", resource_id)
        key = self._keys.thread(thread_id)

        async def attempt(tx: ThreadTransaction) -> Thread:
            outline = await _outline(self._db, thread_id)
            if outline.stored is None:
                raise ThreadNotFoundError(thread_id)
            before = codecs.decode_thread(key, outline.stored)
            if before.resource_id == resource_id:
                return before
            changes = {"resourceId": resource_id, "updatedAt": later_than(before.updated_at)}
            json = codecs.patch(key, outline.stored, changes)
            thread = codecs.decode_thread(key, json)
            tx.expect({key: outline.stored})
            if self._keys.hash_tags:
                # Its new owner lists it no later than the former one stops to.
                for entry in THREADS.entries(self._keys, key, thread):
                    tx.advise("ZADD", entry.key, entry.score_us, entry.member)
            _store(tx, key, json, before, thread)
            tx.set_resource(thread_id, resource_id)
            _leave_resources(tx, thread_id, outline.resources)
            for newest_us, _ in outline.scored_ids:
                index = self._keys.threads_with_messages_of(resource_id)
                tx.command("ZADD", index, int(newest_us), thread_id)
            return thread

        return await transact_threads(self._db, attempt)

    @operation
    async def delete_thread(self, thread_id: str) -> None:
        """Remove a thread with its messages and their index entries, in one atomic step.

        Three round trips; an unknown id is fine.
        """
        check_thread_id("thread_id", thread_id)
        await delete_thread(self._db, thread_id, lambda _: True)

    @operation
    async def delete_thread_if(self, thread_id: str, due: Callable[[Thread], bool]) -> bool:
        """Delete a thread if ``due(thread)`` holds in the moment it goes: see ``delete_thread``.

        Returns:
            Whether it was deleted.
        """
        check_thread_id("thread_id", thread_id)
        return await delete_thread(
            self._db, thread_id, lambda thread: thread is not None and due(thread)
        )

    async def _change_thread(
        self,
        thread_id: str,
        change: Callable[[Thread], dict[str, object] | None],
        resource_id: str | None = None,
        *,
        repeatable: bool = True,
    ) -> Thread | None:
        """Change a thread's record atomically.

        Args:
            thread_id: The thread.
            change: Returns the fields to replace, by wire name; ``None`` writes nothing.
            resource_id: If given, a thread of another resource is not changed.
            repeatable: Whether a change may be applied to a record that already has it.

        Returns:
            The thread as it is now; ``None`` when it is unknown or another resource's.
        """
        key = self._keys.thread(thread_id)

        async def attempt(tx: ThreadTransaction) -> Thread | None:
            stored = await tx.read(key)
            if stored is None:
                return None
            thread = codecs.decode_thread(key, stored)
            if resource_id not in (None, thread.resource_id):
                return None
            # A copy: ``change`` may be the caller's, who may alter what it gets.
            changes = change(codecs.decode_thread(key, stored))
            if changes is None:
                return thread
            changes["updatedAt"] = later_than(thread.updated_at)
            json = codecs.patch(key, stored, changes)
            updated = codecs.decode_thread(key, json)
            _store(tx, key, json, thread, updated)
            return updated

        return await transact_threads(self._db, attempt, repeatable=repeatable)


async def delete_thread(
    db: Database, thread_id: str, is_due: Callable[[Thread | None], bool]
) -> bool:
    """Delete a thread with its messages if it is due in the moment it goes.

    Three round trips.

    Args:
        db: The way to the server.
        thread_id: The thread.
        is_due: Gets the thread; ``None`` if it has no record, or a corrupt one.

    Returns:
        Whether it was deleted.
    """
    keys = db.keys
    key, timeline = keys.thread(thread_id), keys.timeline(thread_id)

    async def attempt(tx: ThreadTransaction) -> bool:
        outline = await _outline(db, thread_id, first=0)
        thread = THREADS.read(key, outline.stored)
        if not is_due(thread):
            return False
        ids = [id_ for _, id_ in outline.scored_ids]
        pointer_of = {id_: keys.message_pointer(id_) for id_ in ids}
        holders = await db.get(list(pointer_of.values()))
        # Every write to the thread's messages changes its record, so this guards them too.
        tx.expect({key: outline.stored})
        tx.delete([key, timeline, keys.resource_counts(thread_id)])
        tx.delete(keys.message(thread_id, id_) for id_ in ids)
        mine = [id_ for id_, at in pointer_of.items() if holders[at] == thread_id.encode()]
        tx.forget(dict.fromkeys(mine, thread_id))
        _leave_resources(tx, thread_id, outline.resources)
        if thread is not None:
            THREADS.reindex(tx, key, before=thread, after=None)
        return True

    return await transact_threads(db, attempt)


def _store(
    tx: ThreadTransaction, key: str, json: bytes, before: Thread | None, after: Thread
) -> None:
    """Write a thread's record and move its index entries."""
    tx.set(key, json)
    tx.extend(after.id)
    THREADS.reindex(tx, key, before=before, after=after)


class _Outline(NamedTuple):
    """A thread without its messages' bodies.

    Attributes:
        stored: Its record.
        resources: The resources that its messages carry.
        scored_ids: Its messages' scores and ids, the newest one last.
    """

    stored: bytes | None
    resources: list[str]
    scored_ids: list[tuple[float, str]]


async def _outline(db: Database, thread_id: str, *, first: int = -1) -> _Outline:
    """Read a thread's outline, its messages from a rank on. One round trip."""
    stored, resources, scored_ids = await db.send(
        [
            ("GET", db.keys.thread(thread_id)),
            ("HKEYS", db.keys.resource_counts(thread_id)),
            ("ZRANGE", db.keys.timeline(thread_id), first, -1, "WITHSCORES"),
        ]
    )
    return _Outline(stored, [resource.decode() for resource in resources], entries(scored_ids))


def _leave_resources(tx: ThreadTransaction, thread_id: str, resources: Sequence[str]) -> None:
    """Take a thread off the lists of threads with messages of these resources."""
    for resource_id in resources:
        tx.command("ZREM", tx.keys.threads_with_messages_of(resource_id), thread_id)
    tx.reconcile(partial(_settle_resources, tx.db, thread_id, resources))


async def _settle_resources(db: Database, thread_id: str, left: Sequence[str]) -> None:
    """List the thread for the resources that its messages carry, and not for those they left.

    Until what is read twice in a row is the same: a writer may come between the two steps.
    """
    keys, seen = db.keys, None
    while True:
        outline = await _outline(db, thread_id)
        if outline.resources == seen:
            return
        seen = outline.resources
        newest_us = int(outline.scored_ids[0][0]) if outline.scored_ids else 0
        listed = [keys.threads_with_messages_of(resource_id) for resource_id in seen]
        gone = [keys.threads_with_messages_of(r) for r in left if r not in seen]
        await db.send(
            [
                *(("ZREM", index, thread_id) for index in gone),
                *(("ZADD", index, "GT", newest_us, thread_id) for index in listed),
            ]
        )


def _check_thread(value: object) -> Thread:
    thread = check_instance("thread", value, Thread)
    check_thread_id("id", thread.id)
    check_id("resource_id", thread.resource_id)
    check_title(thread.title)
    check_dict("metadata", thread.metadata)
    return check_dates(thread)
