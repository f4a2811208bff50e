"""Reindexing: builds the indexes of records that another writer stored."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from redis_store._connections.commands import Command, decoded, text
from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store._engine.indexes import RESOURCES, RUNS, SCORES, THREADS, Kind, entries_of, relist
from redis_store._engine.scripts import RECOUNT
from redis_store._engine.transaction import Transaction, transact
from redis_store.errors import CorruptRecordError
from redis_store.maintenance.report import Progress
from redis_store.memory.thread_transaction import ThreadTransaction, transact_threads

# The version of the indexes that this library reads.
VERSION = b"1"
# init() indexes a database of at most this many keys: about ten milliseconds.
SMALL = 10_000

logger = logging.getLogger("redis_store")


class _State(msgspec.Struct):
    """Where an unfinished run stopped, and the server process for which the cursor is valid."""

    step: int = 0
    cursor: str = ""
    server: str = ""


class _Step(NamedTuple):
    name: str
    type: str
    handle: Callable[[Sequence[str]], Awaitable[None]]


class Reindexing:
    """Builds every index from the records, while the store is in use.

    Each batch is applied only if its records have not changed since they were read, so that nothing
    written meanwhile is undone. A run that was stopped is resumed by the next one.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._keys = db.keys
        self._steps = (
            _Step("threads", "string", partial(self._list, THREADS)),
            _Step("orders", "zset", self._adopt_timelines),
            _Step("resources", "string", partial(self._list, RESOURCES)),
            _Step("runs", "string", partial(self._list, RUNS)),
            _Step("scores", "string", partial(self._list, SCORES)),
        )

    async def run(self, progress: Callable[[Progress], object] | None = None) -> None:
        """Scan the keyspace once per kind of record, with at most 200 records in memory."""
        stored, info = await self._db.send(
            [("GET", self._keys.reindex_state()), ("INFO", "server")]
        )
        server = _run_id(info)
        state = msgspec.json.decode(stored, type=_State) if stored else _State()
        for number in range(state.step, len(self._steps)):
            # A cursor means something only to the server process that gave it.
            resumes = number == state.step and server == state.server
            start = _State(number, state.cursor if resumes else "", server)
            await self._run_step(start, progress)
        done: list[Command] = [("SET", self._keys.marker(), VERSION)]
        await self._db.send([*done, ("DEL", self._keys.reindex_state())])

    async def _run_step(self, start: _State, progress: Callable[[Progress], object] | None) -> None:
        step, count = self._steps[start.step], 0
        pattern = self._keys.record_patterns()[step.name]
        async for cursor, found in self._db.scan(pattern, step.type, start.cursor):
            for first in range(0, len(found), SCAN_CHUNK):
                await step.handle(found[first : first + SCAN_CHUNK])
            count += len(found)
            state = _State(start.step, cursor, start.server)
            json = msgspec.json.encode(state)
            await self._db.command("SET", self._keys.reindex_state(), json)
            if progress is not None:
                progress(Progress(step.name, count))

    async def _list(self, kind: Kind[Any], keys: Sequence[str]) -> None:
        """Add records to their indexes; corrupt ones are left to ``verify``."""
        # On a cluster each record has its own slot and so its own script: a transaction of
        # several would not save a round trip.
        size = 1 if self._keys.hash_tags else len(keys)
        for first in range(0, len(keys), size):
            await transact(self._db, partial(self._list_once, kind, keys[first : first + size]))

    async def _list_once(self, kind: Kind[Any], keys: Sequence[str], tx: Transaction) -> None:
        found = await tx.read_unconditionally(keys)
        records = kind.read_all(found, on_corrupt=_warn)
        entries = await entries_of(self._db, kind, records)
        tx.expect({key: found[key] for key in records})
        for key, record in records.items():
            relist(tx, kind.entries(self._keys, key, record), entries[key])

    async def _adopt_timelines(self, timelines: Sequence[str]) -> None:
        """Count the messages of threads by resource, and store missing pointers."""
        for timeline in timelines:
            thread_id = self._keys.thread_of_timeline(timeline)
            await recount(self._db, thread_id)
            ids = [decoded(id_) for id_ in await self._db.command("ZRANGE", timeline, 0, -1)]
            for first in range(0, len(ids), SCAN_CHUNK):
                await self._add_pointers(thread_id, ids[first : first + SCAN_CHUNK])

    async def _add_pointers(self, thread_id: str, ids: Sequence[str]) -> None:
        pointer_of = {id_: self._keys.message_pointer(id_) for id_ in ids}
        body_of = {id_: self._keys.message(thread_id, id_) for id_ in ids}
        known = await self._db.get(list(pointer_of.values()))

        async def attempt(tx: ThreadTransaction) -> None:
            # Messages that conflicted were deleted, or have a pointer by now.
            missing = [
                id_
                for id_ in ids
                if known[pointer_of[id_]] is None
                and tx.known.keys().isdisjoint((pointer_of[id_], body_of[id_]))
            ]
            tx.expect_present([body_of[id_] for id_ in missing])
            tx.claim(thread_id, missing)

        await transact_threads(self._db, attempt)


def _run_id(info: bytes) -> str:
    """Return the id of a server process; cursors of SCAN depend on its random hash seed."""
    lines = (line.partition(":") for line in info.decode().splitlines())
    return next((value for name, _, value in lines if name == "run_id"), "")


def _warn(error: CorruptRecordError) -> None:
    logger.warning("not indexed: %s", error)


async def recount(db: Database, thread_id: str) -> None:
    """Count a thread's messages by resource, and list the thread for these resources."""
    keys = db.keys
    names = [keys.timeline(thread_id), keys.resource_counts(thread_id)]
    flat = await db.run(RECOUNT, names, [keys.bodies(thread_id)])
    newest_scores = zip(flat[::2], flat[1::2], strict=True)
    await db.send(
        [
            (
                "ZADD",
                keys.threads_with_messages_of(resource_id),
                "GT",
                int(float(score)),
                thread_id,
            )
            for name, score in newest_scores
            if (resource_id := text(name)) is not None
        ]
    )


async def adopt(db: Database) -> None:
    """Check for records without indexes when a store opens. One round trip if there are none.

    A database of at most 10,000 keys is indexed at once. For a larger one only a warning is logged,
    each time a store opens, until ``reindex`` has run.
    """
    marker, size = await db.send([("GET", db.keys.marker()), ("DBSIZE",)])
    if marker == VERSION:
        return
    if size <= SMALL:
        await Reindexing(db).run()
        return
    logger.warning(
        "the database has %d keys and no complete indexes of this store: records that another "
        "writer stored are not listed before `await store.reindex()`",
        size,
    )
