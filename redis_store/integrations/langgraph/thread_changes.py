"""ThreadChanges: threads deleted, copied and pruned."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from time import time

from redis_store._connections.commands import Argument, Command
from redis_store._engine.database import Database
from redis_store._engine.operations import operation, unbounded
from redis_store.integrations.langgraph import scripts
from redis_store.integrations.langgraph.checkpoint_keys import CheckpointKeys, Place
from redis_store.integrations.langgraph.checkpoint_reads import CheckpointReads
from redis_store.integrations.langgraph.records import CheckpointRecord
from redis_store.integrations.langgraph.value_cache import ValueCache

# Checkpoints per script that removes some, which the server runs undisturbed.
_BATCH = 500

# The channels of a checkpoint whose values must be put together from those of its ancestors.
OpenChannels = Callable[[CheckpointRecord], Collection[str]]

# The runs of a copy, and those that its target had.
_Runs = tuple[Sequence[bytes], Sequence[bytes]]


class ThreadChanges:
    """Changes threads as wholes.

    Args:
        db: The database.
        keys: Spells the keys.
        cache: Values of threads.
        reads: Reads checkpoints.
        ttl_ms: The lifetime of a copy; 0 is that of its source.
    """

    def __init__(
        self,
        db: Database,
        keys: CheckpointKeys,
        cache: ValueCache,
        reads: CheckpointReads,
        ttl_ms: int = 0,
    ) -> None:
        self._db = db
        self._keys = keys
        self._cache = cache
        self._reads = reads
        self._ttl_ms = ttl_ms

    @operation
    async def delete(self, thread: str, *, unchanged_since_ms: int | None = None) -> bool:
        """Delete a thread: one round trip, two if it has runs.

        Args:
            thread: The thread.
            unchanged_since_ms: If given, it stays if it has changed since then.

        Returns:
            Whether it did not stay.
        """
        keys, threads = [*self._keys.thread(thread)], self._keys.threads_index(thread)
        limit = "" if unchanged_since_ms is None else unchanged_since_ms
        unlist: list[Command] = [("ZREM", threads, thread)]
        if self._keys.in_one_step:
            keys, unlist = [*keys, threads], []
        script = scripts.DELETE.call(keys, [thread, limit])
        # Its index goes with it, unless it may stay.
        first, then = (unlist, []) if unchanged_since_ms is None else ([], unlist)
        runs = (await self._db.send([*first, script]))[-1]
        self._cache.forget_thread(thread)
        if runs is None:
            return False
        indexes = [self._keys.run_index(run.decode()) for run in runs]
        await self._db.send([*then, *(("ZREM", index, thread) for index in indexes)])
        return True

    @unbounded
    async def delete_runs(self, runs: Sequence[str]) -> None:
        """Remove the checkpoints of runs: five round trips, whatever their number.

        One more for each 500 checkpoints of a thread.
        """
        indexes = [self._keys.run_index(run) for run in runs]
        found = await self._db.send([("ZRANGE", index, 0, -1) for index in indexes])
        threads = dict.fromkeys(each.decode() for reply in found for each in reply)

        async def in_thread(thread: str) -> None:
            keys = self._keys.thread(thread)
            members = await self._db.run(scripts.OF_RUNS, [keys.order, keys.data], list(runs))
            await self._remove(thread, members, [("ZREM", keys.runs, *runs)])

        await _each(in_thread, threads)
        await self._db.send([("ZREM", index, *threads) for index in indexes if threads])

    @operation
    async def copy(self, source: str, target: str) -> None:
        """Put a copy of a thread in the place of another one, at once or not at all.

        One round trip; two in the hash-tagged layout, where it passes through here; one more if it
        has runs. No thread is copied over nothing.
        """
        if source == target:
            return
        copy = self._copy_here if self._keys.in_one_step else self._copy_across
        runs, had = await copy(source, target)
        self._cache.forget_thread(target)
        index = {run: self._keys.run_index(run.decode()) for run in (*runs, *had)}
        await self._db.send(
            [
                *(("ZADD", index[run], 0, target) for run in runs),
                *(("ZREM", index[run], target) for run in {*had} - {*runs}),
            ]
        )

    @unbounded
    async def keep_latest(self, threads: Sequence[str], open_channels: OpenChannels) -> None:
        """Remove all checkpoints but the newest of each namespace, and what it is made of.

        Four round trips, whatever the number of threads; one more for each 500 checkpoints.
        """

        async def in_thread(thread: str) -> None:
            members = await self._reads.members(thread)
            # In the order of their ids, so the last of a namespace is its newest.
            newest = {member.rpartition(b"\0")[0]: member for member in members}
            kept = {*newest.values(), *await self._ancestors(thread, newest, open_channels)}
            await self._remove(thread, [each for each in members if each not in kept])

        await _each(in_thread, dict.fromkeys(threads))

    async def _ancestors(
        self, thread: str, newest: dict[bytes, bytes], open_channels: OpenChannels
    ) -> set[bytes]:
        found = set[bytes]()
        for member, record in await self._reads.records(thread, list(newest.values())):
            if channels := open_channels(record):
                namespace, _, id_ = member.decode().partition("\0")
                walked, _ = await self._reads.history(Place(thread, namespace, id_), [*channels])
                found.update(each.encode() for each in walked)
        return found

    async def _remove(
        self, thread: str, members: Sequence[bytes], then: Sequence[Command] = ()
    ) -> None:
        """Remove checkpoints, and then values that none of those left needs.

        In batches: what a server does at once grows with the thread only where values are swept.
        If it ends before that, some values stay until the next sweep.
        """
        keys = self._keys.thread(thread)
        for first in range(0, len(members), _BATCH):
            batch = members[first : first + _BATCH]
            await self._db.run(scripts.REMOVE, [keys.order, keys.writes, keys.data], [*batch])
        sweep = [scripts.SWEEP.call([keys.order, keys.data], [])] if members else []
        await self._db.send([*then, *sweep])

    async def _copy_here(self, source: str, target: str) -> _Runs:
        keys = [*self._keys.thread(source), *self._keys.thread(target)]
        args: list[Argument] = [int(time() * 1000), target, self._ttl_ms]
        found: _Runs | None = await self._db.run(
            scripts.COPY, [*keys, self._keys.threads_index(target)], args
        )
        return found or ([], [])

    async def _copy_across(self, source: str, target: str) -> _Runs:
        dumped = await self._db.run(scripts.DUMP, [*self._keys.thread(source)], [])
        if dumped is None:
            return [], []
        ttl_ms, runs, dumps = dumped
        index, now_ms = self._keys.threads_index(target), int(time() * 1000)
        args = [self._ttl_ms or ttl_ms, *dumps]
        restore = scripts.RESTORE.call([*self._keys.thread(target)], args)
        replies = await self._db.send([("ZADD", index, now_ms, target), restore])
        return runs, replies[1]


async def _each(do: Callable[[str], Awaitable[None]], threads: Collection[str]) -> None:
    """Do something with every thread at once: the requests of a loop turn are one round trip."""
    await asyncio.gather(*map(do, threads))
