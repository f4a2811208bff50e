"""CheckpointReads: checkpoints read from the server, as bytes."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

from redis_store._connections.commands import Argument, Command, Reply, entries
from redis_store._engine.database import Database
from redis_store._engine.operations import operation
from redis_store.integrations.langgraph import scripts
from redis_store.integrations.langgraph.checkpoint_keys import CheckpointKeys, Place, value_name
from redis_store.integrations.langgraph.deltas import Value
from redis_store.integrations.langgraph.records import (
    CheckpointRecord,
    StoredCheckpoint,
    WriteRecord,
    corrupt,
)
from redis_store.integrations.langgraph.value_cache import ValueCache
from redis_store.integrations.langgraph.values import StoredValues
from redis_store.integrations.langgraph.versions import is_unique

# Members of an order per read.
_MEMBERS = 100
# What a reply of several checkpoints may hold, but for the last of them.
_REPLY_BYTES = 2**22

Wanted = Callable[[CheckpointRecord], bool]


class Selection(NamedTuple):
    """Which checkpoints of a thread are listed.

    Attributes:
        namespace: The only namespace, or ``None`` for all.
        id: The only id, or an empty string for any.
        before: The id that those listed come before, or an empty string.
        wanted: Whether a checkpoint is listed, or ``None`` for each.
    """

    namespace: str | None = None
    id: str = ""
    before: str = ""
    wanted: Wanted | None = None


class ChannelHistory(NamedTuple):
    """What a channel became on the way to a checkpoint: writes, oldest first, from a value on."""

    writes: list[WriteRecord]
    seed: Value | None


class CheckpointReads:
    """Reads checkpoints.

    Args:
        db: The database.
        keys: Spells the keys.
        cache: Values that need not be read again.
        refresh_ms: The lifetime that a thread gets when it is read; 0 leaves it as it is.
    """

    def __init__(
        self, db: Database, keys: CheckpointKeys, cache: ValueCache, refresh_ms: int
    ) -> None:
        self._db = db
        self._keys = keys
        self._cache = cache
        self._refresh_ms = refresh_ms

    @operation
    async def get(self, place: Place) -> StoredCheckpoint | None:
        """Read a checkpoint: one round trip, which carries only values that are not known yet."""
        keys, namespace = self._keys.thread(place.thread), (place.thread, place.namespace)
        known = list(self._cache.get(namespace).values())
        args: list[Argument] = [place.namespace, place.id, *(value.name for value in known)]
        script = scripts.GET.call([keys.order, keys.writes, keys.data], args)
        reply = (await self._db.send([script, *self._refreshes(place.thread)]))[0]
        if reply is None:
            return None
        row, values = reply
        stored = _stored(keys.data, row, StoredValues(values, known))
        self._cache.put(
            namespace,
            [(c, v) for c, v in stored.values.items() if is_unique(v.name.rpartition("\0")[2])],
        )
        return stored

    async def list_thread(
        self, thread: str, selection: Selection, limit: int | None = None
    ) -> AsyncIterator[StoredCheckpoint]:
        """Iterate over checkpoints, the newest first: two round trips, three with ``wanted``.

        As many again for each hundred checkpoints, or each 4 MB of them.
        """
        left = limit
        if self._refresh_ms:
            await self._db.send(self._refreshes(thread))
        async for members in self._pages(thread, selection, limit):
            wanted = await self._only_wanted(thread, members, selection.wanted)
            chosen = wanted if left is None else wanted[:left]
            async for stored in self._read(thread, chosen):
                yield stored
            left = None if left is None else left - len(chosen)
            if left == 0:
                return

    async def threads(self) -> list[tuple[float, str, str]]:
        """Return every thread, the latest changed first: its time in ms, its name and its index."""
        indexes = self._keys.all_threads()
        commands: list[Command] = [("ZRANGE", index, 0, -1, "WITHSCORES") for index in indexes]
        replies = await self._db.send(commands)
        found = [
            (score, thread, index)
            for index, reply in zip(indexes, replies, strict=True)
            for score, thread in entries(reply)
        ]
        return sorted(found, reverse=True)

    async def exists(self, thread: str) -> bool:
        """Whether a thread has checkpoints."""
        return bool(await self._db.command("EXISTS", self._keys.thread(thread).order))

    async def forget(self, found: tuple[float, str, str]) -> None:
        """Take a thread that is gone out of its index, unless it came back."""
        score, thread, index = found
        await self._db.run(scripts.FORGET, [index], [thread, score])

    async def members(self, thread: str) -> list[bytes]:
        """Return the members of a thread's order."""
        found: list[bytes] = await self._db.command(
            "ZRANGE", self._keys.thread(thread).order, 0, -1
        )
        return found

    async def records(
        self, thread: str, members: Sequence[bytes]
    ) -> list[tuple[bytes, CheckpointRecord]]:
        """Read the records of checkpoints, without values; those that are gone are left out."""
        data = self._keys.thread(thread).data
        if not members:
            return []
        reply = await self._db.command("HMGET", data, *(b"c\0" + each for each in members))
        with corrupt(data):
            return [
                (member, CheckpointRecord.decode(record))
                for member, record in zip(members, reply, strict=True)
                if record is not None
            ]

    @operation
    async def history(
        self, place: Place, channels: Sequence[str]
    ) -> tuple[list[str], dict[str, ChannelHistory]]:
        """Walk from a checkpoint to its ancestors until each channel has a value: one round trip.

        Returns:
            The members of the ancestors walked, and what was found of each channel.
        """
        keys = self._keys.thread(place.thread)
        args: list[Argument] = [place.namespace, place.id, *channels]
        steps, seeds, values = await self._db.run(
            scripts.HISTORY, [keys.order, keys.writes, keys.data], args
        )
        with corrupt(keys.data):
            stored = StoredValues(values)
            names = [each.decode() for each in seeds]
            seed = dict(zip(names[::2], map(stored.get, names[1::2]), strict=True))
            writes = [write for _, found in reversed(steps) for write in _writes(found)]
        found = {
            channel: ChannelHistory([w for w in writes if w.channel == channel], seed.get(channel))
            for channel in channels
        }
        return [member.decode() for member, _ in steps], found

    def _refreshes(self, thread: str) -> list[Command]:
        keys = self._keys.thread(thread) if self._refresh_ms else ()
        return [("PEXPIRE", key, self._refresh_ms) for key in keys]

    async def _pages(
        self, thread: str, selection: Selection, limit: int | None
    ) -> AsyncIterator[list[bytes]]:
        namespace, only, before, wanted = selection
        if namespace is not None and only:
            yield [Place(thread, namespace, only).member.encode()]
        elif namespace is None:
            members = _of_all_namespaces(await self.members(thread), selection)
            for first in range(0, len(members), _MEMBERS):
                yield members[first : first + _MEMBERS]
        else:
            size = _MEMBERS if limit is None or wanted else min(limit, _MEMBERS)
            order, top = self._keys.thread(thread).order, before
            while True:
                last = f"({namespace}\0{top}" if top else f"({namespace}\1"
                page: list[bytes] = await self._db.command(
                    "ZREVRANGEBYLEX", order, last, f"[{namespace}\0", "LIMIT", 0, size
                )
                if page:
                    yield page
                if len(page) < size:
                    return
                top = page[-1].decode().rpartition("\0")[2]

    async def _only_wanted(
        self, thread: str, members: list[bytes], wanted: Wanted | None
    ) -> list[bytes]:
        if wanted is None:
            return members
        return [member for member, record in await self.records(thread, members) if wanted(record)]

    async def _read(self, thread: str, members: list[bytes]) -> AsyncIterator[StoredCheckpoint]:
        keys, at = self._keys.thread(thread), 0
        while at < len(members):
            args: list[Argument] = [_REPLY_BYTES, *members[at:]]
            rows, values = await self._db.run(scripts.LIST, [keys.writes, keys.data], args)
            at += len(rows)
            stored = StoredValues(values)
            for row in filter(None, rows):
                yield _stored(keys.data, row, stored)


def _of_all_namespaces(members: Sequence[bytes], selection: Selection) -> list[bytes]:
    """Return the members that are selected, in all namespaces, the newest id first."""
    only, before = selection.id.encode(), selection.before.encode()
    ids = {member: member.rpartition(b"\0")[2] for member in members}
    chosen = [
        member
        for member, id_ in ids.items()
        if (not only or id_ == only) and (not before or id_ < before)
    ]
    return sorted(chosen, key=lambda member: ids[member], reverse=True)


def _stored(key: str, row: Any, values: StoredValues) -> StoredCheckpoint:
    member, data, writes = row
    with corrupt(key):
        namespace, _, id_ = member.decode().partition("\0")
        record = CheckpointRecord.decode(data)
        found = {each: values.get(value_name(namespace, each)) for each in record.versions}
        by_channel = {
            each.partition("\0")[0]: value for each, value in found.items() if value is not None
        }
        return StoredCheckpoint(key, namespace, id_, record, by_channel, _writes(writes))


def _writes(reply: Reply) -> list[WriteRecord]:
    """Read the writes of one checkpoint, in the order in which they are applied."""
    return sorted(map(WriteRecord.decode, reply[::2], reply[1::2]), key=lambda write: write[:3])
