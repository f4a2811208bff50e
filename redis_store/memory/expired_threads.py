"""Removal of index entries of expired threads: see ``lifetime``."""

from collections.abc import Mapping, Sequence

from redis_store._connections.commands import decoded
from redis_store._engine import clock
from redis_store._engine.database import Database
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction, transact
from redis_store.pages import ThreadOrder


async def remove_expired(db: Database, shards: Mapping[ThreadOrder, Sequence[str]]) -> None:
    """Remove expired threads from the sorted sets that list them; no-op without ``thread_ttl``.

    Looks only at threads whose ``updated_at`` is older than ``thread_ttl``. One round trip if there
    are none, two if all of them are alive because they are read, else up to five. A thread saved
    with a future ``updated_at`` may expire sooner; the page that reads its entry removes it.

    Args:
        db: The way to the server.
        shards: The shards that list the threads, by sort field.
    """
    if db.thread_ttl is None or db.scans:
        return
    limit_us = epoch_us(await clock.now(db) - db.thread_ttl)
    idle = await db.send(
        [("ZRANGEBYSCORE", shard, "-inf", limit_us) for shard in shards["updated_at"]]
    )
    # A thread is in the shard of the same number under each sort field.
    listed_in = {
        decoded(member): indexes
        for *indexes, members in zip(*shards.values(), idle, strict=True)
        for member in members
    }
    await _remove_gone(db, listed_in)


async def without_expired(db: Database, index: str, thread_ids: list[str]) -> list[str]:
    """Return the threads that have not expired; remove the others from the sorted set."""
    if db.thread_ttl is None or db.scans:
        return thread_ids
    gone = await _remove_gone(db, {id_: [index] for id_ in thread_ids})
    return [id_ for id_ in thread_ids if id_ not in gone]


async def _remove_gone(db: Database, listed_in: Mapping[str, Sequence[str]]) -> set[str]:
    """Remove the entries of threads that have no record; return those threads."""
    record_of = {id_: db.keys.thread(id_) for id_ in listed_in}
    found = await db.get(list(record_of.values()))
    gone = {id_ for id_, record in record_of.items() if found[record] is None}

    async def attempt(tx: Transaction) -> set[str]:
        # A thread whose record conflicted has been saved again meanwhile: it keeps its entries.
        still = {id_ for id_ in gone if record_of[id_] not in tx.known}
        tx.expect({record_of[id_]: None for id_ in still})
        for id_ in still:
            for index in listed_in[id_]:
                tx.command("ZREM", index, id_)
        return still

    return await transact(db, attempt)
