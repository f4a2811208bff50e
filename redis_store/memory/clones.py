"""Clones: copies of threads, made in batches that become visible all at once.

Bodies go to their final keys first, under new ids that nothing refers to and with a time to live.
Then one transaction makes them permanent and writes the timeline, the indexes and the record. A
clone that crashes, or loses a race for its id, leaves only keys that expire.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Self, TypedDict, Unpack

import msgspec
from anyio import CancelScope
from msgspec import UNSET
from msgspec.structs import replace

from redis_store._connections.commands import Argument, Command
from redis_store._engine import clock, codecs, raw_fields
from redis_store._engine.arguments import (
    check_count,
    check_date_range,
    check_id,
    check_ids,
    check_object,
    check_thread_id,
    check_title,
)
from redis_store._engine.database import READ_CHUNK
from redis_store._engine.indexes import THREADS
from redis_store._engine.operations import Repository, operation
from redis_store.errors import BackendError, ThreadExistsError, ThreadNotFoundError
from redis_store.memory import windows
from redis_store.memory.message_filter import Filter
from redis_store.memory.thread_copy import ThreadCopy
from redis_store.memory.thread_transaction import ThreadTransaction, begin, transact_threads
from redis_store.memory.windows import Position, Window
from redis_store.models import ClonedThread, CopiedThread, Thread, new_id
from redis_store.pages import DateRange

# How long the bodies of an unpublished clone live. Nothing else would remove them after a crash.
_UNPUBLISHED = timedelta(days=1)


class CloneOptions(TypedDict, total=False):
    """The options of ``clone_thread`` and ``copy_thread``.

    Attributes:
        new_thread_id: The copy's id; random by default.
        resource_id: The owner of the copy and its messages; as in the source by default.
        title: Its title; ``Clone of <the source's>`` by default.
        metadata: Its metadata, to which ``clone`` is added: ``sourceThreadId``, ``clonedAt``,
            ``lastMessageId``. The source's metadata is not copied.
        message_limit: Only this many of the chosen messages, the newest; 0, the default, is all.
        date_range: Only messages in this range.
        message_ids: Only these messages; empty, the default, is all.
    """

    new_thread_id: str | None
    resource_id: str | None
    title: str | None
    metadata: dict[str, Any] | None
    message_limit: int
    date_range: DateRange | None
    message_ids: Sequence[str]


class _CloneRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a call: see ``CloneOptions``."""

    source_thread_id: str
    new_thread_id: str | None = None
    resource_id: str | None = None
    title: str | None = None
    metadata: dict[str, Any] | None = None
    message_limit: int = 0
    date_range: DateRange | None = None
    message_ids: Sequence[str] = ()

    def checked(self) -> Self:
        """Return the arguments as they are stored, or raise for the first bad one."""
        check_thread_id("source_thread_id", self.source_thread_id)
        if self.new_thread_id is not None:
            check_thread_id("new_thread_id", self.new_thread_id)
        if self.resource_id is not None:
            check_id("resource_id", self.resource_id)
        check_title(self.title)
        metadata = None if self.metadata is None else check_object("metadata", self.metadata)
        check_count("message_limit", self.message_limit)
        check_date_range(self.date_range)
        check_ids("message_ids", self.message_ids)
        return replace(self, metadata=metadata)


class Clones(Repository):
    """Calls that clone and copy threads."""

    @operation
    async def clone_thread(
        self, source_thread_id: str, **options: Unpack[CloneOptions]
    ) -> ClonedThread:
        """Copy a thread and also return the copied messages: see ``copy_thread``."""
        request = _CloneRequest(source_thread_id=source_thread_id, **options)
        thread, copy = await self._clone(request, keep_messages=True)
        messages = copy.messages or {}
        return ClonedThread(
            thread=thread,
            messages=[messages[each.id] for each in copy.copied],
            message_id_map=copy.id_map,
        )

    @operation
    async def copy_thread(
        self, source_thread_id: str, **options: Unpack[CloneOptions]
    ) -> CopiedThread:
        """Copy a thread under new message ids. Source and copy are independent.

        Three round trips and two per 500 messages; at most 500 bodies are in memory at once.

        Args:
            source_thread_id: The thread to copy.
            **options: See ``CloneOptions``.

        Raises:
            ThreadNotFoundError: There is no source.
            ThreadExistsError: The new id is taken; of racing calls exactly one wins.
        """
        request = _CloneRequest(source_thread_id=source_thread_id, **options)
        thread, copy = await self._clone(request, keep_messages=False)
        return CopiedThread(thread=thread, message_id_map=copy.id_map)

    async def _clone(
        self, request: _CloneRequest, *, keep_messages: bool
    ) -> tuple[Thread, ThreadCopy]:
        request = request.checked()
        copy = ThreadCopy(request.new_thread_id or new_id(), keep_messages=keep_messages)

        async def attempt(tx: ThreadTransaction) -> Thread:
            # A refused attempt has left its bodies; they may be out of date by now.
            await self._discard(copy)
            source = await self._copy(request, copy)
            thread = _thread_of(request, source, copy, await clock.now(self._db))
            _publish(tx, thread, copy)
            return thread

        try:
            return await transact_threads(self._db, attempt), copy
        except BaseException:
            # On cancellation too, hence the shield. If this fails as well, the bodies expire.
            with CancelScope(shield=True), suppress(BackendError):
                await self._discard(copy)
            raise

    async def _copy(self, request: _CloneRequest, copy: ThreadCopy) -> Thread:
        """Copy the messages of the source and return its record.

        The bodies name the owner, so they are discarded if it changed while they were copied.
        """
        while True:
            source = await self._source(request, copy.thread_id)
            if await self._copy_messages(request, copy, source.resource_id):
                return source
            await self._discard(copy)

    async def _source(self, request: _CloneRequest, thread_id: str) -> Thread:
        key, taken = self._keys.thread(request.source_thread_id), self._keys.thread(thread_id)
        found = await self._db.get([key, taken])
        stored = found[key]
        if stored is None:
            raise ThreadNotFoundError(request.source_thread_id)
        if found[taken] is not None:
            raise ThreadExistsError(thread_id)
        return codecs.decode_thread(key, stored)

    async def _copy_messages(self, request: _CloneRequest, copy: ThreadCopy, owner: str) -> bool:
        """Copy the messages; return whether the source still had this owner at the end."""
        chosen = await self._chosen(request)
        source = self._keys.thread(request.source_thread_id)
        stored: bytes | None = None
        # At least once: the owner is checked even if there is nothing to copy.
        for first in range(0, len(chosen) or 1, READ_CHUNK):
            commands = await self._copies(request, copy, chosen[first : first + READ_CHUNK])
            # The last reply counts. It is read behind the last bodies, so an owner that comes later
            # got the thread after it was cloned.
            *_, stored = await self._db.send([*commands, ("GET", source)])
        copy.finish()
        return stored is not None and codecs.decode_thread(source, stored).resource_id == owner

    async def _chosen(self, request: _CloneRequest) -> list[Position]:
        """Return the positions of the messages to copy, the oldest one first."""
        from_us, to_us = check_date_range(request.date_range)
        dates = Filter(from_us=from_us, to_us=to_us)
        window = Window(thread_id=request.source_thread_id, direction="asc", filter=dates)
        _, positions = (await windows.positions(self._db, [window]))[0]
        wanted = set(request.message_ids)
        chosen = [position for position in positions if not wanted or position.id in wanted]
        return chosen[-request.message_limit :]

    async def _copies(
        self, request: _CloneRequest, copy: ThreadCopy, chosen: Sequence[Position]
    ) -> list[Command]:
        """Read messages and build the commands that store them again, under new ids."""
        key_of = {
            position: self._keys.message(position.thread_id, position.id) for position in chosen
        }
        found = await self._db.get(list(key_of.values()))
        commands: list[Command] = []
        for position, source_key in key_of.items():
            stored = found[source_key]
            # Deleted since its position was read.
            if stored is None:
                continue
            id_ = new_id()
            # `_index` is a position that Mastra keeps in the body; it means nothing in the copy.
            changes: dict[str, object] = {"id": id_, "threadId": copy.thread_id, "_index": UNSET}
            if request.resource_id is not None:
                changes["resourceId"] = request.resource_id
            key = self._keys.message(copy.thread_id, id_)
            body = raw_fields.patch(source_key, stored, changes)
            # Decoded under the source's key: that is where a corrupt record is to be found.
            copy.add(position, key, body, codecs.decode_message(source_key, body))
            commands.append(("SET", key, body, "EX", int(_UNPUBLISHED.total_seconds())))
        return commands

    async def _discard(self, copy: ThreadCopy) -> None:
        """Remove copied bodies, unless a commit that seemed to fail has published them."""
        if not copy.copied:
            return
        bodies = [self._keys.message(copy.thread_id, each.id) for each in copy.copied]
        tx = begin(self._db)
        tx.expect({self._keys.thread(copy.thread_id): None})
        tx.delete(bodies)
        if not await tx.commit():
            # There is a thread of this id: our own, if the reply to its commit was lost, or that of
            # a caller who won the race. Only our own has our messages in its timeline.
            timeline = self._keys.timeline(copy.thread_id)
            if await self._db.command("ZSCORE", timeline, copy.copied[0].id) is None:
                await self._db.send([("UNLINK", key) for key in bodies])
        copy.clear()


def _publish(tx: ThreadTransaction, thread: Thread, copy: ThreadCopy) -> None:
    """Make the copied bodies permanent and the thread visible; refuse if its id is taken."""
    keys = tx.keys
    key, timeline = keys.thread(thread.id), keys.timeline(thread.id)
    # The first body stands for all: a discard removes them together, and the first one expires
    # first. So the others need not be sent again as conditions.
    tx.expect({key: None, **copy.first})
    tx.set(key, codecs.encode_thread(thread))
    # Takes effect at the end of the commit, so with `thread_ttl` it overrules PERSIST below.
    tx.extend(thread.id)
    THREADS.reindex(tx, key, before=None, after=thread)
    for first in range(0, len(copy.copied), READ_CHUNK):
        pairs: list[Argument] = []
        for each in copy.copied[first : first + READ_CHUNK]:
            pairs += (each.score, each.id)
        tx.command("ZADD", timeline, *pairs)
    for each in copy.copied:
        tx.command("PERSIST", keys.message(thread.id, each.id))
        tx.set(keys.message_pointer(each.id), thread.id)
    for resource_id, count in Counter(each.resource_id for each in copy.copied).items():
        tx.command("HSET", keys.resource_counts(thread.id), resource_id, count)
    # In timeline order, so the newest message of each resource is the one that stays.
    newest = {each.resource_id: each.created_us for each in copy.copied}
    for resource_id, us in newest.items():
        tx.command("ZADD", keys.threads_with_messages_of(resource_id), us, thread.id)


def _thread_of(
    request: _CloneRequest, source: Thread, copy: ThreadCopy, moment: datetime
) -> Thread:
    """Build the clone's record."""
    clone = {"sourceThreadId": source.id, "clonedAt": _iso(moment)}
    if copy.copied:
        clone["lastMessageId"] = copy.copied[-1].source_id
    title = request.title
    if title is None and source.title:
        title = f"Clone of {source.title}"
    return Thread(
        id=copy.thread_id,
        resource_id=source.resource_id if request.resource_id is None else request.resource_id,
        title=title,
        metadata={**(request.metadata or {}), "clone": clone},
        created_at=moment,
        updated_at=moment,
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
