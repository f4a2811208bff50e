"""Plain redis.asyncio, the usual way.

Single commands to read; to write, a transaction with a command per item.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio as aioredis

from benchmarks.contenders import records
from benchmarks.contenders.serving import Call
from redis_store import Message


class Stock:
    """``redis.asyncio.Redis`` on one server."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    async def connect(cls, url: str) -> "Stock":
        """Build a client; it connects on first use."""
        return cls(cast("Any", aioredis.Redis).from_url(url))

    def get(self, thread_id: str) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            stored = await self._client.get(records.thread_key(thread_id))
            return len(records.decode_threads([stored]))

        return run

    def get_each(self, thread_ids: Sequence[str]) -> Call:
        """See ``Driver``."""
        jobs = [self.get(thread_id) for thread_id in thread_ids]

        async def run() -> int:
            return sum(await asyncio.gather(*(job() for job in jobs)))

        return run

    def last(self, thread_id: str, count: int) -> Call:
        """See ``Driver``: the ids, then the messages."""

        async def run() -> int:
            timeline, bodies = records.timeline_key(thread_id), records.message_key(thread_id, "")
            if count:
                ids = await self._client.zrevrange(timeline, 0, count - 1)
            else:
                ids = await self._client.zrange(timeline, 0, -1)
            found = await self._client.mget([bodies + id_.decode() for id_ in ids])
            return len(records.decode_messages(found))

        return run

    def save(self, messages: Sequence[Message]) -> Call:
        """See ``Driver``."""
        thread_id, resource_id = messages[0].thread_id, messages[0].resource_id

        async def run() -> int:
            async with self._client.pipeline() as pipe:
                for id_, score, body in records.encode_messages(messages):
                    pipe.set(records.message_key(thread_id, id_), body)
                    pipe.set(records.pointer_key(id_), thread_id)
                    pipe.zadd(records.timeline_key(thread_id), {id_: score})
                pipe.set(
                    records.thread_key(thread_id), records.encode_thread(thread_id, resource_id)
                )
                await pipe.execute()
            return len(messages)

        return run

    def update(self, thread_id: str, ids: Sequence[str], tag: str) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            keys = [records.message_key(thread_id, id_) for id_ in ids]
            changed = records.retag(await self._client.mget(keys), tag)
            async with self._client.pipeline() as pipe:
                for key, body in zip(keys, changed, strict=True):
                    pipe.set(key, body)
                await pipe.execute()
            return len(changed)

        return run

    def threads_of(self, resource_id: str) -> Call:
        """See ``Driver``."""

        async def run() -> int:
            index = records.threads_key(resource_id)
            ids = await self._client.zrevrange(index, 0, 99)
            found = await self._client.mget([records.thread_key(id_.decode()) for id_ in ids])
            return len(records.decode_threads(found))

        return run

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()
