"""Index entries of threads that expired: see ``lifetime``."""

from collections.abc import Mapping, Sequence

from redis_store._engine.database import Database
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction, transact
from redis_store.models import now
from redis_store.pages import ThreadOrder


async def remove_expired(db: Database, shards: Mapping[ThreadOrder, Sequence[str]]) -> None:
    """Remove threads that expired from the sorted sets that list them, where threads expire.

    Only those can have expired that were not written to for ``thread_ttl``: one round trip if there
    are none, two if they live because they are read, else up to five. A thread that was saved with
    a later ``updated_at`` than that is found by the page that meets it.
    """
    if db.thread_ttl is None or db.scans:
        return
    limit_us = epoch_us(now() - db.thread_ttl)
    idle = await db.send(
        [("ZRANGEBYSCORE", shard, "-inf", limit_us) for shard in shards["updated_at"]]
    )
    listed_in = {
        member.decode(): indexes
        for *indexes, members in zip(*shards.values(), idle, strict=True)
        for member in members
    }
    await _remove_gone(db, listed_in)


async def without_expired(db: Database, index: str, thread_ids: list[str]) -> list[str]:
    """Leave out threads that expired, and remove them from the sorted set that named them."""
    if db.thread_ttl is None or db.scans:
        return thread_ids
    gone = await _remove_gone(db, {id_: [index] for id_ in thread_ids})
    return [id_ for id_ in thread_ids if id_ not in gone]


async def _remove_gone(db: Database, listed_in: Mapping[str, Sequence[str]]) -> set[str]:
    """Remove the entries of threads that have no record, and tell which they were."""
    record_of = {id_: db.keys.thread(id_) for id_ in listed_in}
    found = await db.get(list(record_of.values()))
    gone = {id_ for id_, record in record_of.items() if found[record] is None}

    async def attempt(tx: Transaction) -> set[str]:
        # A thread that was saved again meanwhile keeps its entries.
        still = {id_ for id_ in gone if record_of[id_] not in tx.known}
        tx.expect({record_of[id_]: None for id_ in still})
        for id_ in still:
            for index in listed_in[id_]:
                tx.command("ZREM", index, id_)
        return still

    return await transact(db, attempt)
