"""The data on the servers while curves are measured. The library itself saves it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from benchmarks.contenders.messages import WRITER, message
from benchmarks.runner.rounds import Report
from benchmarks.studies.comparison.dataset import OWNED, USER
from redis_store import Message, RedisStore, Thread

PAGE: Final = 10
# The text of messages that are never read; those that are have MESSAGE_BYTES.
FILLER_TEXT: Final = "m" * 40
UNRELATED_MESSAGES: Final = 10
_T0: Final = datetime(2025, 1, 1, tzinfo=UTC)
_SAVE_CHUNK: Final = 5_000
_UNRELATED_CHUNK: Final = 200


async def fill(store: RedisStore, lengths: dict[str, int], report: Report) -> None:
    """Save threads of given lengths. Their last ten messages are of full size."""
    for thread_id, length in lengths.items():
        await _save_threads(store, [thread_id], WRITER)
        for first in range(0, length, _SAVE_CHUNK):
            report(f"loading: message {first:,} of {length:,} of {thread_id}")
            numbers = range(first, min(first + _SAVE_CHUNK, length))
            await store.memory.save_messages(
                [_message(thread_id, number, length) for number in numbers]
            )


async def fill_user(store: RedisStore) -> None:
    """Save the threads of one user."""
    await _save_threads(store, OWNED, USER)


async def fill_unrelated(store: RedisStore, keys: int, report: Report) -> None:
    """Save threads of other users, one each, until the server has so many more keys."""
    before = await _size(store)
    for first in count(step=_UNRELATED_CHUNK):
        present = await _size(store) - before
        if present >= keys:
            return
        report(f"loading: unrelated key {present:,} of {keys:,}")
        ids = [f"unrelated-{first + i}" for i in range(_UNRELATED_CHUNK)]
        for thread_id in ids:
            await _save_threads(store, [thread_id], f"user-{thread_id}")
        await store.memory.save_messages(
            [
                _filler(thread_id, number, f"user-{thread_id}")
                for thread_id in ids
                for number in range(UNRELATED_MESSAGES)
            ]
        )


async def _size(store: RedisStore) -> int:
    client: Any = store.get_client()
    return int(await client.dbsize())


async def _save_threads(store: RedisStore, ids: Sequence[str], resource_id: str) -> None:
    for number, id_ in enumerate(ids):
        at = _T0 + timedelta(seconds=number)
        await store.memory.save_thread(
            Thread(id=id_, resource_id=resource_id, created_at=at, updated_at=at)
        )


def _message(thread_id: str, number: int, length: int) -> Message:
    if number >= length - PAGE:
        return message(thread_id, f"{thread_id}-{number}", _T0 + timedelta(seconds=number))
    return _filler(thread_id, number, WRITER)


def _filler(thread_id: str, number: int, resource_id: str) -> Message:
    return Message.from_text(
        "user",
        FILLER_TEXT,
        thread_id=thread_id,
        resource_id=resource_id,
        id=f"{thread_id}-{number}",
        created_at=_T0 + timedelta(seconds=number),
    )
