"""Threads that expire: one that is not used for ``thread_ttl`` goes, with all its keys at once.

All keys in a thread's slot expire at the same moment. In the hash-tagged layout the pointers of its
messages lie in other slots and outlive them by a ``thread_ttl``, so that none is lost early.
"""

from collections.abc import Sequence
from datetime import timedelta

from redis_store._connections.commands import Argument, Command, Reply
from redis_store._engine import steps
from redis_store._engine.database import Database
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import KEEP_ALIVE
from redis_store._engine.steps import Step
from redis_store._engine.timestamps import to_ms


def extend(keys: Keys, thread_id: str, ttl: timedelta, written: Sequence[str]) -> Step:
    """Build the step that extends a thread's lifetime, and that of messages written just now."""
    return steps.extend(
        *_keys_of(keys, thread_id),
        keys.bodies(thread_id),
        _pointer_prefix(keys),
        to_ms(ttl),
        written,
    )


async def keep_alive(db: Database, thread_ids: Sequence[str]) -> None:
    """Extend the lifetime of threads that are about to be read: one round trip, none without TTL.

    O(1) on the server, except that once in a quarter of ``thread_ttl`` it is O(n) in the thread's
    messages; in the hash-tagged layout that takes one round trip more.
    """
    ttl = db.thread_ttl
    if ttl is None:
        return
    keys = db.keys
    calls: list[Command] = []
    for id_ in thread_ids:
        args: list[Argument] = [keys.bodies(id_), _pointer_prefix(keys), to_ms(ttl)]
        calls.append(KEEP_ALIVE.call([*_keys_of(keys, id_)], args))
    replies = await db.send(calls)
    await db.send([command for kept in replies for command in of_pointers(keys, ttl, kept)])


def of_pointers(keys: Keys, ttl: timedelta, kept: Sequence[Reply]) -> list[Command]:
    """Extend the pointers in other slots, by the reply of ``lib/lifetime.lua``."""
    if not keys.hash_tags:
        return []
    left, *ids = kept
    pointers = (keys.message_pointer(id_.decode()) for id_ in ids)
    return [("PEXPIRE", pointer, left + to_ms(ttl)) for pointer in pointers]


def _keys_of(keys: Keys, thread_id: str) -> tuple[str, str, str]:
    return keys.thread(thread_id), keys.timeline(thread_id), keys.resource_counts(thread_id)


def _pointer_prefix(keys: Keys) -> str:
    """What precedes a message's id in its pointer; nothing where that is in another slot."""
    return "" if keys.hash_tags else keys.message_pointer("")
