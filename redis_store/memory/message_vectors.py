"""Vectors of messages: kept for each resource, searched in two stages.

A resource has two hashes in one slot, whose fields name messages by thread and id: ``codes`` for
the first stage, ``vectors`` for the second. They are hints: a reader asks the message, and removes
the vector of one that is gone, has another text or is another resource's by now.

Tests: ``tests/test_semantic_recall.py``.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from heapq import nlargest
from typing import NamedTuple

from redis_store._connections.commands import Argument, Command, Reply, pairs
from redis_store._engine import codecs, vectors
from redis_store._engine.database import READ_CHUNK, Database
from redis_store._engine.integration_keys import join
from redis_store._engine.operations import operation
from redis_store._engine.scripts import AROUND, CODES, DROP_VECTORS, PUT_VECTORS
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.memory.lifetime import ttl_ms
from redis_store.memory.vector_codes import Code, MessagePlace, VectorKeys, place_of
from redis_store.models import Message

Vector = Sequence[float]
# Messages of which so few are compared in full, however few are wanted; and else so many times as
# many as are wanted.
_LEAST, _FACTOR = 50, 10


class Recall(NamedTuple):
    """What a search returns.

    Attributes:
        top_k: How many messages.
        message_range: How many neighbours of each, on either side.
    """

    top_k: int
    message_range: int


class MessageVectors:
    """The vectors of one resource's messages.

    Args:
        db: The database.
        resource_id: The resource.
    """

    def __init__(self, db: Database, resource_id: str) -> None:
        self._db = db
        self._resource_id = resource_id
        keys = VectorKeys(db.keys)
        self._keys = [keys.codes(resource_id), keys.vectors(resource_id)]

    @operation
    async def put(self, messages: Sequence[Message], found: Sequence[Vector]) -> None:
        """Store the vectors of messages: one round trip.

        Only after the messages are stored: whoever reads a vector takes its message for deleted if
        there is none.
        """
        args: list[Argument] = [ttl_ms(self._db)]
        for message, vector in zip(messages, found, strict=True):
            code = Code.of(message, vector)
            args += code.field, code.stored, vectors.to_bytes(vector)
        if messages:
            await self._db.run(PUT_VECTORS, self._keys, args)

    @operation
    async def codes(self) -> list[Code]:
        """Read all codes, and extend the lifetime of the vectors: one round trip.

        Raises:
            InvalidArgumentError: There are too many to compare, though those whose messages are
                gone were removed.
        """
        count, flat = await self._read_codes()
        if count > vectors.MAX_COMPARED:
            await self.sweep()
            count, flat = await self._read_codes()
        vectors.check_number(count, "let old threads go (Retention)")
        return self._parsed(flat)

    async def _read_codes(self) -> Reply:
        lifetime = ttl_ms(self._db)
        extending: list[Command] = [("PEXPIRE", key, lifetime) for key in self._keys if lifetime]
        reading = CODES.call(self._keys[:1], [vectors.MAX_COMPARED])
        return (await self._db.send([reading, *extending]))[0]

    def _parsed(self, flat: Reply) -> list[Code]:
        try:
            return [Code(place_of(field), stored) for field, stored in pairs(flat)]
        except ValueError as exc:
            raise CorruptRecordError(self._keys[0], "a field names no message") from exc

    async def known(self, messages: Sequence[Message]) -> list[bool]:
        """Return which messages have the vector of their text: one round trip."""
        if not messages:
            return []
        places = [MessagePlace(message.thread_id, message.id) for message in messages]
        found = await self._db.command("HMGET", self._keys[0], *map(join, places))
        return [
            stored is not None and Code(place, stored).is_of(message.text)
            for place, stored, message in zip(places, found, messages, strict=True)
        ]

    @operation
    async def nearest(
        self, query: Vector, codes: Iterable[Code], recall: Recall, besides: Collection[str]
    ) -> list[Message]:
        """Return the messages that are nearest to a vector, with their neighbours.

        One round trip; if any of those compared are gone, two, and one more for as many others.

        Args:
            query: The vector.
            codes: The codes of the resource.
            recall: How many messages.
            besides: The ids of messages to leave out.

        Returns:
            Each once; by thread, the one with the earliest message first, then in its order.

        Raises:
            InvalidArgumentError: Stored vectors have other dimensions.
        """
        ranked = _ranked(query, [code for code in codes if code.place.id not in besides])
        enough = max(_LEAST, _FACTOR * recall.top_k)
        scored: list[tuple[float, _Candidate]] = []
        for first in range(0, len(ranked), enough):
            batch = ranked[first : first + enough]
            found = await self._candidates(batch, recall.message_range)
            scored += ((vectors.cosine(query, each.vector), each) for each in found)
            if len(found) == len(batch) or len(scored) >= recall.top_k:
                break
        best = nlargest(recall.top_k, scored, key=lambda each: each[0])
        return _in_order(
            near
            for _, each in best
            for near in each.around(recall.message_range)
            if near.message.id not in besides
        )

    async def _candidates(self, codes: Sequence[Code], reach: int) -> "list[_Candidate]":
        """Read vectors with their messages; remove those that are stale."""
        ids: dict[str, list[str]] = {}
        for code in codes:
            ids.setdefault(code.place.thread_id, []).append(code.place.id)
        threads = {id_: self._db.keys.of_thread(id_) for id_ in ids}
        reading: list[Command] = [("HMGET", self._keys[1], *(code.field for code in codes))]
        reading += (
            AROUND.call([where.record, where.timeline], [where.bodies, reach, *ids[id_]])
            for id_, where in threads.items()
        )
        stored, *replies = await self._db.send(reading)
        parts = {id_: self._part(id_, reply) for id_, reply in zip(ids, replies, strict=True)}
        found: list[_Candidate] = []
        stale: list[Code] = []
        for code, vector in zip(codes, stored, strict=True):
            part = parts[code.place.thread_id]
            message = part.get(code.place.id)
            # A message is stored before its code, and codes were read before messages: one that is
            # missing was deleted.
            if message is None or not code.is_of(message.message.text):
                stale.append(code)
            elif vector is not None:
                found.append(_Candidate(message, vector, part))
        await self.drop(stale)
        return found

    def _part(self, thread_id: str, reply: Reply) -> "dict[str, _Ranked]":
        """Return what was read of a thread, by id; nothing if it is not the resource's."""
        record, placed, replies = reply
        key = self._db.keys.thread(thread_id)
        if record is None or codecs.decode_thread(key, record).resource_id != self._resource_id:
            return {}
        bodies = (body for values in replies for body in values[1:])
        part: dict[str, _Ranked] = {}
        for rank, encoded_id, body in zip(placed[::2], placed[1::2], bodies, strict=True):
            if body is not None:
                id_ = encoded_id.decode()
                message = codecs.decode_message(self._db.keys.message(thread_id, id_), body)
                part[id_] = _Ranked(rank, message)
        return part

    async def drop(self, codes: Sequence[Code]) -> int:
        """Remove vectors unless they were stored again; return how many: one round trip."""
        if not codes:
            return 0
        args: list[Argument] = [part for code in codes for part in (code.field, code.stored)]
        return int(await self._db.run(DROP_VECTORS, self._keys, args))

    async def sweep(self) -> int:
        """Remove the vectors of messages that are gone; return how many.

        Two round trips for each 500 vectors, three if any goes.
        """
        removed = 0
        async for codes in self._walk():
            keys = [self._db.keys.message(*code.place) for code in codes]
            exist = await self._db.send([("EXISTS", key) for key in keys])
            gone = [code for code, exists in zip(codes, exist, strict=True) if not exists]
            removed += await self.drop(gone)
        return removed

    async def _walk(self) -> AsyncIterator[list[Code]]:
        cursor = b"0"
        while True:
            command = "HSCAN", self._keys[0], cursor, "COUNT", READ_CHUNK
            cursor, flat = await self._db.command(*command)
            yield self._parsed(flat)
            if cursor == b"0":
                return

    def clearing(self) -> Command:
        """Build the command that removes all."""
        return ("UNLINK", *self._keys)


class _Ranked(NamedTuple):
    """A message and its place in its thread."""

    rank: int
    message: Message


class _Candidate(NamedTuple):
    """A message that is compared in full, and what was read around it."""

    found: _Ranked
    vector: bytes
    part: dict[str, _Ranked]

    def around(self, reach: int) -> Iterator[_Ranked]:
        """Iterate over the message and its neighbours."""
        return (each for each in self.part.values() if abs(each.rank - self.found.rank) <= reach)


async def sweep(db: Database, resource_ids: Collection[str]) -> None:
    """Remove the vectors of messages that are gone: one round trip where there are no vectors."""
    keys = VectorKeys(db.keys)
    wanted = sorted(resource_ids)
    exist = await db.send([("EXISTS", keys.codes(id_)) for id_ in wanted])
    for id_, exists in zip(wanted, exist, strict=True):
        if exists:
            await MessageVectors(db, id_).sweep()


def _ranked(query: Vector, codes: Sequence[Code]) -> list[Code]:
    """Sort codes by their distance from that of a query."""
    others = {code.dimensions for code in codes} - {len(query)}
    if others:
        raise InvalidArgumentError(
            "embed",
            f"gives {len(query)} dimensions, and stored vectors have {min(others)}: after a change "
            "of the model call Memory.embed_messages(..., anew=True)",
        )
    signs = vectors.sign_code(query)
    return sorted(codes, key=lambda code: vectors.distance(signs, code.signs))


def _in_order(found: Iterable[_Ranked]) -> list[Message]:
    threads: dict[str, dict[str, _Ranked]] = {}
    for each in found:
        threads.setdefault(each.message.thread_id, {})[each.message.id] = each
    # By date too: ranks of one thread come from several reads.
    parts = [
        sorted(part.values(), key=lambda each: (each.message.created_at, each.rank))
        for part in threads.values()
    ]
    parts.sort(key=lambda part: part[0].message.created_at)
    return [each.message for part in parts for each in part]
