"""Where messages are and who owns their threads: what every write to messages must know."""

from collections.abc import Collection, Mapping

import anyio

from redis_store import codecs
from redis_store.batch import Batch
from redis_store.keys import Keys
from redis_store.transaction import Transaction

_PAUSES = (0.0, 0.001, 0.002, 0.004, 0.008, 0.016)


async def threads_of(batch: Batch, message_ids: Collection[str]) -> dict[str, str]:
    """Find the thread of each known message by its index. One round trip."""
    index_of = {id_: batch.keys.message_index(id_) for id_ in message_ids}
    found = await batch.get(list(index_of.values()))
    return {
        id_: thread_id.decode() for id_, index in index_of.items() if (thread_id := found[index])
    }


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
    keys: Keys, thread_ids: Collection[str], found: Mapping[str, bytes | None]
) -> dict[str, str | None]:
    """Read who owns threads from their records; ``None`` where there is no record."""
    key_of = {id_: keys.thread(id_) for id_ in thread_ids}
    return {
        id_: None
        if (stored := found[key]) is None
        else codecs.decode_thread(key, stored).resource_id
        for id_, key in key_of.items()
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
