"""Checking what lies within threads: bodies, order, id indexes and counts."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

from redis_store._connections.commands import entries, pairs
from redis_store._engine import codecs
from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store._engine.steps import Body
from redis_store._engine.timestamps import epoch_us
from redis_store.errors import CorruptRecordError
from redis_store.maintenance.reindex import recount
from redis_store.maintenance.report import Report
from redis_store.memory.thread_transaction import ThreadTransaction, begin
from redis_store.models import Message

# Mastra adds a message's position in its batch to the score.
_MASTRA_POSITIONS = 10_000


class _Listed(NamedTuple):
    """An entry of a thread's order, and the message that it names, if it can be read."""

    id: str
    score: float
    stored: bytes | None
    message: Message | None


class ThreadCheck:
    """Checks every thread's order against its messages, and every message and id against it."""

    def __init__(self, db: Database, report: Report, *, repair: bool) -> None:
        self._db = db
        self._keys = db.keys
        self._report = report
        self._repair = repair

    async def run(self) -> None:
        """Check bodies first: one that is listed again is part of its thread's order after."""
        patterns = self._keys.record_patterns()
        async for keys in self._chunks(patterns["messages"], "string"):
            await self._check_bodies(keys)
        await self._each(patterns["orders"], "zset", self._check_order)
        async for keys in self._chunks(patterns["indexes"], "string"):
            await self._check_id_indexes(keys)
        await self._each(self._keys.resource_counts_pattern(), "hash", self._check_owners)
        await self._each(
            self._keys.threads_with_messages_pattern(), "zset", self._check_participants
        )

    async def _each(self, pattern: str, kind: str, check: Callable[[str], Awaitable[None]]) -> None:
        async for keys in self._chunks(pattern, kind):
            for key in keys:
                await check(key)

    async def _chunks(self, pattern: str, kind: str) -> AsyncIterator[Sequence[str]]:
        async for _, found in self._db.scan(pattern, kind):
            for first in range(0, len(found), SCAN_CHUNK):
                yield found[first : first + SCAN_CHUNK]

    async def _check_bodies(self, keys: Sequence[str]) -> None:
        """Every message must be in a thread's order; unpublished clones have a time to live."""
        places = [self._keys.place_of_message(key) for key in keys]
        facts = await self._db.send(
            [
                command
                for key, (thread_id, message_id) in zip(keys, places, strict=True)
                for command in (
                    ("ZSCORE", self._keys.timeline(thread_id), message_id),
                    ("PTTL", key),
                    ("GET", self._keys.thread(thread_id)),
                )
            ]
        )
        self._report.checked["messages"] += len(keys)
        for at, (key, (thread_id, message_id)) in enumerate(zip(keys, places, strict=True)):
            score, ttl, record = facts[3 * at : 3 * at + 3]
            if ttl == -1 and None in (score, record):
                self._report.add("orphan body", key)
                await self._adopt_body(key, thread_id, message_id, record)

    async def _adopt_body(
        self, key: str, thread_id: str, message_id: str, record: bytes | None
    ) -> None:
        """List a message again where its thread exists and it is nowhere else; else remove it."""
        index = self._keys.message_pointer(message_id)
        found = await self._db.get([key, index])
        stored, owner = found[key], found[index]
        if stored is None:
            return
        tx = begin(self._db)
        tx.expect({key: stored, index: owner, self._keys.thread(thread_id): record})
        if record is None or await self._is_elsewhere(thread_id, message_id, owner):
            tx.drop(thread_id, [message_id])
        else:
            message = self._read(key, stored)
            if message is None:
                return
            us = epoch_us(message.created_at)
            tx.put(thread_id, [Body(message_id, us, message.resource_id, stored)])
            tx.set(index, thread_id)
        await self._mend(tx, 1)

    async def _is_elsewhere(self, thread_id: str, message_id: str, owner: bytes | None) -> bool:
        """Whether the message's id leads to the same message in another thread."""
        if owner is None or owner == thread_id.encode():
            return False
        return bool(
            await self._db.command("EXISTS", self._keys.message(owner.decode(), message_id))
        )

    async def _check_order(self, order: str) -> None:
        """Every entry must have a body and an id index; scores must rise along the dates."""
        thread_id = self._keys.thread_of_timeline(order)
        record = await self._db.command("GET", self._keys.thread(thread_id))
        listed = await self._listed(thread_id)
        self._report.checked["threads' orders"] += 1
        for entry in listed:
            if entry.stored is None:
                self._report.add("missing body", order, entry.id)
                tx = begin(self._db)
                tx.expect({self._keys.message(thread_id, entry.id): None})
                tx.drop(thread_id, [entry.id])
                await self._mend(tx, 1)
        present = [entry for entry in listed if entry.stored is not None]
        present = await self._check_homes(thread_id, present)
        await self._check_scores(thread_id, record, present)
        await self._check_counts(thread_id, present)

    async def _listed(self, thread_id: str) -> list[_Listed]:
        order = self._keys.timeline(thread_id)
        marks = entries(await self._db.command("ZRANGE", order, 0, -1, "WITHSCORES"))
        listed: list[_Listed] = []
        for first in range(0, len(marks), SCAN_CHUNK):
            chunk = marks[first : first + SCAN_CHUNK]
            keys = [self._keys.message(thread_id, id_) for _, id_ in chunk]
            found = await self._db.get(keys)
            for key, (score, id_) in zip(keys, chunk, strict=True):
                stored = found[key]
                message = None if stored is None else self._read(key, stored)
                listed.append(_Listed(id_, score, stored, message))
        return listed

    def _read(self, key: str, stored: bytes) -> Message | None:
        try:
            return codecs.decode_message(key, stored)
        except CorruptRecordError:
            self._report.add("corrupt record", key)
            return None

    async def _check_homes(self, thread_id: str, present: Sequence[_Listed]) -> list[_Listed]:
        """Every message's id must lead here; return those that stay.

        One that leads to the same message in another thread is removed here.
        """
        staying: list[_Listed] = []
        for first in range(0, len(present), SCAN_CHUNK):
            chunk = present[first : first + SCAN_CHUNK]
            index_of = {entry.id: self._keys.message_pointer(entry.id) for entry in chunk}
            found = await self._db.get(list(index_of.values()))
            for entry in chunk:
                owner = found[index_of[entry.id]]
                if owner == thread_id.encode() or await self._bring_home(thread_id, entry, owner):
                    staying.append(entry)
        return staying

    async def _bring_home(self, thread_id: str, entry: _Listed, owner: bytes | None) -> bool:
        index, key = (
            self._keys.message_pointer(entry.id),
            self._keys.message(thread_id, entry.id),
        )
        self._report.add("missing id index", index, entry.id)
        tx = begin(self._db)
        tx.expect({key: entry.stored, index: owner})
        is_elsewhere = await self._is_elsewhere(thread_id, entry.id, owner)
        if is_elsewhere:
            tx.drop(thread_id, [entry.id])
        else:
            tx.set(index, thread_id)
        await self._mend(tx, 1)
        return not (is_elsewhere and self._repair)

    async def _check_scores(
        self, thread_id: str, record: bytes | None, present: Sequence[_Listed]
    ) -> None:
        """Scores must rise strictly along the dates, and not lie far above them."""
        dated = [(epoch_us(e.message.created_at), e.score, e.id) for e in present if e.message]
        dated.sort(key=lambda row: row[:2])
        if _is_ordered(dated):
            return
        order, score = self._keys.timeline(thread_id), None
        tx = begin(self._db)
        tx.expect({self._keys.thread(thread_id): record})
        problems = 0
        for us, before, id_ in dated:
            score = us if score is None else max(us, score + 1)
            if score != before:
                problems += 1
                self._report.add("wrong order", order, id_)
                # XX: not every removal of a message changes the thread's record.
                tx.command("ZADD", order, "XX", score, id_)
        await self._mend(tx, problems)

    async def _check_counts(self, thread_id: str, present: Sequence[_Listed]) -> None:
        """The counts by resource must be right, and each resource must know the thread."""
        counts = Counter(entry.message.resource_id for entry in present if entry.message)
        flat, *known = await self._db.send(
            [
                ("HGETALL", self._keys.resource_counts(thread_id)),
                *(
                    ("ZSCORE", self._keys.threads_with_messages_of(owner), thread_id)
                    for owner in counts
                ),
            ]
        )
        stored = pairs(flat)
        right = {owner.decode(): int(n) for owner, n in stored if int(n)} == dict(counts)
        if not right:
            self._report.add("wrong counts", self._keys.resource_counts(thread_id))
        unlisted = [
            self._keys.threads_with_messages_of(owner)
            for owner, score in zip(counts, known, strict=True)
            if score is None or not isfinite(float(score))
        ]
        for index in unlisted:
            self._report.add("missing entry", index, thread_id)
        problems = len(unlisted) + (not right)
        if problems and self._repair:
            # What is listed only ever rises, so an infinite score must go first.
            await self._db.send([("ZREM", index, thread_id) for index in unlisted])
            await recount(self._db, thread_id)
            self._report.repaired += problems

    async def _check_id_indexes(self, keys: Sequence[str]) -> None:
        """Every id must lead to a message."""
        found = await self._db.get(keys)
        self._report.checked["id indexes"] += len(found)
        body_of = {
            key: self._keys.message(thread_id.decode(), self._keys.message_of_pointer(key))
            for key, thread_id in found.items()
            if thread_id is not None
        }
        bodies = await self._db.get(list(body_of.values()))
        for key, body in body_of.items():
            if bodies[body] is None:
                self._report.add("stale id index", key)
                tx = begin(self._db)
                tx.expect({key: found[key], body: None})
                tx.delete([key])
                await self._mend(tx, 1)

    async def _check_participants(self, key: str) -> None:
        """A resource's threads must count messages of it."""
        owner = self._keys.resource_of_list(key)
        members = await self._db.command("ZRANGE", key, 0, -1)
        names = [member.decode() for member in members]
        counted = await self._db.send(
            [("HEXISTS", self._keys.resource_counts(name), owner) for name in names]
        )
        for name, is_counted in zip(names, counted, strict=True):
            if not is_counted:
                self._report.add("stale entry", key, name)
                tx = await self._guarded(name)
                tx.command("ZREM", key, name)
                await self._mend(tx, 1)

    async def _check_owners(self, key: str) -> None:
        """Counts must be of a thread that has messages; zeros of one that has a record will do."""
        thread_id = self._keys.thread_of_counts(key)
        ordered, record, counts = await self._db.send(
            [
                ("EXISTS", self._keys.timeline(thread_id)),
                ("EXISTS", self._keys.thread(thread_id)),
                ("HVALS", key),
            ]
        )
        if not ordered and (not record or any(map(int, counts))):
            self._report.add("wrong counts", key)
            tx = await self._guarded(thread_id)
            tx.delete([key])
            await self._mend(tx, 1)

    async def _guarded(self, thread_id: str) -> ThreadTransaction:
        """A transaction for as long as nobody writes to the thread."""
        record = self._keys.thread(thread_id)
        tx = begin(self._db)
        tx.expect(await self._db.get([record]))
        return tx

    async def _mend(self, tx: ThreadTransaction, problems: int) -> None:
        if self._repair and problems and await tx.commit():
            self._report.repaired += problems


def _is_ordered(dated: Sequence[tuple[int, float, str]]) -> bool:
    """Whether scores rise strictly and none was pushed up further than others could push it."""
    slack = len(dated) + _MASTRA_POSITIONS
    rising = all(left[1] < right[1] for left, right in pairwise(dated))
    return rising and all(us <= score <= us + slack for us, score, _ in dated)
