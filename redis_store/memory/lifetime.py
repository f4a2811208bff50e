"""Lifetimes of threads: a thread that is not used for ``thread_ttl`` expires with all its keys.

All keys in a thread's slot expire at the same moment. In the hash-tagged layout the pointers of its
messages are in other slots and live one ``thread_ttl`` longer, so that no message outlives its
pointer.
"""

from collections.abc import Sequence

from redis_store._connections.commands import Command, Reply, decoded
from redis_store._engine import steps
from redis_store._engine.database import Database
from redis_store._engine.keys import ThreadKeys
from redis_store._engine.scripts import KEEP_ALIVE
from redis_store._engine.steps import Step
from redis_store._engine.timestamps import to_ms


def extend(db: Database, where: ThreadKeys, written: Sequence[str]) -> Step:
    """Build the step that extends the lifetime of a thread and of messages just written."""
    args = where.bodies, _pointer_prefix(db), ttl_ms(db), written
    return steps.extend(where.record, where.timeline, where.counts, *args)


async def keep_alive(db: Database, thread_ids: Sequence[str]) -> None:
    """Extend the lifetime of threads that are about to be read: one round trip, none without TTL.

    O(1) on the server. Once per quarter of ``thread_ttl`` it is O(n) in the thread's messages, and
    in the hash-tagged layout one round trip more.
    """
    if db.thread_ttl is None:
        return
    calls: list[Command] = []
    for where in map(db.keys.of_thread, thread_ids):
        keys = [where.record, where.timeline, where.counts]
        calls.append(KEEP_ALIVE.call(keys, [where.bodies, _pointer_prefix(db), ttl_ms(db)]))
    replies = await db.send(calls)
    # A second step: only the replies tell which messages, and so which pointers, were extended.
    await db.send([command for kept in replies for command in of_pointers(db, kept)])


def of_pointers(db: Database, kept: Sequence[Reply]) -> list[Command]:
    """Build the commands that extend pointers in other slots.

    Args:
        db: The way to the server.
        kept: The reply of ``extend_lifetime``: ms left to the thread, and the ids of the messages
            whose lifetime was set.
    """
    if not db.keys.hash_tags:
        return []
    left, *ids = kept
    pointers = (db.keys.message_pointer(decoded(id_)) for id_ in ids)
    # One ttl longer than the thread: if the connection breaks before these are sent, the pointers
    # still outlive the ttl that the thread has just been given.
    return [("PEXPIRE", pointer, left + ttl_ms(db)) for pointer in pointers]


def _pointer_prefix(db: Database) -> str:
    """Return the key prefix of message pointers; ``""`` if they are in other slots."""
    return "" if db.keys.hash_tags else db.keys.message_pointer("")


def ttl_ms(db: Database) -> int:
    """Return ``thread_ttl`` in milliseconds; 0 if threads live for ever."""
    return 0 if db.thread_ttl is None else to_ms(db.thread_ttl)
