"""Index entries of threads that expired: see ``lifetime``."""

from collections.abc import Mapping, Sequence

from redis_store._engine.database import Batch
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction
from redis_store.models import now
from redis_store.pages import ThreadOrder


async def remove_expired(batch: Batch, shards: Mapping[ThreadOrder, Sequence[str]]) -> None:
    """Remove threads that expired from the sorted sets that list them, where threads expire.

    Only those can have expired that were not written to for ``thread_ttl``: one round trip if there
    are none, two if they live because they are read, else up to five. A thread that was saved with
    a later ``updated_at`` than that is found by the page that meets it.
    """
    if batch.thread_ttl is None or batch.scans:
        return
    limit_us = epoch_us(now() - batch.thread_ttl)
    idle = await batch.send(
        [("ZRANGEBYSCORE", shard, "-inf", limit_us) for shard in shards["updated_at"]]
    )
    listed_in = {
        member.decode(): indexes
        for *indexes, members in zip(*shards.values(), idle, strict=True)
        for member in members
    }
    await _remove_gone(batch, listed_in)


async def without_expired(batch: Batch, index: str, thread_ids: list[str]) -> list[str]:
    """Leave out threads that expired, and remove them from the sorted set that named them."""
    if batch.thread_ttl is None or batch.scans:
        return thread_ids
    gone = await _remove_gone(batch, {id_: [index] for id_ in thread_ids})
    return [id_ for id_ in thread_ids if id_ not in gone]


async def _remove_gone(batch: Batch, listed_in: Mapping[str, Sequence[str]]) -> set[str]:
    """Remove the entries of threads that have no record, and tell which they were."""
    record_of = {id_: batch.keys.thread(id_) for id_ in listed_in}
    found = await batch.get(list(record_of.values()))
    gone = {id_ for id_, record in record_of.items() if found[record] is None}
    while gone:
        tx = Transaction(batch)
        tx.same({record_of[id_]: None for id_ in gone})
        for id_ in gone:
            for index in listed_in[id_]:
                tx.call("ZREM", index, id_)
        refused = await tx.commit()
        if not refused:
            break
        gone = {id_ for id_ in gone if record_of[id_] not in refused}
    return gone
