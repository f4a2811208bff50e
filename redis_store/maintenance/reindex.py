"""Building the indexes of records that another writer stored."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from redis_store._connections.commands import Command
from redis_store._engine.database import Batch
from redis_store._engine.indexes import RESOURCES, RUNS, SCORES, THREADS, Kind, entries_of, relist
from redis_store._engine.scripts import RECOUNT
from redis_store._engine.transaction import attempts
from redis_store.errors import CorruptRecordError

# The indexes that this version of the library reads.
VERSION = b"1"
# A database of at most so many keys is indexed by init(): some ten milliseconds.
SMALL = 10_000
_CHUNK = 200

logger = logging.getLogger("redis_store")


class Progress(msgspec.Struct, frozen=True):
    """How far a maintenance call is: so many keys of one kind are done."""

    kind: str
    done: int


class _State(msgspec.Struct):
    """Where an unfinished run stopped, and the server process that the cursor is valid on."""

    step: int = 0
    cursor: str = ""
    server: str = ""


class _Step(NamedTuple):
    name: str
    type: str
    handle: Callable[[Sequence[str]], Awaitable[None]]


class Reindexing:
    """Builds every index from the records, while the store is in use.

    Each batch is applied only if its records did not change since they were read, so nothing
    written meanwhile is undone. Stopped at any point, it goes on from there when called again.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._keys = batch.keys
        self._steps = (
            _Step("threads", "string", partial(self._list, THREADS)),
            _Step("orders", "zset", self._adopt_orders),
            _Step("resources", "string", partial(self._list, RESOURCES)),
            _Step("runs", "string", partial(self._list, RUNS)),
            _Step("scores", "string", partial(self._list, SCORES)),
        )

    async def run(self, progress: Callable[[Progress], object] | None = None) -> None:
        """Scan the keyspace once per kind of record. Bounded memory: 200 records at once."""
        stored, info = await self._batch.send(
            [("GET", self._keys.reindex_state()), ("INFO", "server")]
        )
        server = _run_id(info)
        state = msgspec.json.decode(stored, type=_State) if stored else _State()
        for number in range(state.step, len(self._steps)):
            goes_on = number == state.step and server == state.server
            start = _State(number, state.cursor if goes_on else "", server)
            await self._run_step(start, progress)
        done: list[Command] = [("SET", self._keys.marker(), VERSION)]
        await self._batch.send([*done, ("DEL", self._keys.reindex_state())])

    async def _run_step(self, start: _State, progress: Callable[[Progress], object] | None) -> None:
        step, count = self._steps[start.step], 0
        pattern = self._keys.record_patterns()[step.name]
        async for following, found in self._batch.scan(pattern, step.type, start.cursor):
            for first in range(0, len(found), _CHUNK):
                await step.handle(found[first : first + _CHUNK])
            count += len(found)
            state = _State(start.step, following, start.server)
            json = msgspec.json.encode(state)
            await self._batch.command("SET", self._keys.reindex_state(), json)
            if progress is not None:
                progress(Progress(step.name, count))

    async def _list(self, kind: Kind, keys: Sequence[str]) -> None:
        """Enter records in their indexes; one that cannot be read is left to ``verify``."""
        # On a cluster each record has a slot, and so a script, of its own.
        size = 1 if self._keys.hash_tags else len(keys)
        for first in range(0, len(keys), size):
            found = await self._batch.get(keys[first : first + size])
            for tx in attempts(self._batch):
                records = _readable(kind, found)
                entries = await entries_of(self._batch, kind, records)
                tx.same({key: found[key] for key in records})
                for key, record in records.items():
                    relist(tx, kind.entries(self._keys, key, record), entries[key])
                refused = await tx.commit()
                if not refused:
                    break
                found |= refused

    async def _adopt_orders(self, orders: Sequence[str]) -> None:
        """Count messages by resource, and give them their id index."""
        for order in orders:
            thread_id = self._keys.thread_of_order(order)
            await recount(self._batch, thread_id)
            ids = [id_.decode() for id_ in await self._batch.command("ZRANGE", order, 0, -1)]
            for first in range(0, len(ids), _CHUNK):
                await self._index_messages(thread_id, ids[first : first + _CHUNK])

    async def _index_messages(self, thread_id: str, ids: Sequence[str]) -> None:
        index_of = {id_: self._keys.message_index(id_) for id_ in ids}
        body_of = {id_: self._keys.message(thread_id, id_) for id_ in ids}
        known = await self._batch.get(list(index_of.values()))
        missing = [id_ for id_ in ids if known[index_of[id_]] is None]
        for tx in attempts(self._batch):
            if not missing:
                return
            tx.present([body_of[id_] for id_ in missing])
            tx.claim(thread_id, missing)
            refused = await tx.commit()
            gone = [i for i in missing if index_of[i] in refused or body_of[i] in refused]
            if not gone:
                return
            missing = [id_ for id_ in missing if id_ not in gone]


def _run_id(info: bytes) -> str:
    """Return what names a server process; each one orders its keyspace by a seed of its own."""
    lines = (line.partition(":") for line in info.decode().splitlines())
    return next((value for name, _, value in lines if name == "run_id"), "")


def _readable(kind: Kind, found: dict[str, bytes | None]) -> dict[str, Any]:
    records: dict[str, Any] = {}
    for key, stored in found.items():
        try:
            if stored is not None:
                records[key] = kind.decode(key, stored)
        except CorruptRecordError as error:
            logger.warning("not indexed: %s", error)
    return records


async def recount(batch: Batch, thread_id: str) -> None:
    """Count a thread's messages by resource, and list it among those that hold any."""
    keys = batch.keys
    names = [keys.order(thread_id), keys.owners(thread_id)]
    flat = await batch.run(RECOUNT, names, [keys.bodies(thread_id)])
    owners = zip(flat[::2], flat[1::2], strict=True)
    await batch.send(
        [
            ("ZADD", keys.participants(owner.decode()), "GT", int(float(score)), thread_id)
            for owner, score in owners
        ]
    )


async def adopt(batch: Batch) -> None:
    """Notice records without indexes when a store opens. One round trip where there are none.

    A database of at most 10,000 keys is indexed at once. Of a larger one only a warning is
    logged, at each opening until ``reindex`` has run.
    """
    marker, size = await batch.send([("GET", batch.keys.marker()), ("DBSIZE",)])
    if marker == VERSION:
        return
    if size <= SMALL:
        await Reindexing(batch).run()
        return
    logger.warning(
        "the database has %d keys and no complete indexes of this store: records that another "
        "writer stored are not listed before `await store.reindex()`",
        size,
    )
