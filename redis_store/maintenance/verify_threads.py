"""ThreadCheck: checks the bodies, timelines, pointers and counts of threads."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

from redis_store._connections.commands import decoded, encoded, entries, pairs, text
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
_MASTRA_BATCH = 10_000


class _Listed(NamedTuple):
    """A timeline entry with its message; ``message`` is ``None`` if missing or corrupt."""

    id: str
    score: float
    stored: bytes | None
    message: Message | None


class ThreadCheck:
    """Checks every timeline against its messages, and every message and pointer against it."""

    def __init__(self, db: Database, report: Report, *, repair: bool) -> None:
        self._db = db
        self._keys = db.keys
        self._report = report
        self._repair = repair

    async def run(self) -> None:
        """Check bodies first: a repaired one is in its timeline when that is checked."""
        patterns = self._keys.record_patterns()
        async for keys in self._chunks(patterns["messages"], "string"):
            await self._check_bodies(keys)
        await self._each(patterns["orders"], "zset", self._check_timeline)
        async for keys in self._chunks(patterns["indexes"], "string"):
            await self._check_pointers(keys)
        await self._each(self._keys.resource_counts_pattern(), "hash", self._check_counts_key)
        await self._each(self._keys.threads_with_messages_pattern(), "zset", self._check_list)

    async def _each(self, pattern: str, kind: str, check: Callable[[str], Awaitable[None]]) -> None:
        async for keys in self._chunks(pattern, kind):
            for key in keys:
                await check(key)

    async def _chunks(self, pattern: str, kind: str) -> AsyncIterator[Sequence[str]]:
        async for _, found in self._db.scan(pattern, kind):
            for first in range(0, len(found), SCAN_CHUNK):
                yield found[first : first + SCAN_CHUNK]

    async def _check_bodies(self, keys: Sequence[str]) -> None:
        """Check that every message is in a timeline, except those of unpublished clones.

        These have a time to live.
        """
        ids = [self._keys.place_of_message(key) for key in keys]
        facts = await self._db.send(
            [
                command
                for key, (thread_id, message_id) in zip(keys, ids, strict=True)
                for command in (
                    ("ZSCORE", self._keys.timeline(thread_id), message_id),
                    ("PTTL", key),
                    ("GET", self._keys.thread(thread_id)),
                )
            ]
        )
        self._report.checked["messages"] += len(keys)
        for at, (key, (thread_id, message_id)) in enumerate(zip(keys, ids, strict=True)):
            score, ttl, record = facts[3 * at : 3 * at + 3]
            if ttl == -1 and None in (score, record):
                self._report.add("orphan body", key)
                await self._repair_orphan(key, thread_id, message_id, record)

    async def _repair_orphan(
        self, key: str, thread_id: str, message_id: str, record: bytes | None
    ) -> None:
        """List a message again if its thread exists and no other thread has it; else remove it."""
        pointer = self._keys.message_pointer(message_id)
        found = await self._db.get([key, pointer])
        stored, holder = found[key], found[pointer]
        if stored is None:
            return
        tx = begin(self._db)
        tx.expect({key: stored, pointer: holder, self._keys.thread(thread_id): record})
        if record is None or await self._is_elsewhere(thread_id, message_id, holder):
            tx.drop(thread_id, [message_id])
        else:
            message = self._read(key, stored)
            if message is None:
                return
            us = epoch_us(message.created_at)
            tx.put(thread_id, [Body(message_id, us, message.resource_id, stored)])
            tx.set(pointer, thread_id)
        await self._repair_by(tx, 1)

    async def _is_elsewhere(self, thread_id: str, message_id: str, holder: bytes | None) -> bool:
        """Whether a pointer to ``holder`` finds the message in that other thread."""
        held_in = None if holder is None else text(holder)
        if held_in is None or held_in == thread_id:
            return False
        return bool(await self._db.command("EXISTS", self._keys.message(held_in, message_id)))

    async def _check_timeline(self, timeline: str) -> None:
        """Check that all entries have bodies and pointers, and that scores rise with dates."""
        thread_id = self._keys.thread_of_timeline(timeline)
        record = await self._db.command("GET", self._keys.thread(thread_id))
        listed = await self._listed(thread_id)
        self._report.checked["threads' orders"] += 1
        for entry in listed:
            if entry.stored is None:
                self._report.add("missing body", timeline, entry.id)
                tx = begin(self._db)
                tx.expect({self._keys.message(thread_id, entry.id): None})
                tx.drop(thread_id, [entry.id])
                await self._repair_by(tx, 1)
        present = [entry for entry in listed if entry.stored is not None]
        present = await self._check_holders(thread_id, present)
        await self._check_scores(thread_id, record, present)
        await self._check_counts(thread_id, present)

    async def _listed(self, thread_id: str) -> list[_Listed]:
        timeline = self._keys.timeline(thread_id)
        scored_ids = entries(await self._db.command("ZRANGE", timeline, 0, -1, "WITHSCORES"))
        listed: list[_Listed] = []
        for first in range(0, len(scored_ids), SCAN_CHUNK):
            chunk = scored_ids[first : first + SCAN_CHUNK]
            keys = [self._keys.message(thread_id, id_) for _, id_ in chunk]
            found = await self._db.get(keys)
            for key, (score, id_) in zip(keys, chunk, strict=True):
                stored = found[key]
                message = None if stored is None else self._read(key, stored)
                listed.append(_Listed(id_, score, stored, message))
        return listed

    def _read(self, key: str, stored: bytes) -> Message | None:
        try:
            message = codecs.decode_message(key, stored)
        except CorruptRecordError:
            self._report.add("corrupt record", key)
            return None
        if message.thread_id != self._keys.place_of_message(key)[0]:
            # It can be read, but not updated.
            self._report.add("corrupt record", key)
        return message

    async def _check_holders(self, thread_id: str, present: Sequence[_Listed]) -> list[_Listed]:
        """Check that the pointers of all messages name this thread; return those that stay.

        A message that its pointer finds in another thread is removed from this one.
        """
        staying: list[_Listed] = []
        for first in range(0, len(present), SCAN_CHUNK):
            chunk = present[first : first + SCAN_CHUNK]
            pointer_of = {entry.id: self._keys.message_pointer(entry.id) for entry in chunk}
            found = await self._db.get(list(pointer_of.values()))
            for entry in chunk:
                holder = found[pointer_of[entry.id]]
                is_right = holder == encoded(thread_id)
                if is_right or await self._repair_pointer(thread_id, entry, holder):
                    staying.append(entry)
        return staying

    async def _repair_pointer(self, thread_id: str, entry: _Listed, holder: bytes | None) -> bool:
        """Point a message here or remove it from here; return whether it stays."""
        pointer = self._keys.message_pointer(entry.id)
        key = self._keys.message(thread_id, entry.id)
        self._report.add("missing id index", pointer, entry.id)
        tx = begin(self._db)
        tx.expect({key: entry.stored, pointer: holder})
        is_elsewhere = await self._is_elsewhere(thread_id, entry.id, holder)
        if is_elsewhere:
            tx.drop(thread_id, [entry.id])
        else:
            tx.set(pointer, thread_id)
        await self._repair_by(tx, 1)
        return not (is_elsewhere and self._repair)

    async def _check_scores(
        self, thread_id: str, record: bytes | None, present: Sequence[_Listed]
    ) -> None:
        """Check that scores rise strictly with the dates and are not far above them."""
        dated = [(epoch_us(e.message.created_at), e.score, e.id) for e in present if e.message]
        dated.sort(key=lambda row: row[:2])
        if _has_valid_scores(dated):
            return
        timeline, score = self._keys.timeline(thread_id), None
        tx = begin(self._db)
        tx.expect({self._keys.thread(thread_id): record})
        problems = 0
        for us, before, id_ in dated:
            score = us if score is None else max(us, score + 1)
            if score != before:
                problems += 1
                self._report.add("wrong order", timeline, id_)
                # XX: a message may be removed without a change of the record, as `prune` does; it
                # must not be listed again.
                tx.command("ZADD", timeline, "XX", score, id_)
        await self._repair_by(tx, problems)

    async def _check_counts(self, thread_id: str, present: Sequence[_Listed]) -> None:
        """Check the counts by resource, and that each of these resources lists the thread."""
        counts = Counter(entry.message.resource_id for entry in present if entry.message)
        flat, *known = await self._db.send(
            [
                ("HGETALL", self._keys.resource_counts(thread_id)),
                *(
                    ("ZSCORE", self._keys.threads_with_messages_of(resource_id), thread_id)
                    for resource_id in counts
                ),
            ]
        )
        stored = {decoded(resource_id): int(n) for resource_id, n in pairs(flat) if int(n)}
        is_right = stored == dict(counts)
        if not is_right:
            self._report.add("wrong counts", self._keys.resource_counts(thread_id))
        unlisted = [
            self._keys.threads_with_messages_of(resource_id)
            for resource_id, score in zip(counts, known, strict=True)
            if score is None or not isfinite(float(score))
        ]
        for index in unlisted:
            self._report.add("missing entry", index, thread_id)
        problems = len(unlisted) + (not is_right)
        if problems and self._repair:
            # `recount` only raises scores, so an infinite one must be removed first.
            await self._db.send([("ZREM", index, thread_id) for index in unlisted])
            await recount(self._db, thread_id)
            self._report.repaired += problems

    async def _check_pointers(self, keys: Sequence[str]) -> None:
        """Check that every pointer leads to a message."""
        found = await self._db.get(keys)
        self._report.checked["id indexes"] += len(found)
        body_of = {
            key: self._keys.message(thread_id, self._keys.message_of_pointer(key))
            for key, stored in found.items()
            if stored is not None and (thread_id := text(stored)) is not None
        }
        bodies = await self._db.get(list(body_of.values()))
        for key, body in body_of.items():
            if bodies[body] is None:
                self._report.add("stale id index", key)
                tx = begin(self._db)
                tx.expect({key: found[key], body: None})
                tx.delete([key])
                await self._repair_by(tx, 1)

    async def _check_list(self, key: str) -> None:
        """Check that the threads listed for a resource count messages of it."""
        resource_id = self._keys.resource_of_list(key)
        members = await self._db.command("ZRANGE", key, 0, -1)
        names = [decoded(member) for member in members]
        counted = await self._db.send(
            [("HEXISTS", self._keys.resource_counts(name), resource_id) for name in names]
        )
        for name, is_counted in zip(names, counted, strict=True):
            if not is_counted:
                self._report.add("stale entry", key, name)
                tx = await self._begin_guarded(name)
                tx.command("ZREM", key, name)
                await self._repair_by(tx, 1)

    async def _check_counts_key(self, key: str) -> None:
        """Check that the thread of these counts has messages; if they are zero, a record."""
        thread_id = self._keys.thread_of_counts(key)
        timeline, record, counts = await self._db.send(
            [
                ("EXISTS", self._keys.timeline(thread_id)),
                ("EXISTS", self._keys.thread(thread_id)),
                ("HVALS", key),
            ]
        )
        if not timeline and (not record or any(map(int, counts))):
            self._report.add("wrong counts", key)
            tx = await self._begin_guarded(thread_id)
            tx.delete([key])
            await self._repair_by(tx, 1)

    async def _begin_guarded(self, thread_id: str) -> ThreadTransaction:
        """Begin a transaction that is refused if anybody writes to the thread."""
        record = self._keys.thread(thread_id)
        tx = begin(self._db)
        tx.expect(await self._db.get([record]))
        return tx

    async def _repair_by(self, tx: ThreadTransaction, problems: int) -> None:
        if self._repair and problems and await tx.commit():
            self._report.repaired += problems


def _has_valid_scores(dated: Sequence[tuple[int, float, str]]) -> bool:
    """Whether scores rise strictly, and none is further above its date than ties can push it."""
    slack = len(dated) + _MASTRA_BATCH
    rising = all(left[1] < right[1] for left, right in pairwise(dated))
    return rising and all(us <= score <= us + slack for us, score, _ in dated)
