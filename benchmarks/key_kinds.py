"""What the keys of each kind take of the server's memory."""

from collections.abc import AsyncGenerator
from typing import Any, Final

_CHUNK: Final = 1_000
# What keys of a kind start with; of several, the first counts.
KINDS: Final = {
    "threads": "mastra_threads:",
    "messages": "mastra_messages:",
    "where a message is": "msg-idx:",
    "order of a thread": "thread:",
    "resources of a thread": "redis_store:memory:owners:",
    "lists of threads": "redis_store:",
}


async def sizes(client: Any) -> dict[str, int]:
    """Sum up what keys take, by their kind."""
    sums = dict.fromkeys(KINDS, 0)
    async for keys in _chunks(client):
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.memory_usage(key, samples=0)
            for key, size in zip(keys, await pipe.execute(), strict=True):
                sums[_kind(key.decode())] += size
    return sums


async def _chunks(client: Any) -> AsyncGenerator[list[bytes]]:
    cursor = -1
    while cursor:
        cursor, keys = await client.scan(max(cursor, 0), count=_CHUNK)
        yield keys


def _kind(key: str) -> str:
    return next(kind for kind, start in KINDS.items() if key.startswith(start))
