"""Where messages are and who owns their threads: what every write to messages must know."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import anyio

from redis_store._connections.commands import Command
from redis_store._engine import codecs
from redis_store._engine.database import Batch
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import FIND
from redis_store._engine.transaction import Transaction

_PAUSES = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016)


class Stored(NamedTuple):
    """Where a message is, by its index; its record and its score, if they are there."""

    thread_id: str
    body: bytes | None
    score: bytes | float | None


class Findings(NamedTuple):
    """Messages by id, those that have an index; and threads' records by thread id."""

    messages: dict[str, Stored]
    records: dict[str, bytes | None]


async def threads_of(batch: Batch, message_ids: Collection[str]) -> dict[str, str]:
    """Find the thread of each known message by its index. One round trip."""
    index_of = {id_: batch.keys.message_index(id_) for id_ in message_ids}
    found = await batch.get(list(index_of.values()))
    return {
        id_: thread_id.decode() for id_, index in index_of.items() if (thread_id := found[index])
    }


async def find(
    batch: Batch,
    message_ids: Sequence[str],
    *,
    threads: Collection[str] | None = None,
    bodies: bool = True,
) -> Findings:
    """Find messages by id. One round trip; two in the hash-tagged layout.

    Args:
        batch: The way to the server.
        message_ids: The messages.
        threads: Threads whose records to read beside those of the messages' threads; ``None`` is to
            read no records.
        bodies: Whether to read the messages themselves.
    """
    keys = batch.keys
    if keys.hash_tags:
        return await _find_apart(batch, await threads_of(batch, message_ids), threads)
    indexes = [keys.message_index(id_) for id_ in message_ids]
    wanted = [int(bodies), int(threads is not None)]
    call = FIND.call(indexes, [*keys.around_thread(), *wanted, *message_ids])
    beside = threads or ()
    # MGET, as what is no string reads as nothing.
    others: list[Command] = [("MGET", keys.thread(id_)) for id_ in beside]
    (found, known), *replies = await batch.send([call, *others])
    stored = {
        id_: Stored(thread_id.decode(), body, score)
        for id_, thread_id, body, score in zip(
            message_ids, found[::3], found[1::3], found[2::3], strict=True
        )
        if thread_id is not None
    }
    records = {id_.decode(): record for id_, record in zip(known[::2], known[1::2], strict=True)}
    records |= {id_: reply[0] for id_, reply in zip(beside, replies, strict=True)}
    return Findings(stored, records)


async def _find_apart(
    batch: Batch, thread_of: Mapping[str, str], threads: Collection[str] | None
) -> Findings:
    """Read messages and records, each from its slot."""
    keys, groups = batch.keys, grouped(thread_of)
    every = list(dict.fromkeys([*groups, *(threads or ())]))
    # A thread's record, where it is wanted, precedes its messages.
    first = 0 if threads is None else 1
    reads: list[Command] = [
        ("MGET", *[keys.thread(t)][:first], *(keys.message(t, id_) for id_ in groups.get(t, ())))
        for t in every
    ]
    scoring: list[Command] = [("ZMSCORE", keys.order(t), *ids) for t, ids in groups.items()]
    replies = await batch.send([*reads, *scoring])
    found = dict(zip(every, replies[: len(every)], strict=True))
    stored = {
        id_: Stored(thread_id, body, score)
        for (thread_id, ids), scores in zip(groups.items(), replies[len(every) :], strict=True)
        for id_, body, score in zip(ids, found[thread_id][first:], scores, strict=True)
    }
    return Findings(stored, {id_: values[0] for id_, values in found.items() if first})


async def moved(batch: Batch, lost: Mapping[str, str]) -> dict[str, str]:
    """Look again for messages that were not where their index said, unless it still says so.

    One round trip, two where something moved; none when nothing is lost. In the hash-tagged layout
    a message that moves follows its index a moment later: it is waited for, 31 ms in all.
    """
    if not lost:
        return {}
    keys = batch.keys
    said = {keys.message_index(id_): lost[id_].encode() for id_ in lost}
    for pause in _PAUSES if keys.hash_tags else (0.0,):
        await anyio.sleep(pause)
        tx = Transaction(batch)
        tx.same(said | {keys.message(lost[id_], id_): None for id_ in lost})
        if await tx.commit():
            return await threads_of(batch, lost)
    return {}


def owners(
    keys: Keys, thread_ids: Iterable[str], records: Mapping[str, bytes | None]
) -> dict[str, str | None]:
    """Read who owns threads from their records; ``None`` where there is no record."""
    return {
        id_: None
        if (record := records[id_]) is None
        else codecs.decode_thread(keys.thread(id_), record).resource_id
        for id_ in thread_ids
    }


def grouped(thread_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Group messages by thread."""
    groups: dict[str, list[str]] = {}
    for id_, thread_id in thread_of.items():
        groups.setdefault(thread_id, []).append(id_)
    return groups


def touch(tx: Transaction, thread_id: str, owner: str | None, now_us: int) -> None:
    """Refuse unless the thread's owner is as known; move ``updated_at`` ahead."""
    if owner is None:
        tx.same({tx.keys.thread(thread_id): None})
    else:
        tx.owned(thread_id, owner)
        tx.touch(thread_id, owner, now_us)
