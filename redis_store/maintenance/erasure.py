"""Erasure: removes everything that belongs to one resource, from every domain.

Each step leaves a state from which another run finds all that is left. In the plain layout a step
is atomic. In the hash-tagged layout it is a sequence, which its order makes safe: first the hints
that only the record leads to (its index entries, the pointers to messages), then the record, then
the entry that led to it. If the record belongs to another resource by then, the hints are restored.

Tests: ``tests/maintenance/test_erasure.py``, ``tests/maintenance/test_erasure_races.py``.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from redis_store._connections.commands import Command, decoded
from redis_store._engine.database import READ_CHUNK, Database, Values
from redis_store._engine.indexes import (
    RUNS,
    SCORES,
    THREADS,
    UNLISTED_RUNS,
    Kind,
    relist,
    settle,
)
from redis_store._engine.transaction import Transaction, transact
from redis_store.maintenance.candidates import Batch, Candidates
from redis_store.maintenance.integrations import registered
from redis_store.maintenance.message_erasure import MessageErasure, in_one_piece
from redis_store.maintenance.reindex import recount
from redis_store.maintenance.report import Erased, ErasureTally, Progress
from redis_store.memory.message_vectors import MessageVectors
from redis_store.memory.resources import delete_resource
from redis_store.memory.thread_deletion import delete_thread
from redis_store.models import Thread, WorkflowRun

# Erases the records of a batch that belong to the resource; returns how many.
Erase = Callable[[Batch, dict[str, Any]], Awaitable[int]]


class Erasure:
    """One run. What it removes is gone for good; another run removes what is left."""

    def __init__(
        self, db: Database, resource_id: str, progress: Callable[[Progress], object] | None
    ) -> None:
        self._db = db
        self._keys = db.keys
        self._resource_id = resource_id
        self._candidates = Candidates(db, resource_id)
        self._tally = ErasureTally(progress)
        self._messages = MessageErasure(db, self._candidates, self._tally)

    async def run(self) -> Erased:
        """Erase each kind of record; threads first, as their messages go with them."""
        await self._erase_kind(THREADS, self._erase_threads)
        await self._messages.run()
        await self._erase_kind(RUNS, self._erase_runs)
        await self._erase_kind(UNLISTED_RUNS, self._erase_records)
        await self._erase_kind(SCORES, self._erase_records)
        vectors = MessageVectors(self._db, self._resource_id).clearing()
        existence = ("EXISTS", self._keys.resource(self._resource_id))
        existed, _ = await self._db.send([existence, vectors])
        await delete_resource(self._db, self._resource_id)
        self._tally.add("resources", existed)
        await self._erase_integrations()
        return self._tally.result()

    async def _erase_integrations(self) -> None:
        for integration in registered():
            if integration.erase is not None:
                async for erased in integration.erase(self._db, self._resource_id):
                    self._tally.add(integration.name, erased)

    async def _erase_kind(self, kind: Kind[Any], erase: Erase) -> None:
        """Erase the records of a kind, and the stale entries of the indexes that led to them."""
        if self._db.scans:
            async for batch in self._candidates.scanned(kind):
                await self._erase_batch(batch, erase)
        async for batch in self._candidates.indexed(kind, self._candidates.indexes(kind)):
            await self._erase_batch(batch, erase)
            await self._remove_stale(batch, batch.source)

    async def _erase_batch(self, batch: Batch, erase: Erase) -> None:
        records = batch.kind.read_all(batch.found, self._tally.note_corrupt)
        mine = self._candidates.own(records)
        self._tally.add(
            RUNS.name if batch.kind is UNLISTED_RUNS else batch.kind.name,
            await erase(batch, mine) if mine else 0,
        )

    async def _erase_records(self, batch: Batch, mine: dict[str, Any]) -> int:
        """Delete runs or scores, each only if it still belongs to the resource."""
        kind = batch.kind

        async def attempt(tx: Transaction) -> int:
            values = {key: tx.known.get(key, batch.found[key]) for key in mine}
            still_mine = self._candidates.own(kind.read_all(values))
            await self._retract(kind, still_mine, batch.source)
            tx.expect({key: values[key] for key in still_mine})
            for key, record in still_mine.items():
                relist(tx, kind.entries(self._keys, key, record), ())
                tx.delete([key])
            return len(still_mine)

        async def steps() -> int:
            try:
                return await transact(self._db, attempt)
            finally:
                await self._restore_entries(kind, mine)

        return await in_one_piece(self._db, steps())

    async def _erase_runs(self, batch: Batch, mine: dict[str, Any]) -> int:
        """Delete runs, and first those that they shadow: no index lists these by resource."""
        shadowed = await self._shadowed_by(mine)
        if shadowed:
            await self._erase_batch(Batch(RUNS, await self._db.get(shadowed)), self._erase_records)
        erased = await self._erase_records(batch, mine)
        if shadowed:
            # Those of other resources are not shadowed any more, so the indexes list them.
            gone: Values = dict.fromkeys(shadowed)
            await settle(self._db, RUNS, gone, dict.fromkeys(gone, ()))
        return erased

    async def _shadowed_by(self, runs: Mapping[str, WorkflowRun]) -> list[str]:
        """Return the keys with a resource suffix of runs that are stored without one, too."""
        plain = {
            key: run for key, run in runs.items() if RUNS.preferred_key(self._keys, key, run) == key
        }
        replies = await self._db.send(
            [
                ("ZRANGE", *self._keys.runs_by("suffixed", run.run_id), 0, -1)
                for run in plain.values()
            ]
        )
        return [
            name
            for key, members in zip(plain, replies, strict=True)
            for name in (self._keys.of_member(decoded(member)) for member in members)
            if name.startswith(key + self._keys.run_suffix(""))
        ]

    async def _erase_threads(self, batch: Batch, mine: dict[str, Thread]) -> int:
        """Delete threads with their messages; long ones are emptied first, 500 at a time."""
        timelines = [self._keys.timeline(thread.id) for thread in mine.values()]
        sizes = await self._db.send([("ZCARD", timeline) for timeline in timelines])
        erased = 0
        for (key, thread), size in zip(mine.items(), sizes, strict=True):
            # Pointers are among the hints that must go before the thread.
            empties = self._keys.hash_tags or size > READ_CHUNK
            if empties:
                await self._messages.empty(key, thread.id)
            if await in_one_piece(self._db, self._delete_thread(key, thread, batch.source)):
                erased += 1
                self._tally.add("messages", 0 if empties else size)
        return erased

    async def _delete_thread(self, key: str, thread: Thread, index: str | None) -> bool:
        """Delete a thread if it still belongs to the resource."""

        def is_mine(found: Thread | None) -> bool:
            return found is not None and found.resource_id == self._resource_id

        if not self._keys.hash_tags:
            return await delete_thread(self._db, thread.id, is_mine)
        await self._retract(THREADS, {key: thread}, index)
        counts = await self._db.command("HKEYS", self._keys.resource_counts(thread.id))
        await self._db.send(
            [
                ("ZREM", self._keys.threads_with_messages_of(resource_id), thread.id)
                for resource_id in (decoded(name) for name in counts)
                # Its own list leads to the thread.
                if resource_id != self._resource_id
            ]
        )
        erased = False
        try:
            erased = await delete_thread(self._db, thread.id, is_mine)
        finally:
            if not erased:
                await self._restore_entries(THREADS, [key])
                await recount(self._db, thread.id)
        return erased

    async def _remove_stale(self, batch: Batch, index: str | None) -> None:
        """Remove entries of an index whose records are gone or do not belong there."""

        async def attempt(tx: Transaction) -> None:
            stale: Values = {}
            for key, member in batch.members.items():
                stored = tx.known.get(key, batch.found[key])
                record = batch.kind.read(key, stored)
                entries = batch.kind.entries_of_stored(self._keys, key, stored)
                is_listed = any((e.key, e.member) == (index, member) for e in entries)
                # A corrupt record may belong there.
                if not is_listed and (record is not None or stored is None):
                    stale[key] = stored
                    tx.command("ZREM", str(index), member)
            tx.expect(stale)
            tx.reconcile(partial(settle, self._db, batch.kind, stale, dict.fromkeys(stale, ())))

        await transact(self._db, attempt)

    async def _retract(
        self, kind: Kind[Any], records: Mapping[str, Any], index: str | None
    ) -> None:
        """Remove the index entries of records, except those that lead to them.

        Only in the hash-tagged layout, where they cannot go in the same step.
        """
        if not self._keys.hash_tags:
            return
        leading = {index, *self._candidates.indexes(THREADS)}
        commands: list[Command] = [
            ("ZREM", entry.key, entry.member)
            for key, record in records.items()
            for entry in kind.entries(self._keys, key, record)
            if entry.key not in leading
        ]
        await self._db.send(commands)

    async def _restore_entries(self, kind: Kind[Any], keys: Iterable[str]) -> None:
        """List those records again that were not erased after all."""
        if self._keys.hash_tags:
            gone: Values = dict.fromkeys(keys)
            await settle(self._db, kind, gone, dict.fromkeys(gone, ()))
