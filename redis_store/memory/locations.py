"""Locations of messages: the thread that each is in, and the owners of threads.

Writes to stored messages begin with a lookup here. ``find.lua`` is the server's half.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import anyio

from redis_store._connections.commands import Command, decoded, encoded, text
from redis_store._engine import codecs
from redis_store._engine.database import Database, Values
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import FIND
from redis_store._engine.transaction import Transaction
from redis_store.errors import CorruptRecordError
from redis_store.memory.thread_transaction import ShardedThreadTransaction, ThreadTransaction

# Seconds to wait between looks at a message that is being moved.
_PAUSES = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016)


class Located(NamedTuple):
    """The thread that a message's pointer names; its body and score, ``None`` if not there."""

    thread_id: str
    body: bytes | None
    score: bytes | float | None


class Lookup(NamedTuple):
    """Messages by id, without those that have no pointer; and threads' records by thread id."""

    messages: dict[str, Located]
    records: Values


async def threads_of(db: Database, message_ids: Collection[str]) -> dict[str, str]:
    """Return the thread of each known message, by its pointer. One round trip."""
    pointer_of = {id_: db.keys.message_pointer(id_) for id_ in message_ids}
    found = await db.get(list(pointer_of.values()))
    return {
        id_: thread_at(pointer, thread_id)
        for id_, pointer in pointer_of.items()
        if (thread_id := found[pointer])
    }


def thread_at(pointer: str, value: bytes) -> str:
    """Return the thread that a message's pointer names, or raise CorruptRecordError."""
    thread_id = text(value)
    if thread_id is None:
        raise CorruptRecordError(pointer, "it names no thread")
    return thread_id


async def find(
    db: Database,
    message_ids: Sequence[str],
    *,
    threads: Collection[str] | None = None,
    bodies: bool = True,
) -> Lookup:
    """Find messages by id. One round trip; two in the hash-tagged layout.

    Args:
        db: The way to the server.
        message_ids: The messages.
        threads: Threads whose records to read besides those of the messages' threads; ``None``
            reads no records at all.
        bodies: Whether to read the bodies.
    """
    keys = db.keys
    if keys.hash_tags:
        return await _find_apart(db, await threads_of(db, message_ids), threads)
    pointers = [keys.message_pointer(id_) for id_ in message_ids]
    wanted = [int(bodies), int(threads is not None)]
    call = FIND.call(pointers, [*keys.around_thread(), *wanted, *message_ids])
    more_threads = threads or ()
    # MGET, not GET: a key of another type then reads as missing instead of failing.
    others: list[Command] = [("MGET", keys.thread(id_)) for id_ in more_threads]
    (found, known), *replies = await db.send([call, *others])
    messages = {
        id_: Located(thread_at(keys.message_pointer(id_), thread_id), body, score)
        for id_, thread_id, body, score in zip(
            message_ids, found[::3], found[1::3], found[2::3], strict=True
        )
        if thread_id is not None
    }
    records = {decoded(id_): record for id_, record in zip(known[::2], known[1::2], strict=True)}
    records |= {id_: reply[0] for id_, reply in zip(more_threads, replies, strict=True)}
    return Lookup(messages, records)


async def _find_apart(
    db: Database, thread_of: Mapping[str, str], threads: Collection[str] | None
) -> Lookup:
    """Read messages and records from several slots.

    The slots are not read at one moment: a message may have moved since its pointer was read. Then
    it has no body here, and ``find_moved`` tells why.
    """
    keys, groups = db.keys, group_by_thread(thread_of)
    every = list(dict.fromkeys([*groups, *(threads or ())]))
    # If records are wanted, each MGET begins with the thread's record; the bodies follow.
    first = 0 if threads is None else 1
    reads: list[Command] = [
        ("MGET", *[keys.thread(t)][:first], *(keys.message(t, id_) for id_ in groups.get(t, ())))
        for t in every
    ]
    scoring: list[Command] = [("ZMSCORE", keys.timeline(t), *ids) for t, ids in groups.items()]
    replies = await db.send([*reads, *scoring])
    found = dict(zip(every, replies[: len(every)], strict=True))
    messages = {
        id_: Located(thread_id, body, score)
        for (thread_id, ids), scores in zip(groups.items(), replies[len(every) :], strict=True)
        for id_, body, score in zip(ids, found[thread_id][first:], scores, strict=True)
    }
    return Lookup(messages, {id_: values[0] for id_, values in found.items() if first})


async def find_moved(db: Database, missing: Mapping[str, str]) -> dict[str, str]:
    """Tell whether messages without a body were moved, or are gone.

    One round trip, two if something changed; none if nothing is missing. In the hash-tagged layout
    the pointer of a message changes before its body arrives, so this waits up to 31 ms for it.

    Args:
        db: The way to the server.
        missing: By message id, the thread that its pointer named.

    Returns:
        The threads of all these messages by now, to look there again; empty if they are gone.
    """
    if not missing:
        return {}
    keys = db.keys
    pointers = {keys.message_pointer(id_): encoded(missing[id_]) for id_ in missing}
    for pause in _PAUSES if keys.hash_tags else (0.0,):
        await anyio.sleep(pause)
        tx = Transaction(db)
        # Without a conflict the pointer still names this thread and the body is still missing: the
        # message is gone. With one, another lookup finds the message, or no pointer.
        tx.expect(pointers | {keys.message(missing[id_], id_): None for id_ in missing})
        if await tx.check():
            return await threads_of(db, missing)
    return {}


async def touch_threads_of(
    tx: ThreadTransaction, message_ids: Sequence[str], now_us: int
) -> dict[str, str]:
    """Move ``updated_at`` of the messages' threads ahead. One round trip.

    Returns:
        The thread of each known message.
    """
    if isinstance(tx, ShardedThreadTransaction):
        # Owners are in the threads' slots: the script reads them there, which saves a round trip.
        thread_of = await threads_of(tx.db, message_ids)
        for thread_id in group_by_thread(thread_of):
            tx.touch_whoever_owns(thread_id, now_us)
        return thread_of
    found = await find(tx.db, message_ids, threads=(), bodies=False)
    for thread_id, owner in owners(tx.keys, found.records, found.records).items():
        tx.touch(thread_id, owner, now_us)
    return {id_: located.thread_id for id_, located in found.messages.items()}


def owners(keys: Keys, thread_ids: Iterable[str], records: Values) -> dict[str, str | None]:
    """Return the owners of threads, from their records; ``None`` where there is no record."""
    return {
        id_: None
        if (record := records[id_]) is None
        else codecs.decode_thread(keys.thread(id_), record).resource_id
        for id_ in thread_ids
    }


def group_by_thread(thread_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Group messages by thread."""
    groups: dict[str, list[str]] = {}
    for id_, thread_id in thread_of.items():
        groups.setdefault(thread_id, []).append(id_)
    return groups
