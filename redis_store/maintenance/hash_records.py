"""Maintenance of records that are hashes, logs and documents: for integrations to register.

Tests: ``tests/integrations/test_hash_records.py``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store._engine.hash_indexes import HashIndexes, Id, Listed, Stored
from redis_store.errors import CorruptRecordError
from redis_store.maintenance.integrations import Removal
from redis_store.maintenance.report import Report

# Deletes a record if it still is as its entry says; returns whether it did.
Delete = Callable[[Listed], Awaitable[bool]]


async def erase(indexes: HashIndexes, index: Id, delete: Delete) -> AsyncIterator[int]:
    """Delete the records of an index, and yield how many each batch had."""
    async for listed in indexes.walk(index):
        yield await _delete(indexes, index, listed, delete)


async def prune(
    indexes: HashIndexes, index: Id, limit: float, delete: Delete
) -> AsyncIterator[Removal]:
    """Yield removals of the records of an index that have a lower score, batch by batch."""
    while listed := await indexes.up_to(index, limit, SCAN_CHUNK):
        yield partial(_delete, indexes, index, listed, delete)


async def _delete(indexes: HashIndexes, index: Id, listed: Sequence[Listed], delete: Delete) -> int:
    deleted = await asyncio.gather(*map(delete, listed))
    # Those that are gone, or have another score: corrected, so that no batch finds them again.
    refused = [each for each, done in zip(listed, deleted, strict=True) if not done]
    if refused:
        await indexes.refresh(index, refused)
    return sum(deleted)


class HashVerification:
    """Checks every record of a kind against its indexes, both ways; the record is the truth.

    Args:
        db: The database.
        indexes: The indexes of the kind.
        report: Gets what is found.
        repair: Whether to repair entries, each only if it has not changed since it was read.
    """

    def __init__(self, db: Database, indexes: HashIndexes, report: Report, *, repair: bool) -> None:
        self._db = db
        self._indexes = indexes
        self._report = report
        self._repair = repair

    async def run(self) -> None:
        """Scan the keyspace twice, 200 records at once, while the store is in use."""
        async for _, found in self._db.scan(self._indexes.records_pattern, "hash"):
            for first in range(0, len(found), SCAN_CHUNK):
                await self._check_records(found[first : first + SCAN_CHUNK])
        async for _, found in self._db.scan(self._indexes.indexes_pattern, "zset"):
            for key in found:
                await self._check_index(key)

    async def _check_records(self, keys: Sequence[str]) -> None:
        ids = [self._indexes.id_of(key) for key in keys]
        self._report.checked[self._indexes.kind] += len(ids)
        expected = {
            (id_, *entry): score
            for id_, stored in zip(ids, await self._indexes.read(ids), strict=True)
            for entry, score in self._entries(id_, stored).items()
        }
        scores = await self._db.send([("ZSCORE", key, member) for _, key, member in expected])
        wrong = [
            entry
            for (entry, score), found in zip(expected.items(), scores, strict=True)
            if found is None or float(found) != score
        ]
        for _, key, member in wrong:
            self._report.add("missing entry", key, member)
        if self._repair:
            await self._indexes.restore([*{id_ for id_, _, _ in wrong}])
            self._report.repaired += len(wrong)

    async def _check_index(self, key: str) -> None:
        self._report.checked["indexes"] += 1
        try:
            async for listed in self._indexes.walk(self._indexes.index_of(key)):
                await self._check_listed(key, listed)
        except CorruptRecordError as error:
            self._report.add("corrupt record", error.key)

    async def _check_listed(self, key: str, listed: Sequence[Listed]) -> None:
        found = await self._indexes.read([entry.id for entry in listed])
        stale: list[Listed] = []
        for entry, stored in zip(listed, found, strict=True):
            with suppress(CorruptRecordError):  # reported where records are checked
                if (key, entry.member) not in self._indexes.entries_of(entry.id, stored):
                    stale.append(entry)
        for entry in stale:
            self._report.add("stale entry", key, entry.member)
        if self._repair and stale:
            await self._indexes.remove_stale(key, stale)
            self._report.repaired += len(stale)

    def _entries(self, id: Id, stored: Stored) -> dict[tuple[str, str], float]:
        try:
            return self._indexes.entries_of(id, stored)
        except CorruptRecordError as error:
            self._report.add("corrupt record", error.key)
            return {}
