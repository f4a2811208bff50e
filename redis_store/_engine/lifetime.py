"""Threads that expire: one that is not used for ``thread_ttl`` goes, with all its keys at once.

All keys in a thread's slot share one moment of expiry. In the hash-tagged layout the id index of
its messages lies elsewhere and outlives them by a ``thread_ttl``, so that none is lost early.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from redis_store._connections.commands import Command
from redis_store._engine.database import Batch
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import KEEP_ALIVE
from redis_store._engine.timestamps import to_ms


def keys_of(keys: Keys, thread_id: str) -> list[str]:
    """Name the keys that the scripts of ``lifetime.lua`` take."""
    return [keys.thread(thread_id), keys.order(thread_id), keys.owners(thread_id)]


def arguments(keys: Keys, thread_id: str, ttl: timedelta) -> tuple[str, str, int]:
    """Build the arguments that the scripts of ``lifetime.lua`` take."""
    indexes = "" if keys.hash_tags else keys.message_index("")
    return keys.bodies(thread_id), indexes, to_ms(ttl)


def of_indexes(keys: Keys, ttl: timedelta, kept: list[Any]) -> list[Command]:
    """Let the id indexes in other slots live on, by the reply of ``lifetime.lua``."""
    if not keys.hash_tags:
        return []
    left, *ids = kept
    indexes = (keys.message_index(id_.decode()) for id_ in ids)
    return [("PEXPIRE", index, left + to_ms(ttl)) for index in indexes]


async def keep_alive(batch: Batch, thread_ids: Sequence[str]) -> None:
    """Let threads that are about to be read live on, where threads expire: one round trip.

    O(1) on the server, except that once in a quarter of ``thread_ttl`` it is O(n) in the thread's
    messages; in the hash-tagged layout that takes one round trip more.
    """
    ttl = batch.thread_ttl
    if ttl is None:
        return
    calls = [
        KEEP_ALIVE.call(keys_of(batch.keys, id_), [*arguments(batch.keys, id_, ttl)])
        for id_ in thread_ids
    ]
    kept = await batch.send(calls)
    await batch.send([c for reply in kept for c in of_indexes(batch.keys, ttl, reply)])
