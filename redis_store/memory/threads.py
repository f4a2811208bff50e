"""Threads: records, atomic updates, change of owner, deletion."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from redis_store._engine import clock, codecs, prepared_values, raw_fields
from redis_store._engine.arguments import (
    check_dates,
    check_dict,
    check_id,
    check_instance,
    check_object,
    check_thread_id,
    check_title,
)
from redis_store._engine.indexes import THREADS
from redis_store._engine.operations import Repository, lookup, operation, reading
from redis_store._engine.timestamps import later_than
from redis_store.errors import ThreadExistsError, ThreadNotFoundError
from redis_store.memory.lifetime import keep_alive
from redis_store.memory.thread_deletion import delete_thread, delete_thread_now
from redis_store.memory.thread_outline import leave_resources, read_outline
from redis_store.memory.thread_transaction import ThreadTransaction, transact_threads
from redis_store.models import Thread


class Threads(Repository):
    """Calls on single threads."""

    @lookup
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
        if self._db.thread_ttl is None:
            stored = await self._db.ask(("GET", key))
        else:
            with reading():
                await keep_alive(self._db, [thread_id])
                stored = await self._db.ask(("GET", key))
        if stored is None:
            return None
        thread = codecs.decode_thread(key, stored)
        return thread if resource_id in (None, thread.resource_id) else None

    @operation
    async def save_thread(self, thread: Thread) -> Thread:
        """Store a thread, new or not, with its dates as given.

        One round trip for a new thread, two for a known one.

        Raises:
            InvalidArgumentError: A bad id, a naive date, or metadata that JSON cannot express.
        """
        thread = await self._checked(thread)
        key, json = self._keys.thread(thread.id), codecs.encode_thread(thread)

        async def attempt(tx: ThreadTransaction) -> None:
            # Assume a new thread, the usual case. If there is one, the conflict has its record.
            before = THREADS.read(key, tx.assume(key, None))
            _store(tx, key, json, before, thread)

        await transact_threads(self._db, attempt)
        return thread

    @operation
    async def create_thread(self, thread: Thread) -> Thread:
        """Store a new thread, with its dates as given. One round trip.

        Raises:
            ThreadExistsError: Its id is taken; of racing calls exactly one wins.
            InvalidArgumentError: As ``save_thread``.
        """
        thread = await self._checked(thread)
        key, json = self._keys.thread(thread.id), codecs.encode_thread(thread)

        async def attempt(tx: ThreadTransaction) -> None:
            if tx.assume(key, None) is not None:
                raise ThreadExistsError(thread.id)
            _store(tx, key, json, None, thread)

        await transact_threads(self._db, attempt)
        return thread

    @operation
    async def get_or_create_thread(self, thread: Thread) -> Thread:
        """Return the thread of this id, whoever owns it; store the given one if there is none.

        One round trip, known or not; one more with ``thread_ttl``. Of racing calls one stores its
        thread, and the others return that.

        Raises:
            InvalidArgumentError: As ``save_thread``.
        """
        thread = await self._checked(thread)
        key, json = self._keys.thread(thread.id), codecs.encode_thread(thread)
        await keep_alive(self._db, [thread.id])

        async def attempt(tx: ThreadTransaction) -> Thread:
            # The conflict with a thread that exists has its record.
            stored = tx.assume(key, None)
            if stored is not None:
                return codecs.decode_thread(key, stored)
            _store(tx, key, json, None, thread)
            return thread

        return await transact_threads(self._db, attempt)

    @operation
    async def update_thread(
        self,
        thread_id: str,
        *,
        title: str | UnsetType | None = UNSET,
        metadata: dict[str, Any] | UnsetType = UNSET,
    ) -> Thread:
        """Change the title, merge metadata one level, move ``updated_at`` strictly ahead.

        Two round trips, one more per concurrent update that comes first; no update is lost.

        Raises:
            ThreadNotFoundError: There is no such thread.
        """
        check_thread_id("thread_id", thread_id)
        check_title(title)
        if metadata is not UNSET:
            metadata = check_object("metadata", metadata)

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
        """Replace the metadata by what ``update`` returns for the thread, atomically.

        Two round trips. ``update`` runs again if another writer came first. If it returns ``None``,
        nothing is written; if it raises, the exception propagates.

        Returns:
            The thread as it is now; ``None`` if it is unknown or belongs to another resource.
        """
        check_thread_id("thread_id", thread_id)

        def change(thread: Thread) -> dict[str, object] | None:
            metadata = update(thread)
            if metadata is None:
                return None
            return {"metadata": check_object("metadata", metadata)}

        return await self._change_thread(thread_id, change, resource_id, repeatable=False)

    @operation
    async def update_thread_resource_id(self, thread_id: str, resource_id: str) -> Thread:
        """Move a thread and all its messages to another resource, in one atomic step.

        Two round trips; message bodies stay on the server. No-op if the owner is the same.

        Raises:
            ThreadNotFoundError: There is no such thread.
        """
        check_thread_id("thread_id", thread_id)
        check_id("resource_id", resource_id)
        key, now = self._keys.thread(thread_id), await clock.now(self._db)

        async def attempt(tx: ThreadTransaction) -> Thread:
            outline = await read_outline(self._db, thread_id)
            if outline.stored is None:
                raise ThreadNotFoundError(thread_id)
            before = codecs.decode_thread(key, outline.stored)
            if before.resource_id == resource_id:
                return before
            changes = {"resourceId": resource_id, "updatedAt": later_than(before.updated_at, now)}
            json = raw_fields.patch(key, outline.stored, changes)
            thread = codecs.decode_thread(key, json)
            tx.expect({key: outline.stored})
            if self._keys.hash_tags:
                # So that the new owner lists it before the former one stops to: with the record,
                # not after it.
                for entry in THREADS.entries(self._keys, key, thread):
                    tx.advise("ZADD", entry.key, entry.score_us, entry.member)
            _store(tx, key, json, before, thread)
            tx.set_resource(thread_id, resource_id)
            leave_resources(tx, thread_id, outline.resources)
            if outline.newest:
                index = self._keys.threads_with_messages_of(resource_id)
                tx.command("ZADD", index, int(outline.newest[0]), thread_id)
            return thread

        return await transact_threads(self._db, attempt)

    @operation
    async def delete_thread(self, thread_id: str) -> None:
        """Delete a thread with its messages and their index entries, in one atomic step.

        One round trip, whatever the number of messages: the server reads their ids. It needs
        2 ms per 1,000 of them. No-op for an unknown id.
        """
        check_thread_id("thread_id", thread_id)
        await delete_thread_now(self._db, thread_id)

    @operation
    async def delete_thread_if(self, thread_id: str, due: Callable[[Thread], bool]) -> bool:
        """Delete a thread if ``due(thread)`` is true at that moment. Two round trips.

        Returns:
            Whether it was deleted.
        """
        check_thread_id("thread_id", thread_id)
        return await delete_thread(
            self._db, thread_id, lambda thread: thread is not None and due(thread)
        )

    async def _checked(self, given: Thread) -> Thread:
        """Return a copy of the thread as it is to be stored."""
        thread = _check_thread(given)
        await clock.date(self._db, given, thread)
        return thread

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
            The thread as it is now; ``None`` if it is unknown or belongs to another resource.
        """
        key, now = self._keys.thread(thread_id), await clock.now(self._db)

        async def attempt(tx: ThreadTransaction) -> Thread | None:
            stored = await tx.read(key)
            if stored is None:
                return None
            thread = codecs.decode_thread(key, stored)
            if resource_id not in (None, thread.resource_id):
                return None
            # Decoded again: `change` may be the caller's and may alter its argument.
            changes = change(codecs.decode_thread(key, stored))
            if changes is None:
                return thread
            changes["updatedAt"] = later_than(thread.updated_at, now)
            json = raw_fields.patch(key, stored, changes)
            updated = codecs.decode_thread(key, json)
            _store(tx, key, json, thread, updated)
            return updated

        return await transact_threads(self._db, attempt, repeatable=repeatable)


def _store(
    tx: ThreadTransaction, key: str, json: bytes, before: Thread | None, after: Thread
) -> None:
    """Write a thread's record and update its index entries."""
    tx.set(key, json)
    tx.extend(after.id)
    THREADS.reindex(tx, key, before=before, after=after)


def _check_thread(value: object) -> Thread:
    thread = check_instance("thread", value, Thread)
    check_thread_id("id", thread.id)
    check_id("resource_id", thread.resource_id)
    check_title(thread.title)
    check_dict("metadata", thread.metadata)
    metadata = prepared_values.prepare("thread", thread.metadata, ".metadata").value
    return check_dates(replace(thread, metadata=metadata))
