"""Checking every record against every index, both ways, and mending what is at odds.

Truth is the record. Every mend is applied only if what it follows from is still there, so that
verification may run while the store is in use; what changed meanwhile is left to the next run.
"""

from collections.abc import Iterable
from typing import Any

from redis_store._engine.database import Batch
from redis_store._engine.indexes import RESOURCES, RUNS, SCORES, THREADS, Entry, Kind, entries_of
from redis_store._engine.transaction import Transaction
from redis_store.errors import CorruptRecordError
from redis_store.maintenance.report import Report
from redis_store.maintenance.verify_threads import ThreadCheck

_CHUNK = 200


class Verification:
    """One run over the keyspace."""

    def __init__(self, batch: Batch, *, repair: bool) -> None:
        self._batch = batch
        self._keys = batch.keys
        self._repair = repair
        self.report = Report()

    async def run(self) -> Report:
        """Check records, indexes and threads. Bounded memory: 200 records at once."""
        for kind in (THREADS, RESOURCES, RUNS, SCORES):
            await self._check_records(kind)
            await self._check_indexes(kind)
        await ThreadCheck(self._batch, self.report, repair=self._repair).run()
        return self.report

    async def _check_records(self, kind: Kind) -> None:
        """Every record must be in its indexes, with its score."""
        pattern = self._keys.record_patterns()[kind.name]
        async for _, found in self._batch.scan(pattern, "string"):
            for first in range(0, len(found), _CHUNK):
                chunk = await self._batch.get(found[first : first + _CHUNK])
                records = _readable(kind, chunk)
                self.report.checked[kind.name] += len(chunk)
                for key, stored in chunk.items():
                    if stored is not None and key not in records:
                        self.report.add("corrupt record", key)
                for key, entries in (await entries_of(self._batch, kind, records)).items():
                    await self._check_record(key, chunk[key], entries)

    async def _check_record(self, key: str, stored: bytes | None, entries: Iterable[Entry]) -> None:
        expected = list(entries)
        scores = await self._batch.send([("ZSCORE", e.key, e.member) for e in expected])
        wrong = [
            entry
            for entry, score in zip(expected, scores, strict=True)
            if score is None or float(score) != entry.score_us
        ]
        tx = Transaction(self._batch)
        tx.same({key: stored})
        for entry in wrong:
            self.report.add("missing entry", entry.key, entry.member)
            tx.call("ZADD", entry.key, entry.score_us, entry.member)
        await self._mend(tx, len(wrong))

    async def _check_indexes(self, kind: Kind) -> None:
        """Every entry of every index must lead to a record that belongs there."""
        pattern = self._keys.index_pattern(kind.name)
        async for _, found in self._batch.scan(pattern, "zset"):
            for index in found:
                await self._check_index(kind, index)
                self.report.checked["indexes"] += 1

    async def _check_index(self, kind: Kind, index: str) -> None:
        members = await self._batch.command("ZRANGE", index, 0, -1)
        for first in range(0, len(members), _CHUNK):
            names = [member.decode() for member in members[first : first + _CHUNK]]
            key_of = self._keys.records_of(kind.name, names)
            found = await self._batch.get(list(key_of.values()))
            records = _readable(kind, found)
            listed = await entries_of(self._batch, kind, records)
            for name, key in key_of.items():
                if found[key] is not None and key not in records:
                    continue
                entries = listed.get(key, ())
                if (index, name) not in {(entry.key, entry.member) for entry in entries}:
                    self.report.add("stale entry", index, name)
                    tx = Transaction(self._batch)
                    tx.same({key: found[key]})
                    tx.call("ZREM", index, name)
                    await self._mend(tx, 1)

    async def _mend(self, tx: Transaction, problems: int) -> None:
        if self._repair and problems and not await tx.commit():
            self.report.repaired += problems


def _readable(kind: Kind, found: dict[str, bytes | None]) -> dict[str, Any]:
    """Decode what was found; a record that cannot be read is left out."""
    records: dict[str, Any] = {}
    for key, stored in found.items():
        try:
            if stored is not None:
                records[key] = kind.decode(key, stored)
        except CorruptRecordError:
            continue
    return records
