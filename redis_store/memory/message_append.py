"""Append: the short way of ``save_messages``, for messages of one resource in one thread.

It sends the steps that a transaction would send, but builds no transaction. In the usual case, new
messages behind all others, ``lib/append.lua`` does the same without running them. What it may not
do, and what a condition refuses, is left to the transaction.

Tests: ``tests/contract/test_append.py``.
"""

from collections.abc import Sequence
from datetime import datetime

from redis_store._connections.commands import Argument, Command
from redis_store._engine import codecs, steps
from redis_store._engine.commit import refusal, send_in_doubt
from redis_store._engine.database import Database, Values
from redis_store._engine.indexes import THREADS
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import COMMIT
from redis_store._engine.steps import Step
from redis_store._engine.timestamps import epoch_us, from_epoch_us, iso
from redis_store.models import Message, Thread

# Off, every save is a transaction: a test compares what both store.
is_enabled = True

_NOTHING = Step("", [], [])


async def append(
    db: Database, prepared: Sequence[tuple[Message, bytes]], now_us: int, *, creates: bool
) -> Values | None:
    """Save messages if they are of the usual kind. One round trip, or none.

    Args:
        db: The way to the server.
        prepared: The messages with their JSON.
        now_us: The time in µs.
        creates: Whether to make a thread that does not exist.

    Returns:
        ``None`` if they are saved; else what a transaction should know: the keys that refused them,
        with their current values.
    """
    if not is_enabled or db.keys.hash_tags or db.thread_ttl is not None:
        return {}
    messages = [message for message, _ in prepared]
    if not _is_usual(messages):
        return {}
    replies, _ = await send_in_doubt(db, [_command(db.keys, prepared, now_us, creates=creates)])
    refused = refusal(replies[0])
    if refused:
        return refused
    if replies.confirmed is not None:
        db.require_replicas(replies.confirmed)
    return None


def _is_usual(messages: Sequence[Message]) -> bool:
    """Whether each is given once, and all are of one resource in one thread."""
    return len(messages) == 1 or (
        len({message.thread_id for message in messages}) == 1
        and len({message.resource_id for message in messages}) == 1
        and len({message.id for message in messages}) == len(messages)
    )


def _command(
    keys: Keys, prepared: Sequence[tuple[Message, bytes]], now_us: int, *, creates: bool
) -> Command:
    """Build the call of the script: ``lib/append.lua`` knows these steps by their places."""
    if len(prepared) > 1:
        prepared = sorted(prepared, key=_date_of)
    messages = [message for message, _ in prepared]
    thread_id, owner, n = messages[0].thread_id, messages[0].resource_id, len(messages)
    ids = [message.id for message in messages]
    dates, now = [epoch_us(message.created_at) for message in messages], iso(now_us)
    record, timeline, counts, prefix = keys.of_thread(thread_id)
    pointers, listed = map(keys.message_pointer, ids), keys.threads_with_messages_of(owner)
    indexes = keys.thread_indexes(thread_id, owner, "updated_at")
    creation = _creation(keys, messages[0], dates[0], now_us) if creates else _NOTHING
    zsets = [*dict.fromkeys([timeline, listed, *indexes, *creation.keys[1:]])]
    checked = [counts, record, *pointers, *zsets]
    written = [timeline, counts, listed, *creation.keys, record, *indexes]
    args: list[Argument] = ["append", "is_hash", 1]
    args += "expect_no_other_owner" if creates else "expect_owner", owner
    args += "unclaimed", n, thread_id
    args += "is_zset", len(zsets)
    args += "claim", "put_messages", prefix, n, 1, *ids, *dates
    args += [json for _, json in prepared]
    args += owner, n
    args += "command", "ZADD", 3, "GT", dates[-1], thread_id
    args += creation.args
    args += "touch", now_us, now, len(indexes), thread_id
    return COMMIT.call([*checked, *written], args)


def _date_of(prepared: tuple[Message, bytes]) -> datetime:
    return prepared[0].created_at


def _creation(keys: Keys, oldest: Message, created_us: int, now_us: int) -> Step:
    """Build the step that makes the thread, as ``ThreadTransaction.touch_or_create`` does."""
    moment = from_epoch_us(min(created_us, now_us))
    thread = Thread(
        id=oldest.thread_id, resource_id=oldest.resource_id, created_at=moment, updated_at=moment
    )
    record = keys.thread(thread.id)
    scores = {entry.key: entry.score_us for entry in THREADS.entries(keys, record, thread)}
    step = steps.create_thread(record, codecs.encode_thread(thread), scores, thread.id)
    return step._replace(args=[step.name, *step.args])
