"""A program that forks while its store is connected; run by ``tests/test_forks.py``.

usage: python -m tests.support.schedules.forked_program URL PREFIX TAGS CLIENT EXIT

CLIENT is "own" or "borrowed"; EXIT is "at once" (``os._exit``, as workers of multiprocessing) or
"finalizers" (the interpreter's). Exits with 0 if parent and child each read what they should.
"""

import asyncio
import os
import sys
from typing import Any

from redis.asyncio import Redis, RedisCluster

from redis_store import RedisStore

READS = 200


def build(url: str, prefix: str, tags: str, client: str) -> RedisStore:
    options: dict[str, Any] = {"key_prefix": prefix, "hash_tags": tags == "True"}
    if client == "own":
        return RedisStore(url, **options)
    if url.startswith("redis+cluster://"):
        node = url.removeprefix("redis+cluster://").split(",")[0]
        return RedisStore(client=RedisCluster.from_url(f"redis://{node}"), **options)
    return RedisStore(client=Redis.from_url(url), **options)


async def read(store: RedisStore, thread_id: str) -> None:
    """Read one thread again and again, and fail where another comes back."""
    for _ in range(READS):
        found = await asyncio.gather(*(store.memory.get_thread_by_id(thread_id) for _ in range(5)))
        assert [thread and thread.id for thread in found] == [thread_id] * 5
    await store.memory.update_thread(thread_id, metadata={"by": os.getpid()})


def child(store: RedisStore, how: str) -> None:
    code = 1
    try:
        asyncio.run(read(store, "child"))
        asyncio.run(read(store, "child"))
        asyncio.run(store.close())
        code = 0
    finally:
        if how == "at once":
            os._exit(code)
        sys.exit(code)


async def main(url: str, prefix: str, tags: str, client: str, how: str) -> int:
    store = build(url, prefix, tags, client)
    await read(store, "parent")
    reading = asyncio.ensure_future(read(store, "parent"))
    await asyncio.sleep(0)  # so that requests are in flight when it forks
    pid = os.fork()
    if pid == 0:
        child(store, how)
    await reading
    waiting = asyncio.ensure_future(asyncio.to_thread(os.waitpid, pid, 0))
    while not waiting.done():
        await read(store, "parent")
    _, status = await waiting
    await read(store, "parent")
    await store.close()
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
