"""Threads that expire: one that is not used for ``thread_ttl`` goes, with all its keys at once.

All keys in a thread's slot expire at the same moment. In the hash-tagged layout the pointers of its
messages lie in other slots and outlive them by a ``thread_ttl``, so that none is lost early.
"""

from collections.abc import Sequence

from redis_store._connections.commands import Command, Reply
from redis_store._engine import steps
from redis_store._engine.database import Database
from redis_store._engine.keys import ThreadKeys
from redis_store._engine.scripts import KEEP_ALIVE
from redis_store._engine.steps import Step
from redis_store._engine.timestamps import to_ms


def extend(db: Database, where: ThreadKeys, written: Sequence[str]) -> Step:
    """Build the step that extends a thread's lifetime, and that of messages written just now."""
    args = where.bodies, _pointer_prefix(db), _ttl_ms(db), written
    return steps.extend(where.record, where.timeline, where.counts, *args)


async def keep_alive(db: Database, thread_ids: Sequence[str]) -> None:
    """Extend the lifetime of threads that are about to be read: one round trip, none without TTL.

    O(1) on the server, except that once in a quarter of ``thread_ttl`` it is O(n) in the thread's
    messages; in the hash-tagged layout that takes one round trip more.
    """
    if db.thread_ttl is None:
        return
    calls: list[Command] = []
    for where in map(db.keys.of_thread, thread_ids):
        keys = [where.record, where.timeline, where.counts]
        calls.append(KEEP_ALIVE.call(keys, [where.bodies, _pointer_prefix(db), _ttl_ms(db)]))
    replies = await db.send(calls)
    await db.send([command for kept in replies for command in of_pointers(db, kept)])


def of_pointers(db: Database, kept: Sequence[Reply]) -> list[Command]:
    """Extend the pointers in other slots, by the reply of ``lib/lifetime.lua``."""
    if not db.keys.hash_tags:
        return []
    left, *ids = kept
    pointers = (db.keys.message_pointer(id_.decode()) for id_ in ids)
    return [("PEXPIRE", pointer, left + _ttl_ms(db)) for pointer in pointers]


def _pointer_prefix(db: Database) -> str:
    """What precedes a message's id in its pointer; nothing where that is in another slot."""
    return "" if db.keys.hash_tags else db.keys.message_pointer("")


def _ttl_ms(db: Database) -> int:
    return 0 if db.thread_ttl is None else to_ms(db.thread_ttl)
