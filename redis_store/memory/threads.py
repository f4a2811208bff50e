"""Threads: records, their read-modify-write updates, and deletion."""

from collections.abc import Callable
from functools import partial
from typing import Any

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
from redis_store._engine.indexes import THREADS, of_thread, relist, settle
from redis_store._engine.lifetime import keep_alive
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.timestamps import later_than
from redis_store._engine.transaction import Transaction, attempts
from redis_store.errors import CorruptRecordError, ThreadNotFoundError
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
        if self._batch.thread_ttl is not None:
            await keep_alive(self._batch, [thread_id])
        (stored,) = await self._batch.send([("GET", key)])
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
        thread = _checked(thread)
        key, json = self._keys.thread(thread.id), codecs.encode_thread(thread)
        found: dict[str, bytes | None] = {key: None}
        for tx in attempts(self._batch):
            tx.same(found)
            tx.set(key, json)
            tx.keep(thread.id)
            self._relist(tx, _readable(key, found[key]), thread, json)
            refused = await tx.commit()
            if not refused:
                break
            found |= refused
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

        updated = await self._modify_thread(thread_id, change)
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
        writes nothing; what it raises propagates.

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

        return await self._modify_thread(thread_id, change, resource_id, repeatable=False)

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
        rounds = attempts(self._batch)
        while True:
            tx = next(rounds)
            stored, owners, newest = await self._outline(thread_id, first=-1)
            if stored is None:
                raise ThreadNotFoundError(thread_id)
            before = codecs.decode_thread(key, stored)
            if before.resource_id == resource_id:
                return before
            changes = {"resourceId": resource_id, "updatedAt": later_than(before.updated_at)}
            json = codecs.patch(key, stored, changes)
            thread = codecs.decode_thread(key, json)
            tx.same({key: stored})
            tx.set(key, json)
            tx.keep(thread_id)
            if self._keys.hash_tags:
                # Its new owner lists it no later than the former one stops to.
                for entry in of_thread(self._keys, key, thread):
                    tx.hint("ZADD", entry.key, entry.score_us, entry.member)
            self._relist(tx, before, thread, json)
            tx.own(thread_id, resource_id)
            self._leave_participants(tx, thread_id, owners)
            for newest_us, _ in newest:
                tx.call("ZADD", self._keys.participants(resource_id), int(newest_us), thread_id)
            if not await tx.commit():
                return thread

    @operation
    async def delete_thread(self, thread_id: str) -> None:
        """Remove a thread with its messages and their index entries, in one atomic step.

        Three round trips; an unknown id is fine.
        """
        check_thread_id("thread_id", thread_id)
        await self._delete_thread(thread_id, lambda _: True)

    @operation
    async def delete_thread_if(self, thread_id: str, due: Callable[[Thread], bool]) -> bool:
        """Delete a thread if ``due(thread)`` holds in the moment it goes: see ``delete_thread``.

        Returns:
            Whether it was deleted.
        """
        check_thread_id("thread_id", thread_id)
        return await self._delete_thread(
            thread_id, lambda thread: thread is not None and due(thread)
        )

    async def _delete_thread(self, thread_id: str, due: Callable[[Thread | None], bool]) -> bool:
        key, order = self._keys.thread(thread_id), self._keys.order(thread_id)
        rounds = attempts(self._batch)
        while True:
            tx = next(rounds)
            stored, owners, placed = await self._outline(thread_id, first=0)
            thread = _readable(key, stored)
            if not due(thread):
                return False
            ids = [id_ for _, id_ in placed]
            indexes = [self._keys.message_index(id_) for id_ in ids]
            found = await self._batch.get(indexes)
            # Every write to the thread's messages changes its record, so this guards them too.
            tx.same({key: stored})
            tx.delete([key, order, self._keys.owners(thread_id)])
            tx.delete(self._keys.message(thread_id, id_) for id_ in ids)
            mine = [
                i for i, at in zip(ids, indexes, strict=True) if found[at] == thread_id.encode()
            ]
            tx.forget(dict.fromkeys(mine, thread_id))
            self._leave_participants(tx, thread_id, owners)
            self._relist(tx, thread, None, None)
            if not await tx.commit():
                return True

    async def _modify_thread(
        self,
        thread_id: str,
        change: Callable[[Thread], dict[str, object] | None],
        resource_id: str | None = None,
        *,
        repeatable: bool = True,
    ) -> Thread | None:
        """Change a thread's record by what was read, again until nobody came between."""
        key = self._keys.thread(thread_id)
        found = await self._batch.get([key])
        rounds = attempts(self._batch, repeatable=repeatable)
        while True:
            tx = next(rounds)
            stored = found[key]
            if stored is None:
                return None
            thread = codecs.decode_thread(key, stored)
            if resource_id not in (None, thread.resource_id):
                return None
            changes = change(codecs.decode_thread(key, stored))
            if changes is None:
                return thread
            changes["updatedAt"] = later_than(thread.updated_at)
            json = codecs.patch(key, stored, changes)
            updated = codecs.decode_thread(key, json)
            tx.same(found)
            tx.set(key, json)
            tx.keep(thread_id)
            self._relist(tx, thread, updated, json)
            refused = await tx.commit()
            if not refused:
                return updated
            found |= refused

    async def _outline(
        self, thread_id: str, *, first: int
    ) -> tuple[bytes | None, list[str], list[tuple[float, str]]]:
        """Read a thread's record, the resources its messages carry, and its order from a rank on.

        One round trip.
        """
        stored, owners, placed = await self._batch.send(
            [
                ("GET", self._keys.thread(thread_id)),
                ("HKEYS", self._keys.owners(thread_id)),
                ("ZRANGE", self._keys.order(thread_id), first, -1, "WITHSCORES"),
            ]
        )
        return stored, [owner.decode() for owner in owners], entries(placed)

    def _relist(
        self, tx: Transaction, before: Thread | None, after: Thread | None, json: bytes | None
    ) -> None:
        """Enter a thread, stored as ``json``, in its indexes in place of what it was."""
        thread = after or before
        if thread is None:
            return
        key = self._keys.thread(thread.id)
        old = of_thread(self._keys, key, before) if before else ()
        new = of_thread(self._keys, key, after) if after else ()
        relist(tx, old, new)
        tx.then(partial(settle, self._batch, THREADS, {key: json}, {key: new}))

    def _leave_participants(self, tx: Transaction, thread_id: str, owners: list[str]) -> None:
        for owner in owners:
            tx.call("ZREM", self._keys.participants(owner), thread_id)
        tx.then(partial(self._settle_participants, thread_id, owners))

    async def _settle_participants(self, thread_id: str, left: list[str]) -> None:
        """List the thread among those that hold messages of its owners, and of no former ones."""
        seen = None
        while True:
            _, owners, placed = await self._outline(thread_id, first=-1)
            if owners == seen:
                return
            seen, newest_us = owners, int(placed[0][0]) if placed else 0
            listed = [self._keys.participants(owner) for owner in owners]
            gone = [self._keys.participants(owner) for owner in left if owner not in owners]
            await self._batch.send(
                [
                    *(("ZREM", index, thread_id) for index in gone),
                    *(("ZADD", index, "GT", newest_us, thread_id) for index in listed),
                ]
            )


def _readable(key: str, stored: bytes | None) -> Thread | None:
    """Decode a record that is about to go; one that cannot be read must not stop that."""
    try:
        return None if stored is None else codecs.decode_thread(key, stored)
    except CorruptRecordError:
        return None


def _checked(value: object) -> Thread:
    thread = check_instance("thread", value, Thread)
    check_thread_id("id", thread.id)
    check_id("resource_id", thread.resource_id)
    check_title(thread.title)
    check_dict("metadata", thread.metadata)
    return check_dates(thread)
