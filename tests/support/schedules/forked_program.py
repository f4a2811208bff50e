"""A program that forks while its store is connected; run by ``tests/test_forks.py``.

usage: python -m tests.support.schedules.forked_program URL PREFIX TAGS CLIENT WHERE

CLIENT is "own" or "borrowed". WHERE is "loop": within the running event loop, amid requests, where
the child ends by ``os._exit`` as workers of multiprocessing do. Or it is "thread": beside the
thread of the loop, where the child ends as any program does, by the interpreter's finalizers. The
program exits with 0 if parent and child each read what they should.
"""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from redis.asyncio import Redis, RedisCluster

from redis_store import RedisStore

T = TypeVar("T")

READS = 200


def build(url: str, prefix: str, tags: str, client: str) -> RedisStore:
    options: dict[str, Any] = {"key_prefix": prefix, "hash_tags": tags == "True"}
    if client == "own":
        return RedisStore(url, **options)
    if url.startswith("redis+cluster://"):
        node = url.removeprefix("redis+cluster://").split(",")[0]
        return RedisStore(client=cast("Any", RedisCluster).from_url(f"redis://{node}"), **options)
    return RedisStore(client=cast("Any", Redis).from_url(url), **options)


async def read(store: RedisStore, thread_id: str) -> None:
    """Read one thread again and again, and fail where another comes back."""
    for _ in range(READS):
        found = await asyncio.gather(*(store.memory.get_thread_by_id(thread_id) for _ in range(5)))
        assert [thread and thread.id for thread in found] == [thread_id] * 5
    await store.memory.update_thread(thread_id, metadata={"by": os.getpid()})


def child(store: RedisStore) -> None:
    asyncio.run(read(store, "child"))
    asyncio.run(read(store, "child"))
    asyncio.run(store.close())


async def fork_amid_requests(store: RedisStore) -> int:
    await read(store, "parent")
    reading = asyncio.ensure_future(read(store, "parent"))
    await asyncio.sleep(0)  # so that requests are in flight when it forks
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child(store)
            code = 0
        except Exception:  # noqa: BLE001 - told to the parent, which runs on in this process too
            traceback.print_exc()
        finally:
            os._exit(code)
    await reading
    return await read_until_ended(store, pid)


async def read_until_ended(store: RedisStore, pid: int) -> int:
    waiting = asyncio.ensure_future(asyncio.to_thread(os.waitpid, pid, 0))
    while not waiting.done():
        await read(store, "parent")
    _, status = await waiting
    await read(store, "parent")
    await store.close()
    return os.waitstatus_to_exitcode(status)


def fork_beside_the_loop(store: RedisStore) -> int:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    run(read(store, "parent"))
    pid = os.fork()
    if pid == 0:
        child(store)
        return 0
    return run(read_until_ended(store, pid))


def main(url: str, prefix: str, tags: str, client: str, where: str) -> int:
    store = build(url, prefix, tags, client)
    if where == "loop":
        return asyncio.run(fork_amid_requests(store))
    return fork_beside_the_loop(store)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
