"""The library with its defaults. Only its public names: see ``--against``."""

import asyncio
from collections.abc import Sequence

from benchmarks.contenders.serving import Call
from redis_store import Message, MessagePatch, RedisStore


class Library:
    """The library on one server."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._memory = store.memory

    @classmethod
    async def connect(cls, url: str) -> "Library":
        """Open a store."""
        store = RedisStore(url)
        await store.init()
        return cls(store)

    def get(self, thread_id: str) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            return int(await self._memory.get_thread_by_id(thread_id) is not None)

        return run

    def get_each(self, thread_ids: Sequence[str]) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            get = self._memory.get_thread_by_id
            return len(await asyncio.gather(*(get(thread_id) for thread_id in thread_ids)))

        return run

    def last(self, thread_id: str, count: int) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            if not count:
                return len(await self._memory.list_messages(thread_id, per_page=None))
            page = await self._memory.list_messages(thread_id, per_page=count, direction="desc")
            return len(page)

        return run

    def save(self, messages: Sequence[Message]) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            return len(await self._memory.save_messages(messages))

        return run

    def update(self, thread_id: str, ids: Sequence[str], tag: str) -> Call:  # noqa: ARG002
        """See ``Driver``. The library looks up the thread itself."""
        patches = [MessagePatch(id_, content={"metadata": {"tag": tag}}) for id_ in ids]

        async def run() -> int:
            return len(await self._memory.update_messages(patches))

        return run

    def threads_of(self, resource_id: str) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            return len(await self._memory.list_threads_by_resource_id(resource_id))

        return run

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()
