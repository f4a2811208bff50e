"""Verification: checks all records against all indexes, both ways, and repairs the indexes.

The record is the truth. A repair is applied only if the values that it follows from have not
changed, so verification may run while the store is in use; what changed is left to the next run.
"""

from collections.abc import Iterable
from typing import Any

from redis_store._connections.commands import decoded
from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store._engine.indexes import RESOURCES, RUNS, SCORES, THREADS, Entry, Kind, entries_of
from redis_store._engine.transaction import Transaction
from redis_store.maintenance.integrations import registered
from redis_store.maintenance.report import Report
from redis_store.maintenance.verify_threads import ThreadCheck
from redis_store.maintenance.verify_vectors import VectorCheck


class Verification:
    """One run over the keyspace."""

    def __init__(self, db: Database, *, repair: bool) -> None:
        self._db = db
        self._keys = db.keys
        self._repair = repair
        self.report = Report()

    async def run(self) -> Report:
        """Check records, indexes and threads, with at most 200 records in memory."""
        for kind in (THREADS, RESOURCES, RUNS, SCORES):
            await self._check_records(kind)
            await self._check_indexes(kind)
        await ThreadCheck(self._db, self.report, repair=self._repair).run()
        await VectorCheck(self._db, self.report, repair=self._repair).run()
        for integration in registered():
            if integration.verify is not None:
                await integration.verify(self._db, self.report, repair=self._repair)
        return self.report

    async def _check_records(self, kind: Kind[Any]) -> None:
        """Check that every record is in its indexes, with the right score."""
        pattern = self._keys.record_patterns()[kind.name]
        async for _, found in self._db.scan(pattern, "string"):
            for first in range(0, len(found), SCAN_CHUNK):
                chunk = await self._db.get(found[first : first + SCAN_CHUNK])
                records = kind.read_all(chunk)
                self.report.checked[kind.name] += len(chunk)
                for key, stored in chunk.items():
                    if stored is not None and key not in records:
                        self.report.add("corrupt record", key)
                for key, entries in (await entries_of(self._db, kind, records)).items():
                    await self._check_record(key, chunk[key], entries)

    async def _check_record(self, key: str, stored: bytes | None, entries: Iterable[Entry]) -> None:
        expected = list(entries)
        scores = await self._db.send([("ZSCORE", e.key, e.member) for e in expected])
        wrong = [
            entry
            for entry, score in zip(expected, scores, strict=True)
            if score is None or float(score) != entry.score_us
        ]
        tx = Transaction(self._db)
        tx.expect({key: stored})
        for entry in wrong:
            self.report.add("missing entry", entry.key, entry.member)
            tx.command("ZADD", entry.key, entry.score_us, entry.member)
        await self._repair_by(tx, len(wrong))

    async def _check_indexes(self, kind: Kind[Any]) -> None:
        """Check that every index entry has a record that belongs there."""
        pattern = self._keys.index_pattern(kind.name)
        async for _, found in self._db.scan(pattern, "zset"):
            for index in found:
                await self._check_index(kind, index)
                self.report.checked["indexes"] += 1

    async def _check_index(self, kind: Kind[Any], index: str) -> None:
        members = await self._db.command("ZRANGE", index, 0, -1)
        for first in range(0, len(members), SCAN_CHUNK):
            names = [decoded(member) for member in members[first : first + SCAN_CHUNK]]
            key_of = self._keys.records_of(kind.name, names)
            found = await self._db.get(list(key_of.values()))
            records = kind.read_all(found)
            listed = await entries_of(self._db, kind, records)
            for name, key in key_of.items():
                if found[key] is not None and key not in records:
                    continue
                entries = listed.get(key, ())
                if (index, name) not in {(entry.key, entry.member) for entry in entries}:
                    self.report.add("stale entry", index, name)
                    tx = Transaction(self._db)
                    tx.expect({key: found[key]})
                    tx.command("ZREM", index, name)
                    await self._repair_by(tx, 1)

    async def _repair_by(self, tx: Transaction, problems: int) -> None:
        if self._repair and problems and await tx.commit():
            self.report.repaired += problems
