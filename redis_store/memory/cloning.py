"""Cloning and copying threads, in batches that others see only once all are there.

Bodies go to their final keys first, under fresh ids that no index names and with a time to live;
then one transaction makes them permanent and writes the order, the indexes and the record. A
clone that dies, or loses a race to its id, leaves nothing that does not vanish by itself.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from anyio import CancelScope
from msgspec import UNSET

from redis_store import codecs
from redis_store.client import Argument, Command
from redis_store.errors import ThreadExistsError, ThreadNotFoundError
from redis_store.indexes import of_thread, relist
from redis_store.keys import check_id, check_ids, check_thread_id
from redis_store.memory import window as windows
from redis_store.memory.threads import check_title
from redis_store.memory.window import Filter, Place, Window
from redis_store.models import ClonedThread, CopiedThread, Message, Thread, new_id, now
from redis_store.pages import DateRange, check_count, range_us
from redis_store.repository import Repository, operation
from redis_store.transaction import Transaction

_CHUNK = 500
_UNPUBLISHED = timedelta(days=1)


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a call."""

    name: str
    source_thread_id: str
    new_thread_id: str | None
    resource_id: str | None
    title: str | None
    metadata: dict[str, Any] | None
    message_limit: int
    date_range: DateRange | None
    message_ids: Sequence[str]

    def check(self) -> None:
        """Raise InvalidArgumentError for the first wrong argument."""
        check_thread_id(self.name, "source_thread_id", self.source_thread_id)
        if self.new_thread_id is not None:
            check_thread_id(self.name, "new_thread_id", self.new_thread_id)
        if self.resource_id is not None:
            check_id(self.name, "resource_id", self.resource_id)
        check_title(self.name, self.title)
        if self.metadata is not None:
            codecs.check_object(self.name, "metadata", self.metadata)
        check_count(self.name, "message_limit", self.message_limit)
        range_us(self.name, self.date_range)
        check_ids(self.name, "message_ids", self.message_ids)


class _Part(NamedTuple):
    """One message of the clone: where it stands, and whose it is."""

    id: str
    score: int
    created_us: int
    resource_id: str


class _Made(NamedTuple):
    """A clone that others can see."""

    thread: Thread
    messages: list[Message]
    id_map: dict[str, str]


class Cloning(Repository):
    """Calls that clone and copy threads."""

    @operation
    async def clone_thread(
        self,
        source_thread_id: str,
        *,
        new_thread_id: str | None = None,
        resource_id: str | None = None,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        message_limit: int = 0,
        date_range: DateRange | None = None,
        message_ids: Sequence[str] = (),
    ) -> ClonedThread:
        """Copy a thread and return the copied messages too: see ``copy_thread``."""
        request = _Request(
            name="clone_thread",
            source_thread_id=source_thread_id,
            new_thread_id=new_thread_id,
            resource_id=resource_id,
            title=title,
            metadata=metadata,
            message_limit=message_limit,
            date_range=date_range,
            message_ids=message_ids,
        )
        made = await self._clone(request, keep_messages=True)
        return ClonedThread(thread=made.thread, messages=made.messages, message_id_map=made.id_map)

    @operation
    async def copy_thread(
        self,
        source_thread_id: str,
        *,
        new_thread_id: str | None = None,
        resource_id: str | None = None,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        message_limit: int = 0,
        date_range: DateRange | None = None,
        message_ids: Sequence[str] = (),
    ) -> CopiedThread:
        """Copy a thread under fresh message ids. Source and copy are independent.

        Three round trips and two per 500 messages; at most 500 bodies are in memory at once.

        Args:
            source_thread_id: What to copy.
            new_thread_id: The copy's id; random by default.
            resource_id: Who owns the copy and its messages; as in the source by default.
            title: Its title; ``Clone of <the source's>`` by default.
            metadata: Its metadata, to which ``clone`` is added: ``sourceThreadId``, ``clonedAt``,
                ``lastMessageId``. The source's is not copied.
            message_limit: Only the newest so many of the chosen messages; 0 is all.
            date_range: Only messages of these dates.
            message_ids: Only these messages; empty is all.

        Raises:
            ThreadNotFoundError: There is no source.
            ThreadExistsError: The new id is taken; of racing calls exactly one wins.
        """
        request = _Request(
            name="copy_thread",
            source_thread_id=source_thread_id,
            new_thread_id=new_thread_id,
            resource_id=resource_id,
            title=title,
            metadata=metadata,
            message_limit=message_limit,
            date_range=date_range,
            message_ids=message_ids,
        )
        made = await self._clone(request, keep_messages=False)
        return CopiedThread(thread=made.thread, message_id_map=made.id_map)

    async def _clone(self, request: _Request, *, keep_messages: bool) -> _Made:
        request.check()
        thread_id = request.new_thread_id or new_id()
        source = await self._source(request, thread_id)
        chosen = await self._chosen(request)
        last_id = chosen[-1].id if chosen else None
        made = _Made(_thread(request, source, thread_id, last_id), [], {})
        record = codecs.encode_thread(request.name, made.thread)
        parts: list[_Part] = []
        try:
            for first in range(0, len(chosen), _CHUNK):
                batch = chosen[first : first + _CHUNK]
                messages = await self._copy_bodies(request, thread_id, batch, parts, made.id_map)
                made.messages.extend(messages if keep_messages else [])
            await self._publish(request, made.thread, record, parts)
        except BaseException:
            with CancelScope(shield=True):
                keys = [self._keys.message(thread_id, part.id) for part in parts]
                await self._batch.send([("UNLINK", key) for key in keys])
            raise
        return made

    async def _source(self, request: _Request, thread_id: str) -> Thread:
        key, taken = self._keys.thread(request.source_thread_id), self._keys.thread(thread_id)
        found = await self._batch.get([key, taken])
        stored = found[key]
        if stored is None:
            raise ThreadNotFoundError(request.source_thread_id, operation=request.name)
        if found[taken] is not None:
            raise ThreadExistsError(thread_id, operation=request.name)
        return codecs.decode_thread(key, stored)

    async def _chosen(self, request: _Request) -> list[Place]:
        """Find which messages to copy, in their order."""
        from_us, to_us = range_us(request.name, request.date_range)
        dates = Filter(from_us=from_us, to_us=to_us)
        window = Window(thread_id=request.source_thread_id, direction="asc", filter=dates)
        _, places = (await windows.places(self._batch, [window]))[0]
        wanted = set(request.message_ids)
        chosen = [place for place in places if not wanted or place.id in wanted]
        return chosen[-request.message_limit :]

    async def _copy_bodies(
        self,
        request: _Request,
        thread_id: str,
        chosen: Sequence[Place],
        parts: list[_Part],
        id_map: dict[str, str],
    ) -> list[Message]:
        """Copy bodies to keys that nothing names yet. Two round trips."""
        key_of = {p: self._keys.message(p.thread_id, p.id) for p in chosen}
        found = await self._batch.get(list(key_of.values()))
        commands: list[Command] = []
        messages: list[Message] = []
        for place, source_key in key_of.items():
            stored = found[source_key]
            if stored is None:
                continue
            id_ = id_map[place.id] = new_id()
            changes: dict[str, object] = {"id": id_, "threadId": thread_id, "_index": UNSET}
            if request.resource_id is not None:
                changes["resourceId"] = request.resource_id
            key, body = (
                self._keys.message(thread_id, id_),
                codecs.patch(request.name, source_key, stored, changes),
            )
            message = codecs.decode_message(key, body)
            messages.append(message)
            parts.append(_Part(id_, place.score, place.created_us, message.resource_id))
            commands.append(("SET", key, body, "EX", int(_UNPUBLISHED.total_seconds())))
        await self._batch.send(commands)
        return messages

    async def _publish(
        self, request: _Request, thread: Thread, record: bytes, parts: Sequence[_Part]
    ) -> None:
        """Make the copied bodies permanent and the thread known, in one transaction."""
        key, order = self._keys.thread(thread.id), self._keys.order(thread.id)
        tx = Transaction(self._batch)
        tx.same({key: None})
        tx.set(key, record)
        relist(tx, (), of_thread(self._keys, key, thread))
        for first in range(0, len(parts), _CHUNK):
            pairs: list[Argument] = []
            for part in parts[first : first + _CHUNK]:
                pairs += (part.score, part.id)
            tx.call("ZADD", order, *pairs)
        for part in parts:
            tx.call("PERSIST", self._keys.message(thread.id, part.id))
            tx.set(self._keys.message_index(part.id), thread.id)
        for resource_id, count in Counter(part.resource_id for part in parts).items():
            tx.call("HSET", self._keys.owners(thread.id), resource_id, count)
        newest = {part.resource_id: part.created_us for part in parts}
        for resource_id, us in newest.items():
            tx.call("ZADD", self._keys.participants(resource_id), us, thread.id)
        if await tx.commit():
            raise ThreadExistsError(thread.id, operation=request.name)


def _thread(request: _Request, source: Thread, thread_id: str, last_id: str | None) -> Thread:
    moment = now()
    clone = {"sourceThreadId": source.id, "clonedAt": _iso(moment)}
    if last_id is not None:
        clone["lastMessageId"] = last_id
    title = request.title
    if title is None and source.title:
        title = f"Clone of {source.title}"
    return Thread(
        id=thread_id,
        resource_id=source.resource_id if request.resource_id is None else request.resource_id,
        title=title,
        metadata={**(request.metadata or {}), "clone": clone},
        created_at=moment,
        updated_at=moment,
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
