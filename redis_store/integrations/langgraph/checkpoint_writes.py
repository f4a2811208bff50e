"""CheckpointWrites: checkpoints and writes stored on the server, as bytes."""

from collections.abc import Mapping, Sequence
from time import time
from typing import NamedTuple, cast

from redis_store._connections.commands import Argument, Command
from redis_store._engine.database import Database
from redis_store._engine.operations import operation
from redis_store.integrations.langgraph import scripts
from redis_store.integrations.langgraph.checkpoint_keys import CheckpointKeys, Place, value_name
from redis_store.integrations.langgraph.deltas import MAX_FOLD_BYTES, Value, delta_to, is_due
from redis_store.integrations.langgraph.records import CheckpointRecord, WriteRecord
from redis_store.integrations.langgraph.value_cache import ValueCache


class NewValue(NamedTuple):
    """A channel's value that is to be stored.

    Attributes:
        channel: The channel.
        version: Its version.
        data: The serialized bytes.
        is_unique: Whether no other value ever has this version, so that it may be remembered.
        is_plain: Whether it is likely to share bytes with the value before: not if encrypted.
    """

    channel: str
    version: str
    data: bytes
    is_unique: bool
    is_plain: bool


class _Sent(NamedTuple):
    """A value as it is sent: its name, kind and bytes for ``put.lua``; and what it will read as."""

    kind: str
    data: bytes
    value: Value


class CheckpointWrites:
    """Stores checkpoints.

    Args:
        db: The database.
        keys: Spells the keys.
        cache: The values that new ones can be based on.
        ttl_ms: The lifetime that a thread gets when it is written to; 0 is for ever.
    """

    def __init__(self, db: Database, keys: CheckpointKeys, cache: ValueCache, ttl_ms: int) -> None:
        self._db = db
        self._keys = keys
        self._cache = cache
        self._ttl_ms = ttl_ms

    @operation
    async def put(self, place: Place, record: CheckpointRecord, values: Sequence[NewValue]) -> None:
        """Store a checkpoint and values: one round trip.

        One more if another process has removed the values that the new ones are based on.
        """
        namespace = place.thread, place.namespace
        known = self._cache.get(namespace)
        sent = [_sent(place, value, known) for value in values]
        stored = await self._put(place, record, sent)
        if stored is None:
            sent = [_sent(place, value, {}) for value in values]
            stored = await self._put(place, record, sent) or []
        # Those were stored by another: with other bytes, if its versions are not unique.
        there = {name.decode() for name in stored}
        self._cache.put(
            namespace,
            [
                (new.channel, each.value)
                for new, each in zip(values, sent, strict=True)
                if new.is_unique and each.value.name not in there
            ],
        )

    @operation
    async def put_writes(self, place: Place, writes: Sequence[WriteRecord]) -> None:
        """Store writes of a task: one round trip. A write that is there stays, if not negative."""
        args: list[Argument] = [self._ttl_ms, int(time() * 1000)]
        for write in writes:
            args += (write.member(place.member), int(write.at < 0), write.encode())
        if writes:
            order, written, data, runs = self._keys.thread(place.thread)
            lasting = [order, runs] if self._ttl_ms else []
            await self._db.run(scripts.PUT_WRITES, [written, data, *lasting], args)

    async def _put(
        self, place: Place, record: CheckpointRecord, sent: Sequence[_Sent]
    ) -> list[bytes] | None:
        thread, run, now_ms = place.thread, record.run, int(time() * 1000)
        args: list[Argument] = [place.member, record.encode(), run, self._ttl_ms, now_ms, thread]
        for each in sent:
            args += (each.value.name, each.kind, each.data)
        order, written, data, runs = self._keys.thread(thread)
        scores = {self._keys.threads_index(thread): now_ms}
        if run:
            scores[self._keys.run_index(run)] = 0
        hints: list[Command] = [("ZADD", index, score, thread) for index, score in scores.items()]
        keys = [order, data, runs]
        if self._keys.in_one_step:
            hints, keys = [], [*keys, *scores]
        if self._ttl_ms:
            keys.append(written)
        replies = await self._db.send([*hints, scripts.PUT.call(keys, args)])
        return cast("list[bytes] | None", replies[-1])


def _sent(place: Place, new: NewValue, known: Mapping[str, Value]) -> _Sent:
    """Return a value as the difference to the one that is known, if that is worth it."""
    name = value_name(place.namespace, f"{new.channel}\0{new.version}")
    whole = _Sent("v", new.data, Value(name, new.data))
    base = known.get(new.channel)
    if base is None or not (new.is_unique and new.is_plain):
        return whole
    delta = delta_to(base, new.data)
    if delta is None:
        return whole
    if not is_due(delta, len(new.data)):
        value = Value(name, new.data, delta.depth, delta.changed)
        return _Sent("d", delta.encode(), value)
    return whole if len(new.data) > MAX_FOLD_BYTES else _Sent("f", delta.encode(), whole.value)
