"""Cloning and copying threads, in batches that others see only once all are there.

Bodies go to their final keys first, under fresh ids that no index names and with a time to live;
then one transaction makes them permanent and writes the order, the indexes and the record. A
clone that dies, or loses a race to its id, leaves nothing that does not vanish by itself.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
from anyio import CancelScope
from msgspec import UNSET

from redis_store._connections.commands import Argument, Command
from redis_store._engine import codecs
from redis_store._engine.arguments import (
    check_count,
    check_date_range,
    check_id,
    check_ids,
    check_object,
    check_thread_id,
    check_title,
)
from redis_store._engine.indexes import THREADS, of_thread, relist, settle
from redis_store._engine.operations import Repository, operation
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction, attempts
from redis_store.errors import BackendError, ThreadExistsError, ThreadNotFoundError
from redis_store.memory import windows
from redis_store.memory.windows import Filter, Place, Window
from redis_store.models import ClonedThread, CopiedThread, Message, Thread, new_id, now
from redis_store.pages import DateRange

_CHUNK = 500
_UNPUBLISHED = timedelta(days=1)


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a call."""

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
        check_thread_id("source_thread_id", self.source_thread_id)
        if self.new_thread_id is not None:
            check_thread_id("new_thread_id", self.new_thread_id)
        if self.resource_id is not None:
            check_id("resource_id", self.resource_id)
        check_title(self.title)
        if self.metadata is not None:
            check_object("metadata", self.metadata)
        check_count("message_limit", self.message_limit)
        check_date_range(self.date_range)
        check_ids("message_ids", self.message_ids)


class _Part(NamedTuple):
    """One message of the clone: its place as copied, and whose it is."""

    created_us: int
    score: int
    id: str
    source_id: str
    resource_id: str


class _Copy:
    """What was copied so far, under the clone's id but unknown to others.

    Attributes:
        thread_id: The clone's id.
        parts: Its messages.
        messages: They whole, by id, if they are asked for.
        first: The key and the body of the first one; while it is there, nothing was discarded.
        sorted_anew: Whether the source was, since its order was read.
    """

    def __init__(self, thread_id: str, *, keep_messages: bool) -> None:
        self.thread_id = thread_id
        self.parts: list[_Part] = []
        self.messages: dict[str, Message] | None = {} if keep_messages else None
        self.first: dict[str, bytes | None] = {}
        self.sorted_anew = False

    def add(self, place: Place, key: str, body: bytes, message: Message) -> None:
        """Note a copied message."""
        us = epoch_us(message.created_at)
        self.sorted_anew |= us != place.created_us
        self.parts.append(_Part(us, place.score, message.id, place.id, message.resource_id))
        self.first = self.first or {key: body}
        if self.messages is not None:
            self.messages[message.id] = message

    def finish(self) -> None:
        """Order the messages by the dates that they were copied with."""
        if self.sorted_anew:
            self.parts.sort()
            scores = accumulate((part.created_us for part in self.parts), _next_score)
            pairs = zip(self.parts, scores, strict=True)
            self.parts = [part._replace(score=score) for part, score in pairs]


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
        rounds = attempts(self._batch)
        while True:
            tx = next(rounds)
            source = await self._source(request, thread_id)
            copy = _Copy(thread_id, keep_messages=keep_messages)
            try:
                if await self._copy(request, copy, source.resource_id):
                    thread = _thread(request, source, copy)
                    self._publish(tx, thread, copy)
                    if not await tx.commit():
                        return _made(thread, copy)
            except BaseException:
                # Where this fails too, what was copied expires.
                with CancelScope(shield=True), suppress(BackendError):
                    await self._discard(copy)
                raise
            await self._discard(copy)

    async def _source(self, request: _Request, thread_id: str) -> Thread:
        key, taken = self._keys.thread(request.source_thread_id), self._keys.thread(thread_id)
        found = await self._batch.get([key, taken])
        stored = found[key]
        if stored is None:
            raise ThreadNotFoundError(request.source_thread_id)
        if found[taken] is not None:
            raise ThreadExistsError(thread_id)
        return codecs.decode_thread(key, stored)

    async def _chosen(self, request: _Request) -> list[Place]:
        """Find which messages to copy, in their order."""
        from_us, to_us = check_date_range(request.date_range)
        dates = Filter(from_us=from_us, to_us=to_us)
        window = Window(thread_id=request.source_thread_id, direction="asc", filter=dates)
        _, places = (await windows.places(self._batch, [window]))[0]
        wanted = set(request.message_ids)
        chosen = [place for place in places if not wanted or place.id in wanted]
        return chosen[-request.message_limit :]

    async def _copy(self, request: _Request, copy: _Copy, owner: str) -> bool:
        """Copy the messages; tell whether the source was the owner's to the end."""
        chosen = await self._chosen(request)
        source = self._keys.thread(request.source_thread_id)
        stored: bytes | None = None
        for first in range(0, len(chosen) or 1, _CHUNK):
            commands = await self._copies(request, copy, chosen[first : first + _CHUNK])
            *_, stored = await self._batch.send([*commands, ("GET", source)])
        copy.finish()
        return stored is not None and codecs.decode_thread(source, stored).resource_id == owner

    async def _copies(
        self, request: _Request, copy: _Copy, chosen: Sequence[Place]
    ) -> list[Command]:
        """Read messages and build what stores them again, at keys that nothing names yet."""
        key_of = {place: self._keys.message(place.thread_id, place.id) for place in chosen}
        found = await self._batch.get(list(key_of.values()))
        commands: list[Command] = []
        for place, source_key in key_of.items():
            stored = found[source_key]
            if stored is None:
                continue
            id_ = new_id()
            changes: dict[str, object] = {"id": id_, "threadId": copy.thread_id, "_index": UNSET}
            if request.resource_id is not None:
                changes["resourceId"] = request.resource_id
            key = self._keys.message(copy.thread_id, id_)
            body = codecs.patch(source_key, stored, changes)
            # Under the source's key: that is where a record that cannot be read lies.
            copy.add(place, key, body, codecs.decode_message(source_key, body))
            commands.append(("SET", key, body, "EX", int(_UNPUBLISHED.total_seconds())))
        return commands

    async def _discard(self, copy: _Copy) -> None:
        """Remove what was copied, unless a call that seemed to fail has published it."""
        if not copy.parts:
            return
        bodies = [self._keys.message(copy.thread_id, part.id) for part in copy.parts]
        tx = Transaction(self._batch)
        tx.same({self._keys.thread(copy.thread_id): None})
        tx.delete(bodies)
        if await tx.commit():
            order = self._keys.order(copy.thread_id)
            if await self._batch.command("ZSCORE", order, copy.parts[0].id) is None:
                await self._batch.send([("UNLINK", key) for key in bodies])

    def _publish(self, tx: Transaction, thread: Thread, copy: _Copy) -> None:
        """Make the copied bodies permanent and the thread known; refuse if its id is taken."""
        key, order, parts = self._keys.thread(thread.id), self._keys.order(thread.id), copy.parts
        tx.same({key: None, **copy.first})
        json, entries = codecs.encode_thread(thread), of_thread(self._keys, key, thread)
        tx.set(key, json)
        tx.keep(thread.id)
        relist(tx, (), entries)
        tx.then(partial(settle, self._batch, THREADS, {key: json}, {key: entries}))
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


def _next_score(before: int, created_us: int) -> int:
    return max(before + 1, created_us)


def _made(thread: Thread, copy: _Copy) -> _Made:
    messages = [] if copy.messages is None else [copy.messages[part.id] for part in copy.parts]
    return _Made(thread, messages, {part.source_id: part.id for part in copy.parts})


def _thread(request: _Request, source: Thread, copy: _Copy) -> Thread:
    moment = now()
    clone = {"sourceThreadId": source.id, "clonedAt": _iso(moment)}
    if copy.parts:
        clone["lastMessageId"] = copy.parts[-1].source_id
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
