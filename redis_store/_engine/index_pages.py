"""Pages of indexed records: threads, workflow runs and scores.

An index entry is a hint. If its record is gone, or no longer belongs in the index, the reader
removes the entry and reads again; so no page is short and no total counts it. A store with
``indexes="scan"`` reads every record instead.

Tests: ``tests/contract/test_list_threads.py``, ``tests/contract/test_workflow_lists.py``,
``tests/contract/test_score_lists.py``, ``tests/contract/test_stale_thread_entries.py``,
``tests/maintenance/test_scan_mode.py``.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from redis_store._connections.commands import Argument, Command, entries
from redis_store._cursors import Cursor, beside
from redis_store._engine.database import READ_CHUNK, Database, Values
from redis_store._engine.indexes import Kind, settle, without_shadowed
from redis_store._engine.scripts import INDEX_PAGE
from redis_store._engine.transaction import Transaction
from redis_store.pages import Page, Paging

R = TypeVar("R")

# A rank that no sorted set reaches; servers refuse integers of more than 64 bits.
_MAX_RANK = 2**62


# A record's sort key in a listing: its score and its member in the index.
Place = tuple[float, str]


class Index(NamedTuple, Generic[R]):
    """The sorted sets (shards) of one index, and a predicate for the records that it lists."""

    shards: Sequence[str]
    lists: Callable[[R], bool]


class Query(NamedTuple, Generic[R]):
    """A query for the records that every index lists, with scores in inclusive bounds."""

    indexes: Sequence[Index[R]]
    descending: bool
    from_us: int | None = None
    to_us: int | None = None
    accepts: Callable[[R], bool] | None = None


class Members(NamedTuple):
    """The entries of a page, how many precede it, and how many there are."""

    entries: list[Place]
    start: int
    total: int


class Listing(Generic[R]):
    """Reads pages of one kind of record.

    Args:
        db: The database.
        kind: The kind of record.
    """

    def __init__(self, db: Database, kind: Kind[R]) -> None:
        self._db = db
        self._kind = kind

    async def page(self, paging: Paging, query: Query[R]) -> Page[R]:
        """Read a page. Two round trips.

        One index without bounds costs O(log n + page). With bounds or several indexes, all members
        of each are read, but only the records of the page. A query with ``accepts`` reads every
        record that the indexes list, 500 at a time. Cursors are for one index without bounds.
        """
        if self._db.scans:
            return _cut(paging, query, await self._scanned(query))
        window = paging if query.accepts is None else Paging(0, None)
        while True:
            entries, start, total = await self._members(window, query)
            records = await self._records([member for _, member in entries], query.indexes)
            if records is None:
                # Members or total included stale entries. Each round removes some, so this ends.
                continue
            listed = list(zip(entries, records, strict=True))
            if query.accepts is None:
                return _page(paging, query, listed, start, total)
            return _cut(paging, query, [row for row in listed if query.accepts(row[1])])

    async def _scanned(self, query: Query[R]) -> list[tuple[Place, R]]:
        """Read every record of the kind, and sort those that the query asks for."""
        # By place, as a scan may return a key more than once.
        rows: dict[Place, R] = {}
        pattern = self._db.keys.record_patterns()[self._kind.name]
        async for _, keys in self._db.scan(pattern, "string"):
            for first in range(0, len(keys), READ_CHUNK):
                found = await self._db.get(keys[first : first + READ_CHUNK])
                records = {k: self._kind.decode(k, v) for k, v in found.items() if v is not None}
                for key, record in (await without_shadowed(self._db, self._kind, records)).items():
                    place = self._place(key, record, query)
                    if place is not None:
                        rows[place] = record
        return sorted(rows.items(), key=_place_of, reverse=query.descending)

    def _place(self, key: str, record: R, query: Query[R]) -> Place | None:
        """Return a record's sort key in a query's result; ``None`` if it is not in the result."""
        shards = query.indexes[0].shards
        entries = self._kind.entries(self._db.keys, key, record)
        place = next(((e.score_us, e.member) for e in entries if e.key in shards), None)
        if place is None or not all(index.lists(record) for index in query.indexes):
            return None
        low = place[0] if query.from_us is None else query.from_us
        high = place[0] if query.to_us is None else query.to_us
        wanted = low <= place[0] <= high and (query.accepts is None or query.accepts(record))
        return place if wanted else None

    async def _members(self, window: Paging, query: Query[R]) -> Members:
        """Read the entries of the window, and the total."""
        if window.cursor is not None:
            return await self._at_cursor(window, window.cursor, query)
        if len(query.indexes) == 1 and query.from_us is None and query.to_us is None:
            return await self._of_one(window, query.indexes[0].shards, query.descending)
        return await self._of_all(window, query)

    async def _of_one(
        self,
        window: Paging,
        shards: Sequence[str],
        descending: bool,  # noqa: FBT001 - as Query has it
    ) -> Members:
        merged = len(shards) > 1
        # A rank in the merged order says nothing about the rank in a shard: each shard may hold
        # the first `end` members, so all are read from the start.
        start = 0 if merged else min(window.offset, _MAX_RANK)
        stop = -1 if window.end is None else min(window.end, _MAX_RANK) - 1
        verb = "ZREVRANGE" if descending else "ZRANGE"
        commands: list[Command] = [("ZCARD", shard) for shard in shards]
        if window.end != start:
            commands += [(verb, shard, start, stop, "WITHSCORES") for shard in shards]
        replies = await self._db.send(commands)
        found = [entry for reply in replies[len(shards) :] for entry in entries(reply)]
        if merged:
            found = sorted(found, reverse=descending)[window.offset : window.end]
        return Members(found, window.offset, sum(replies[: len(shards)]))

    async def _at_cursor(self, window: Paging, cursor: Cursor, query: Query[R]) -> Members:
        descending = query.descending != window.backwards
        take = -1 if window.per_page is None else min(window.per_page, _MAX_RANK)
        side = "follows" if cursor.follows else "precedes"
        direction = "desc" if descending else "asc"
        place: list[Argument] = [cursor.us, cursor.ids[0], side, direction, take]
        (index,) = query.indexes
        replies = await self._db.send([INDEX_PAGE.call([shard], place) for shard in index.shards])
        found = [entry for _, _, reply in replies for entry in entries(reply)]
        found = sorted(found, reverse=descending)[: window.per_page]
        total, passed = sum(reply[0] for reply in replies), sum(reply[1] for reply in replies)
        start = window.start(passed, len(found), total)
        return Members(found[::-1] if window.backwards else found, start, total)

    async def _of_all(self, window: Paging, query: Query[R]) -> Members:
        low = "-inf" if query.from_us is None else query.from_us
        high = "+inf" if query.to_us is None else query.to_us
        commands: list[Command] = [
            ("ZRANGEBYSCORE", shard, low, high, "WITHSCORES")
            for index in query.indexes
            for shard in index.shards
        ]
        replies = iter(await self._db.send(commands))
        found: list[set[tuple[float, str]]] = [
            {entry for _ in index.shards for entry in entries(next(replies))}
            for index in query.indexes
        ]
        # As (score, member): an entry with another score in one index is stale there, so the record
        # is left out. Sorting these pairs is the order of a sorted set.
        common = sorted(found[0].intersection(*found[1:]), reverse=query.descending)
        return Members(common[window.offset : window.end], window.offset, len(common))

    async def _records(self, members: list[str], indexes: Sequence[Index[R]]) -> list[R] | None:
        """Read records; ``None`` if there were stale entries, which are removed now."""
        key_of = self._key_of(members)
        found: Values = {}
        for first in range(0, len(members), READ_CHUNK):
            chunk = members[first : first + READ_CHUNK]
            found |= await self._db.get([key_of[member] for member in chunk])
        records: list[R] = []
        stale: list[tuple[str, str]] = []
        for member in members:
            key = key_of[member]
            stored = found[key]
            # Not Kind.read: a corrupt record must raise, not be taken for a stale entry.
            record = None if stored is None else self._kind.decode(key, stored)
            wrong = [i for i in indexes if record is None or not i.lists(record)]
            stale += [(shard, member) for index in wrong for shard in index.shards]
            if record is not None and not wrong:
                records.append(record)
        if not stale:
            return records
        await self._remove(stale, found)
        return None

    def _key_of(self, members: Iterable[str]) -> dict[str, str]:
        return self._db.keys.records_of(self._kind.name, members)

    async def _remove(self, stale: Sequence[tuple[str, str]], found: Values) -> None:
        """Remove index entries, unless their records have changed since they were read."""
        read = {key: found[key] for key in self._key_of(name for _, name in stale).values()}
        tx = Transaction(self._db)
        tx.expect(read)
        for shard, member in stale:
            tx.command("ZREM", shard, member)
        # In the hash-tagged layout the record may be stored again between its check and ZREM.
        tx.reconcile(partial(settle, self._db, self._kind, read, dict.fromkeys(read, ())))
        # If this is refused, a record has changed: the caller's next read finds out.
        await tx.commit()


def _cut(paging: Paging, query: Query[R], listed: list[tuple[Place, R]]) -> Page[R]:
    """Cut the page out of the whole listing."""
    start, end, size = paging.offset, paging.end, paging.per_page
    if paging.cursor is not None:
        passed = [paging.cursor.is_after(*place) != query.descending for place, _ in listed]
        at = sum(passed)
        if paging.backwards:
            start, end = 0 if size is None else max(0, at - size), at
        else:
            start, end = at, None if size is None else at + size
    return _page(paging, query, listed[start:end], start, len(listed))


def _page(
    paging: Paging, query: Query[R], listed: list[tuple[Place, R]], start: int, total: int
) -> Page[R]:
    """Build the page from its records and their places."""

    def cursor(at: int) -> Cursor:
        (score, member), _ = listed[at]
        # Its place follows from its date and id alone, also once it is deleted.
        is_last = at != 0
        return beside(
            [(int(score), member)],
            int(score),
            follows=is_last != query.descending,
            is_all=True,
        )

    page = paging.of_items([record for _, record in listed], total, start)
    return paging.link(
        page, has_previous=start > 0, first=partial(cursor, 0), last=partial(cursor, -1)
    )


def _place_of(row: tuple[Place, R]) -> Place:
    return row[0]
