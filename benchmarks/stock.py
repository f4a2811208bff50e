"""Stock redis.asyncio, as people write it by hand.

Plain calls, and a pipeline with a command per item where there is more than one to write.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio as aioredis

from benchmarks import records
from benchmarks.records import KEYS
from benchmarks.serving import Job
from redis_store import Message


class Stock:
    """``redis.asyncio.Redis`` on one server."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    async def connect(cls, url: str) -> "Stock":
        """Build a client; it connects when it is used."""
        return cls(cast("Any", aioredis.Redis).from_url(url))

    def get(self, thread_id: str) -> Job:
        """See ``Contender``."""

        async def run() -> int:
            stored = await self._client.get(KEYS.thread(thread_id))
            return len(records.threads([stored]))

        return run

    def get_each(self, thread_ids: Sequence[str]) -> Job:
        """See ``Contender``."""
        jobs = [self.get(thread_id) for thread_id in thread_ids]

        async def run() -> int:
            return sum(await asyncio.gather(*(job() for job in jobs)))

        return run

    def last(self, thread_id: str, count: int) -> Job:
        """See ``Contender``: the ids, then the messages."""

        async def run() -> int:
            order, bodies = KEYS.timeline(thread_id), KEYS.bodies(thread_id)
            if count:
                ids = await self._client.zrevrange(order, 0, count - 1)
            else:
                ids = await self._client.zrange(order, 0, -1)
            found = await self._client.mget([bodies + id_.decode() for id_ in ids])
            return len(records.messages(found))

        return run

    def save(self, messages: Sequence[Message]) -> Job:
        """See ``Contender``."""
        thread_id, resource_id = messages[0].thread_id, messages[0].resource_id

        async def run() -> int:
            async with self._client.pipeline() as pipe:
                for id_, score, body in records.encoded(messages):
                    pipe.set(KEYS.message(thread_id, id_), body)
                    pipe.set(KEYS.message_pointer(id_), thread_id)
                    pipe.zadd(KEYS.timeline(thread_id), {id_: score})
                pipe.set(KEYS.thread(thread_id), records.thread_record(thread_id, resource_id))
                await pipe.execute()
            return len(messages)

        return run

    def update(self, thread_id: str, ids: Sequence[str], tag: str) -> Job:
        """See ``Contender``."""

        async def run() -> int:
            keys = [KEYS.message(thread_id, id_) for id_ in ids]
            changed = records.retagged(await self._client.mget(keys), tag)
            async with self._client.pipeline() as pipe:
                for key, body in zip(keys, changed, strict=True):
                    pipe.set(key, body)
                await pipe.execute()
            return len(changed)

        return run

    def threads_of(self, resource_id: str) -> Job:
        """See ``Contender``."""

        async def run() -> int:
            index = KEYS.threads_of(resource_id, "created_at")
            ids = await self._client.zrevrange(index, 0, 99)
            found = await self._client.mget([KEYS.thread(id_.decode()) for id_ in ids])
            return len(records.threads(found))

        return run

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()
