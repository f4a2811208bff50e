"""The data that the comparison's operations run on."""

from datetime import timedelta
from typing import Any, Final

from benchmarks.contenders import records
from benchmarks.contenders.messages import STORED_SINCE, WRITER, stored_messages
from redis_store import RedisStore, Thread

USER: Final = "user"
MIDDLE: Final = "middle"
LONG: Final = "long"
LENGTHS: Final = {MIDDLE: 1_000, LONG: 10_000}
OWNED: Final = [f"owned-{i}" for i in range(100)]
AGENTS: Final = [f"agent-{i}" for i in range(100)]
AGENT_LENGTH: Final = 1_000
_UNLINK_CHUNK: Final = 5_000


class Dataset:
    """The data on one server, and how calls' additions are removed.

    Peers in Python keep data of their own in other databases.

    Args:
        store: A store on the server.
    """

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._client: Any = store.get_client()

    async def reset(self) -> None:
        """Leave only a thread of 1,000 messages, one of 10,000, and a user of 100 threads."""
        await self._client.flushdb()
        # Marks the indexes of the empty database as complete; the contenders' stores need that.
        await self._store.reindex()
        for thread_id, length in LENGTHS.items():
            await self._fill(thread_id, length)
        for i, thread_id in enumerate(OWNED):
            created = STORED_SINCE + timedelta(seconds=i)
            thread = Thread(id=thread_id, resource_id=USER, created_at=created, updated_at=created)
            await self._store.memory.save_thread(thread)

    async def add_agents(self) -> None:
        """Add the agents' threads, each of 1,000 messages."""
        for thread_id in AGENTS:
            await self._fill(thread_id, AGENT_LENGTH)

    async def _fill(self, thread_id: str, length: int) -> None:
        thread = Thread(
            id=thread_id, resource_id=WRITER, created_at=STORED_SINCE, updated_at=STORED_SINCE
        )
        await self._store.memory.save_thread(thread)
        await self._store.memory.save_messages(stored_messages(thread_id, length))

    async def add_scratch(self, thread_id: str) -> None:
        """Add an empty thread to save to."""
        record = records.encode_thread(thread_id, WRITER)
        await self._client.set(records.thread_key(thread_id), record)

    async def drop_scratch(self, thread_id: str, tag: str, count: int) -> None:
        """Remove such a thread and the messages that were saved to it."""
        keys = [
            records.thread_key(thread_id),
            records.timeline_key(thread_id),
            records.resource_counts_key(thread_id),
        ]
        for i in range(count):
            id_ = f"{tag}-{i}"
            keys += (records.pointer_key(id_), records.message_key(thread_id, id_))
        for first in range(0, len(keys), _UNLINK_CHUNK):
            await self._client.unlink(*keys[first : first + _UNLINK_CHUNK])

    async def drop_saved(self, tag: str, count: int) -> None:
        """Remove messages that calls added to the other threads."""
        await self._store.memory.delete_messages([f"{tag}-{i}" for i in range(count)])
