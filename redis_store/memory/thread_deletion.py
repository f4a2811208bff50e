"""Deletion of threads with their messages and index entries.

Tests: ``tests/contract/test_delete_thread.py``, ``tests/faults/test_lost_replies.py``.
"""

from collections.abc import Callable

from redis_store._connections.commands import Argument
from redis_store._engine.database import Database
from redis_store._engine.indexes import SORT_FIELDS, THREADS
from redis_store._engine.scripts import DELETE_THREAD
from redis_store.memory.thread_outline import leave_resources, read_outline
from redis_store.memory.thread_transaction import ThreadTransaction, transact_threads
from redis_store.models import Thread


async def delete_thread_now(db: Database, thread_id: str) -> None:
    """Delete a thread whatever it is: one round trip in the plain layout; see ``delete_thread``."""
    if db.keys.hash_tags or not await _delete_at_once(db, thread_id):
        await delete_thread(db, thread_id, lambda _: True)


async def delete_thread(
    db: Database, thread_id: str, is_due: Callable[[Thread | None], bool]
) -> bool:
    """Delete a thread with its messages if it is due at that moment.

    Two round trips; the messages' ids come down only in the hash-tagged layout, where their
    pointers are in other slots.

    Args:
        db: The way to the server.
        thread_id: The thread.
        is_due: Receives the thread; ``None`` if it has no record, or a corrupt one.

    Returns:
        Whether it was deleted.
    """
    key = db.keys.thread(thread_id)

    async def attempt(tx: ThreadTransaction) -> bool:
        outline = await read_outline(db, thread_id)
        thread = THREADS.read(key, outline.stored)
        if not is_due(thread):
            return False
        # Every write of messages changes the record, so this covers their resources too.
        tx.expect({key: outline.stored})
        forgotten = tx.drop_all(thread_id)
        tx.delete([key])
        leave_resources(tx, thread_id, outline.resources, forgotten)
        if thread is not None:
            THREADS.reindex(tx, key, before=thread, after=None)
        return True

    return await transact_threads(db, attempt)


async def _delete_at_once(db: Database, thread_id: str) -> bool:
    """Delete a thread by one script; ``False`` if its record does not tell whose it is."""
    keys = db.keys
    where = keys.of_thread(thread_id)
    indexes = [keys.thread_indexes(thread_id, "", field) for field in SORT_FIELDS]
    prefixes: list[Argument] = [
        where.bodies,
        keys.message_pointer(""),
        keys.threads_with_messages_of(""),
        *(of_owner for of_owner, _ in indexes),
    ]
    names = [where.record, where.timeline, where.counts, *(of_all for _, of_all in indexes)]
    return bool(await db.run(DELETE_THREAD, names, [*prefixes, thread_id]))
