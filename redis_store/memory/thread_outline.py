"""Outlines of threads: records, resources and scores, without bodies; and lists by resource."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from redis_store._connections.commands import entries
from redis_store._engine.database import Database
from redis_store.memory.thread_transaction import ThreadTransaction


class Outline(NamedTuple):
    """A thread without its messages' bodies.

    Attributes:
        stored: Its record.
        resources: The resources of its messages.
        scored_ids: Its messages' scores and ids, the newest one last.
    """

    stored: bytes | None
    resources: list[str]
    scored_ids: list[tuple[float, str]]


async def read_outline(db: Database, thread_id: str, *, first: int = -1) -> Outline:
    """Read a thread's outline, its messages from a rank on. One round trip."""
    stored, resources, scored_ids = await db.send(
        [
            ("GET", db.keys.thread(thread_id)),
            ("HKEYS", db.keys.resource_counts(thread_id)),
            ("ZRANGE", db.keys.timeline(thread_id), first, -1, "WITHSCORES"),
        ]
    )
    return Outline(stored, [resource.decode() for resource in resources], entries(scored_ids))


def leave_resources(tx: ThreadTransaction, thread_id: str, resources: Sequence[str]) -> None:
    """Remove a thread from the lists of threads with messages of these resources."""
    for resource_id in resources:
        tx.command("ZREM", tx.keys.threads_with_messages_of(resource_id), thread_id)
    tx.reconcile(partial(_settle_resources, tx.db, thread_id, resources))


async def _settle_resources(db: Database, thread_id: str, left: Sequence[str]) -> None:
    """List the thread for the resources of its messages, and not for those that they left."""
    keys, seen = db.keys, None
    # Until two reads in a row agree: a message saved between the read and the write changes the
    # resources, and its own list entry may have been removed by this write.
    while True:
        outline = await read_outline(db, thread_id)
        if outline.resources == seen:
            return
        seen = outline.resources
        newest_us = int(outline.scored_ids[0][0]) if outline.scored_ids else 0
        listed = [keys.threads_with_messages_of(resource_id) for resource_id in seen]
        gone = [keys.threads_with_messages_of(r) for r in left if r not in seen]
        await db.send(
            [
                *(("ZREM", index, thread_id) for index in gone),
                *(("ZADD", index, "GT", newest_us, thread_id) for index in listed),
            ]
        )
