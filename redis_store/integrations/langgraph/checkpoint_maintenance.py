"""Maintenance of checkpoints: indexes verified, old threads pruned.

Threads belong to no resource that this library knows: erase a user's by ``adelete_thread``.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from time import time

from redis_store._connections.commands import Command, entries
from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store.integrations.langgraph import scripts
from redis_store.integrations.langgraph.checkpoint_keys import NAME, CheckpointKeys
from redis_store.integrations.langgraph.checkpoint_reads import CheckpointReads
from redis_store.integrations.langgraph.thread_changes import ThreadChanges
from redis_store.integrations.langgraph.value_cache import ValueCache
from redis_store.maintenance import Integration, Report
from redis_store.maintenance.integrations import Removal

# Writes may come before their checkpoint; those that have none for so long came after its end.
_ORPHAN_MS = 3_600_000


async def prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    """Find threads that were last written to before a moment."""
    limit_ms = limit_us // 1000
    for index in CheckpointKeys(db.keys).all_threads():
        due = _Due(db, index, limit_ms)
        while threads := await due.next_batch():
            yield partial(due.remove, threads)


class _Due:
    """The threads of an index that were last written to before a moment."""

    def __init__(self, db: Database, index: str, limit_ms: int) -> None:
        self._db = db
        self._index = index
        self._limit_ms = limit_ms
        # Those that have changed meanwhile stay listed: the next batch comes after them.
        self._kept = 0

    async def next_batch(self) -> list[bytes]:
        limit = f"({self._limit_ms}"
        found: list[bytes] = await self._db.command(
            "ZRANGEBYSCORE", self._index, "-inf", limit, "LIMIT", self._kept, SCAN_CHUNK
        )
        return found

    async def remove(self, threads: Sequence[bytes]) -> int:
        changes = _changes(self._db)
        gone = await asyncio.gather(
            *(changes.delete(each.decode(), unchanged_since_ms=self._limit_ms) for each in threads)
        )
        self._kept += gone.count(False)
        return gone.count(True)


async def verify(db: Database, report: Report, *, repair: bool) -> None:
    """Check that indexes list every thread and nothing else, and that no writes are left over."""
    check = _Check(db, report, repair=repair)
    for kind, type_, look in (
        ("order", "zset", check.look_at_thread),
        ("data", "hash", check.look_at_data),
        ("threads", "zset", check.look_at_threads),
        ("run", "zset", check.look_at_run),
    ):
        async for _, found in db.scan(CheckpointKeys(db.keys).pattern(kind), type_):
            for key in found:
                await look(key)


class _Check:
    """Looks at one key after another."""

    def __init__(self, db: Database, report: Report, *, repair: bool) -> None:
        self._db = db
        self._keys = CheckpointKeys(db.keys)
        self._report = report
        self._repair = repair

    async def look_at_thread(self, order: str) -> None:
        """Check that a thread's indexes list it."""
        self._report.checked[f"{NAME} threads"] += 1
        thread = self._keys.owner("order", order)
        keys = self._keys.thread(thread)
        runs, changed = await self._db.send(
            [("ZRANGE", keys.runs, 0, -1), ("HGET", keys.data, "t")]
        )
        scores = {self._keys.threads_index(thread): int(changed or 0)}
        scores |= {self._keys.run_index(run.decode()): 0 for run in runs}
        found = await self._db.send([("ZSCORE", index, thread) for index in scores])
        missing = [i for i, score in zip(scores, found, strict=True) if score is None]
        for index in missing:
            self._report.add("missing entry", index, thread)
        await self._mend([("ZADD", index, scores[index], thread) for index in missing])

    async def look_at_data(self, data: str) -> None:
        """Check that writes have a checkpoint."""
        thread = self._keys.owner("data", data)
        keys = self._keys.thread(thread)
        exists, changed = await self._db.send([("EXISTS", keys.order), ("HGET", data, "t")])
        limit_ms = int(time() * 1000) - _ORPHAN_MS
        if not exists and int(changed or 0) < limit_ms:
            self._report.add("orphan body", data)
            if self._repair:
                await _changes(self._db).delete(thread, unchanged_since_ms=limit_ms)
                self._report.repaired += 1

    async def look_at_threads(self, index: str) -> None:
        """Check that threads exist which their index lists."""
        listed = {
            thread: score
            for score, thread in entries(
                await self._db.command("ZRANGE", index, 0, -1, "WITHSCORES")
            )
        }
        found = await self._db.send(
            [("EXISTS", self._keys.thread(thread).order) for thread in listed]
        )
        stale = [thread for thread, exists in zip(listed, found, strict=True) if not exists]
        await self._take_out(index, stale, [listed[thread] for thread in stale])

    async def look_at_run(self, index: str) -> None:
        """Check that threads have the run by which they are listed."""
        run = self._keys.owner("run", index)
        listed = [each.decode() for each in await self._db.command("ZRANGE", index, 0, -1)]
        found = await self._db.send(
            [("ZSCORE", self._keys.thread(thread).runs, run) for thread in listed]
        )
        stale = [thread for thread, score in zip(listed, found, strict=True) if score is None]
        await self._take_out(index, stale, [0.0] * len(stale))

    async def _take_out(self, index: str, stale: Sequence[str], scores: Sequence[float]) -> None:
        for thread in stale:
            self._report.add("stale entry", index, thread)
        places = zip(stale, scores, strict=True)
        await self._mend([scripts.FORGET.call([index], [*place]) for place in places])

    async def _mend(self, commands: Sequence[Command]) -> None:
        if self._repair:
            await self._db.send(commands)
            self._report.repaired += len(commands)


def _changes(db: Database) -> ThreadChanges:
    keys, cache = CheckpointKeys(db.keys), ValueCache(0)
    return ThreadChanges(db, keys, cache, CheckpointReads(db, keys, cache, 0))


INTEGRATION = Integration(name=NAME, verify=verify, prune=prune)
