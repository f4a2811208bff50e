"""Candidates: the records that may belong to one resource, found in batches.

An index entry is a hint, so whoever uses a candidate asks its record whose it is.

Tests: ``tests/maintenance/test_erasure.py``, ``tests/maintenance/test_export.py``.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from redis_store._connections.commands import decoded, entries
from redis_store._engine.database import READ_CHUNK, Database, Values
from redis_store._engine.indexes import RUNS, SCORES, SORT_FIELDS, THREADS, UNLISTED_RUNS, Kind
from redis_store.models import Message, Score, Thread, WorkflowRun

R = TypeVar("R", bound=Thread | Message | WorkflowRun | Score | None)

# Runs per batch: a snapshot may have megabytes.
_RUN_CHUNK = 20


class Batch(NamedTuple):
    """Stored values of one kind.

    Attributes:
        kind: The kind of record.
        found: The values, by key.
        source: The sorted set that led to them; ``None`` for a scan.
        members: Their members in it, by key.
    """

    kind: Kind[Any]
    found: Values
    source: str | None = None
    members: Mapping[str, str] = {}


class Candidates:
    """Finds records of one resource by the indexes, or by scanning the keyspace."""

    def __init__(self, db: Database, resource_id: str) -> None:
        self._db = db
        self._keys = db.keys
        self.resource_id = resource_id

    def own(self, records: Mapping[str, R]) -> dict[str, R]:
        """Return the records that belong to the resource."""
        return {
            key: record
            for key, record in records.items()
            if record is not None and record.resource_id == self.resource_id
        }

    def indexes(self, kind: Kind[Any]) -> Sequence[str]:
        """Return the sorted sets that list the resource's records, each of them all if it is right.

        Scores have no index by resource, so these are the shards of all scores.
        """
        if kind is THREADS:
            return [self._keys.threads_of(self.resource_id, field) for field in SORT_FIELDS]
        if kind is RUNS:
            return self._keys.runs_by("resource", self.resource_id)
        return self._keys.scores_by("all", "") if kind is SCORES else ()

    async def indexed(self, kind: Kind[Any], indexes: Sequence[str]) -> AsyncIterator[Batch]:
        """Find records by indexes, sorted by date in each."""
        for index in indexes:
            async for members in walk(self._db, index, _chunk(kind)):
                key_of = self._keys.records_of(kind.name, members)
                found = await self._db.get(list(key_of.values()))
                yield Batch(kind, found, index, {key: member for member, key in key_of.items()})

    async def scanned(self, kind: Kind[Any]) -> AsyncIterator[Batch]:
        """Find all records of a kind by their keys; a key may come more than once."""
        async for keys in self._scan(self._keys.record_patterns()[kind.name], _chunk(kind)):
            if kind is UNLISTED_RUNS:
                keys = [key for key in keys if not self._keys.is_listed_run(key)]  # noqa: PLW2901
            yield Batch(kind, await self._db.get(keys))

    async def threads_with_messages(self) -> AsyncIterator[list[str]]:
        """Find the threads that may have messages of the resource, by their index."""
        index = self._keys.threads_with_messages_of(self.resource_id)
        async for thread_ids in walk(self._db, index):
            yield thread_ids

    async def scanned_messages(self) -> AsyncIterator[tuple[str, list[str]]]:
        """Find all messages by their keys: ids by thread; a thread may come more than once."""
        async for keys in self._scan(self._keys.record_patterns()["messages"], READ_CHUNK):
            ids: dict[str, list[str]] = {}
            for thread_id, id_ in map(self._keys.place_of_message, keys):
                ids.setdefault(thread_id, []).append(id_)
            for group in ids.items():
                yield group

    async def _scan(self, pattern: str, chunk: int) -> AsyncIterator[list[str]]:
        async for _, keys in self._db.scan(pattern, "string"):
            for first in range(0, len(keys), chunk):
                yield keys[first : first + chunk]


def _chunk(kind: Kind[Any]) -> int:
    return _RUN_CHUNK if kind in (RUNS, UNLISTED_RUNS) else READ_CHUNK


async def walk(db: Database, index: str, chunk: int = READ_CHUNK) -> AsyncIterator[list[str]]:
    """Iterate over a sorted set in order, a chunk of members at once. One round trip per chunk.

    It follows the scores, so that it skips no member although others are added or removed
    meanwhile. Members that share a score are returned together if they fill a chunk.
    """
    low = "-inf"
    while True:
        limit = ("LIMIT", 0, chunk)
        found = entries(await db.command("ZRANGEBYSCORE", index, low, "+inf", "WITHSCORES", *limit))
        if len(found) < chunk:
            if found:
                yield [member for _, member in found]
            return
        last = found[-1][0]
        members = [member for score, member in found if score < last]
        low = f"{last!r}"
        if not members:
            # No score tells these apart, so no cursor can lead into their midst.
            tied = await db.command("ZRANGEBYSCORE", index, low, low)
            members, low = [decoded(member) for member in tied], f"({low}"
        yield members
