"""Append: the short way of ``save_messages``, for messages of one resource in one thread.

It sends the steps that a transaction would send, but builds no transaction. In the usual case, new
messages behind all others, ``lib/append.lua`` does the same without running them. What it may not
do, and what a condition refuses, is left to the transaction.

Tests: ``tests/contract/test_save_append.py``.
"""

from collections.abc import Sequence
from datetime import datetime

from redis_store._connections.commands import Argument, Command
from redis_store._engine.commit import refusal, send_in_doubt
from redis_store._engine.database import Database, Values
from redis_store._engine.scripts import COMMIT
from redis_store._engine.timestamps import epoch_us, iso
from redis_store.models import Message

# Off, every save is a transaction: a test compares what both store.
is_enabled = True


async def append(
    db: Database, prepared: Sequence[tuple[Message, bytes]], now_us: int
) -> Values | None:
    """Save messages if they are of the usual kind. One round trip, or none.

    Args:
        db: The way to the server.
        prepared: The messages with their JSON.
        now_us: The time in µs.

    Returns:
        ``None`` if they are saved; else what a transaction should know: the keys that refused them,
        with their current values.
    """
    if not is_enabled or db.keys.hash_tags or db.thread_ttl is not None:
        return {}
    messages = [message for message, _ in prepared]
    if not _is_usual(messages):
        return {}
    replies, _ = await send_in_doubt(db, [_command(db, prepared, now_us)])
    refused = refusal(replies[0])
    if refused:
        return refused
    db.require_replicas(replies.confirmed)
    return None


def _is_usual(messages: Sequence[Message]) -> bool:
    """Whether each is given once, and all are of one resource in one thread."""
    if len(messages) == 1:
        return True
    return (
        len({message.thread_id for message in messages}) == 1
        and len({message.resource_id for message in messages}) == 1
        and len({message.id for message in messages}) == len(messages)
    )


def _command(db: Database, prepared: Sequence[tuple[Message, bytes]], now_us: int) -> Command:
    """Build the call of the script: ``lib/append.lua`` knows the steps by their places."""
    if len(prepared) > 1:
        prepared = sorted(prepared, key=_date_of)
    messages, keys = [message for message, _ in prepared], db.keys
    thread_id, owner = messages[0].thread_id, messages[0].resource_id
    record, timeline, counts, prefix = keys.of_thread(thread_id)
    pointers = [keys.message_pointer(message.id) for message in messages]
    dates = [epoch_us(message.created_at) for message in messages]
    n, listed = len(messages), keys.threads_with_messages_of(owner)
    indexes = keys.thread_indexes(thread_id, owner, "updated_at")
    args: list[Argument] = [
        "append",
        "is_hash",
        1,
        "expect_owner",
        owner,
        "unclaimed",
        n,
        thread_id,
    ]
    args += ["is_zset", 2 + len(indexes), "claim", "put_messages", prefix, n, 1]
    args += [message.id for message in messages]
    args += dates
    args += [json for _, json in prepared]
    args += [owner, n, "command", "ZADD", 3, "GT", dates[-1], thread_id]
    args += ["touch", now_us, iso(now_us), len(indexes), thread_id]
    zsets = [timeline, listed, *indexes]
    return COMMIT.call(
        [counts, record, *pointers, *zsets, timeline, counts, listed, record, *indexes], args
    )


def _date_of(prepared: tuple[Message, bytes]) -> datetime:
    return prepared[0].created_at
