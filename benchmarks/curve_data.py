"""What servers hold while curves are measured. All of it is saved by the library itself."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks import dataset
from redis_store import Message, RedisStore, Thread

PAGE: Final = 10
# Of messages that are never read; one in a page has dataset.MESSAGE_BYTES.
FILLER_TEXT: Final = "m" * 40
STRANGER_MESSAGES: Final = 10
_T0: Final = datetime(2025, 1, 1, tzinfo=UTC)
_WRITER: Final = dataset.message("t", "m", _T0).resource_id
_CHUNK: Final = 5_000
_STRANGERS: Final = 200

Report = Callable[[str], object]


async def fill(store: RedisStore, lengths: dict[str, int], report: Report) -> None:
    """Save threads of some lengths; their last ten messages are of full size."""
    for thread_id, length in lengths.items():
        await _save_threads(store, [thread_id], _WRITER)
        for first in range(0, length, _CHUNK):
            report(f"loading: message {first:,} of {length:,} of {thread_id}")
            numbers = range(first, min(first + _CHUNK, length))
            await store.memory.save_messages(
                [_message(thread_id, number, length) for number in numbers]
            )


async def fill_user(store: RedisStore) -> None:
    """Save the threads of one user."""
    await _save_threads(store, dataset.OWNED, dataset.USER)


async def fill_strangers(store: RedisStore, keys: int, report: Report) -> None:
    """Save threads of as many other users, until the server has so many more keys."""
    before = await _size(store)
    for chunk in _strangers():
        present = await _size(store) - before
        if present >= keys:
            return
        report(f"loading: unrelated key {present:,} of {keys:,}")
        for thread_id in chunk:
            await _save_threads(store, [thread_id], f"user-{thread_id}")
        await store.memory.save_messages(
            [
                _small(thread_id, number, f"user-{thread_id}")
                for thread_id in chunk
                for number in range(STRANGER_MESSAGES)
            ]
        )


def _strangers() -> Iterator[list[str]]:
    first = 0
    while True:
        yield [f"stranger-{number}" for number in range(first, first + _STRANGERS)]
        first += _STRANGERS


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
        at = _T0 + timedelta(seconds=number)
        return dataset.message(thread_id, f"{thread_id}-{number}", at)
    return _small(thread_id, number, _WRITER)


def _small(thread_id: str, number: int, resource_id: str) -> Message:
    return Message.from_text(
        "user",
        FILLER_TEXT,
        thread_id=thread_id,
        resource_id=resource_id,
        id=f"{thread_id}-{number}",
        created_at=_T0 + timedelta(seconds=number),
    )
