"""What the server holds while it is measured, and the messages that calls add to it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from benchmarks import records
from benchmarks.records import KEYS
from redis_store import Message, RedisStore, Thread

MESSAGE_BYTES: Final = 556
USER: Final = "user"
MIDDLE: Final = "middle"
LONG: Final = "long"
LENGTHS: Final = {MIDDLE: 1_000, LONG: 10_000}
OWNED: Final = [f"owned-{i}" for i in range(100)]
AGENTS: Final = [f"agent-{i}" for i in range(100)]
AGENT_LENGTH: Final = 1_000
_WRITER: Final = "writer"
_T0: Final = datetime(2025, 1, 1, tzinfo=UTC)
_CHUNK: Final = 5_000


def message(thread_id: str, id_: str, created_at: datetime) -> Message:
    """Build a message of 556 bytes as JSON.

    Texts differ, as real ones do: Lua, which hashes some characters of a string, is slow with many
    that are nearly equal.
    """
    built = Message.from_text(
        "user", "", thread_id=thread_id, resource_id=_WRITER, id=id_, created_at=created_at
    )
    padding = (MESSAGE_BYTES - len(msgspec.json.encode(built))) // 2
    text = (f"{id_} " * padding)[:padding]
    built.content["parts"][0]["text"] = built.content["content"] = text
    return built


def fresh(thread_id: str, tag: str, first: int, count: int) -> list[Message]:
    """Build messages to save, newer than all that are stored."""
    now = datetime.now(UTC)
    return [
        message(thread_id, f"{tag}-{i}", now + timedelta(microseconds=i))
        for i in range(first, first + count)
    ]


class Dataset:
    """The data on one server.

    Args:
        store: A store on it.
    """

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._client: Any = store.get_client()

    async def reset(self) -> None:
        """Start anew: a thread of 1,000 messages, one of 10,000, and a user of 100 threads.

        Peers keep theirs in databases of their own.
        """
        await self._client.flushdb()
        # An index of nothing is complete: stores that are opened from now on rely on it.
        await self._store.reindex()
        for thread_id, length in LENGTHS.items():
            await self._fill(thread_id, length)
        for i, thread_id in enumerate(OWNED):
            created = _T0 + timedelta(seconds=i)
            thread = Thread(id=thread_id, resource_id=USER, created_at=created, updated_at=created)
            await self._store.memory.save_thread(thread)

    async def add_agents(self) -> None:
        """Add the agents' threads, each of 1,000 messages."""
        for thread_id in AGENTS:
            await self._fill(thread_id, AGENT_LENGTH)

    async def _fill(self, thread_id: str, length: int) -> None:
        thread = Thread(id=thread_id, resource_id=_WRITER, created_at=_T0, updated_at=_T0)
        await self._store.memory.save_thread(thread)
        messages = [
            message(thread_id, f"{thread_id}-{i}", _T0 + timedelta(seconds=i))
            for i in range(length)
        ]
        await self._store.memory.save_messages(messages)

    async def open_scratch(self, thread_id: str) -> None:
        """Add an empty thread to save to."""
        await self._client.set(KEYS.thread(thread_id), records.thread_record(thread_id, _WRITER))

    async def drop_scratch(self, thread_id: str, tag: str, count: int) -> None:
        """Remove that thread with the messages that were saved to it."""
        keys = [KEYS.thread(thread_id), KEYS.timeline(thread_id), KEYS.resource_counts(thread_id)]
        for i in range(count):
            keys += (KEYS.message_pointer(f"{tag}-{i}"), KEYS.message(thread_id, f"{tag}-{i}"))
        for first in range(0, len(keys), _CHUNK):
            await self._client.unlink(*keys[first : first + _CHUNK])

    async def drop_saved(self, tag: str, count: int) -> None:
        """Remove messages that were added to the threads here."""
        await self._store.memory.delete_messages([f"{tag}-{i}" for i in range(count)])
