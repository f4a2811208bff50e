"""Outlines of threads: records, resources and newest messages; and lists by resource."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from redis_store._connections.commands import entries, text
from redis_store._engine.database import READ_CHUNK, Database
from redis_store.memory.thread_transaction import ThreadTransaction


class Outline(NamedTuple):
    """A thread without its messages' bodies.

    Attributes:
        stored: Its record.
        resources: The resources of its messages.
        newest: The score and the id of its newest message; ``None`` if it has none.
    """

    stored: bytes | None
    resources: list[str]
    newest: tuple[float, str] | None


async def read_outline(db: Database, thread_id: str) -> Outline:
    """Read a thread's outline. One round trip."""
    stored, resources, newest = await db.send(
        [
            ("GET", db.keys.thread(thread_id)),
            ("HKEYS", db.keys.resource_counts(thread_id)),
            ("ZRANGE", db.keys.timeline(thread_id), -1, -1, "WITHSCORES"),
        ]
    )
    found = next(iter(entries(newest)), None)
    # What is no text is no resource, and must not be listed as one.
    return Outline(stored, [r for name in resources if (r := text(name)) is not None], found)


def leave_resources(
    tx: ThreadTransaction,
    thread_id: str,
    resources: Sequence[str],
    forgotten: Sequence[str] = (),
) -> None:
    """Remove a thread from the lists of threads with messages of these resources.

    Args:
        tx: Takes all messages from the resources.
        thread_id: The thread.
        resources: The resources.
        forgotten: Messages whose pointers ``tx`` removes, once it is applied.
    """
    for resource_id in resources:
        tx.command("ZREM", tx.keys.threads_with_messages_of(resource_id), thread_id)
    tx.reconcile(partial(_settle, tx.db, thread_id, resources, forgotten))


async def _settle(
    db: Database, thread_id: str, left: Sequence[str], forgotten: Sequence[str]
) -> None:
    """List the thread for the resources of its messages, and not for those that they left."""
    keys, seen = db.keys, None
    # Until two reads in a row agree: a message saved between the read and the write changes the
    # resources, and its own list entry may have been removed by this write.
    while True:
        outline = await read_outline(db, thread_id)
        if outline.resources == seen:
            break
        seen = outline.resources
        newest_us = int(outline.newest[0]) if outline.newest else 0
        listed = [keys.threads_with_messages_of(resource_id) for resource_id in seen]
        gone = [keys.threads_with_messages_of(r) for r in left if r not in seen]
        await db.send(
            [
                *(("ZREM", index, thread_id) for index in gone),
                *(("ZADD", index, "GT", newest_us, thread_id) for index in listed),
            ]
        )
    if forgotten and outline.newest:
        await _recall(db, thread_id, forgotten)


async def _recall(db: Database, thread_id: str, forgotten: Sequence[str]) -> None:
    """Point at forgotten messages that the thread has again, as it was made again meanwhile."""
    for first in range(0, len(forgotten), READ_CHUNK):
        ids = forgotten[first : first + READ_CHUNK]
        scores = await db.command("ZMSCORE", db.keys.timeline(thread_id), *ids)
        again = (id_ for id_, score in zip(ids, scores, strict=True) if score is not None)
        await db.send([("SET", db.keys.message_pointer(id_), thread_id, "NX") for id_ in again])
