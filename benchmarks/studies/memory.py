"""Memory of the server: bytes per thread and message, and their division among kinds of keys."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

import msgspec

from benchmarks.contenders import records
from benchmarks.contenders.contender import LIBRARY, MASTRA, why_no_mastra
from benchmarks.contenders.messages import WRITER, new_messages
from benchmarks.contenders.protocol import Request
from benchmarks.runner import environment, servers
from benchmarks.runner.progress import Progress
from benchmarks.runner.workers import running
from redis_store import RedisStore, Thread

THREADS: Final = 1_000
MESSAGES: Final = 100
# Prefixes of keys by kind; a key is of the first kind that fits.
KINDS: Final = {
    "threads": "mastra_threads:",
    "messages": "mastra_messages:",
    "where a message is": "msg-idx:",
    "order of a thread": "thread:",
    "resources of a thread": "redis_store:memory:owners:",
    "lists of threads": "redis_store:",
}
_IDS: Final = [f"thread-{i}" for i in range(THREADS)]
_TAG: Final = "m"
_SCAN_CHUNK: Final = 1_000
_Step = Callable[[], Awaitable[object]]


class Footprint(msgspec.Struct, kw_only=True):
    """The bytes of one contender's data: per thread, per message, and in total by kind of key."""

    thread: float
    message: float
    kinds: dict[str, int]


class Footprints(msgspec.Struct, kw_only=True):
    """The contenders' data, and the environment."""

    setting: dict[str, Any]
    missing: list[str]
    footprints: dict[str, Footprint]


async def run() -> Footprints:
    """Save the same messages with each contender, each on a server of its own."""
    progress = Progress()
    setting, missing = environment.describe(), list[str]()
    footprints: dict[str, Footprint] = {}
    for name, hash_tags in ((LIBRARY, False), (f"{LIBRARY}, hash-tagged", True)):
        async with servers.embedded(hash_tags=hash_tags) as (_, store):
            setting["server"] = await environment.server_version(store)
            progress(f"{name}: saving")
            await _warm_up(store)
            footprints[name] = await _measure(store.get_client(), *_by_library(store))
    if why := why_no_mastra():
        missing.append(f"{MASTRA.kind}: {why}")
    else:
        async with servers.embedded() as (url, store):
            progress(f"{MASTRA.kind}: saving")
            client = store.get_client()
            footprints[MASTRA.kind] = await _measure(client, *_by_mastra(url, client))
    progress.end()
    return Footprints(setting=setting, missing=missing, footprints=footprints)


async def _measure(client: Any, save_threads: _Step, save_messages: _Step) -> Footprint:
    empty = await _used(client)
    await save_threads()
    with_threads = await _used(client)
    await save_messages()
    return Footprint(
        thread=(with_threads - empty) / THREADS,
        message=(await _used(client) - with_threads) / (THREADS * MESSAGES),
        kinds=await _by_kind(client),
    )


async def _warm_up(store: RedisStore) -> None:
    """Load the scripts, whose memory is not the data's."""
    await store.memory.save_thread(Thread(id=_IDS[0], resource_id=WRITER))
    await store.memory.save_messages(new_messages(_IDS[0], _TAG, 0, 1))
    await store.memory.delete_thread(_IDS[0])


def _by_library(store: RedisStore) -> tuple[_Step, _Step]:
    async def save_threads() -> None:
        for id_ in _IDS:
            await store.memory.save_thread(Thread(id=id_, resource_id=WRITER))

    async def save_messages() -> None:
        for i, id_ in enumerate(_IDS):
            messages = new_messages(id_, _TAG, i * MESSAGES, MESSAGES)
            await store.memory.save_messages(messages)

    return save_threads, save_messages


def _by_mastra(url: str, client: Any) -> tuple[_Step, _Step]:
    async def save_threads() -> None:
        # A SET each, as @mastra/redis does; its worker has no call that saves a thread.
        for id_ in _IDS:
            await client.set(records.thread_key(id_), records.encode_thread(id_, WRITER))

    async def save_messages() -> None:
        request = Request(call="save", threads=_IDS, size=MESSAGES, tag=_TAG, times=THREADS)
        async with running(MASTRA, url) as worker:
            await worker.measure(request)

    return save_threads, save_messages


async def _used(client: Any) -> int:
    return int((await client.info("memory"))["used_memory"])


async def _by_kind(client: Any) -> dict[str, int]:
    """Sum up the MEMORY USAGE of all keys by kind."""
    sums = dict.fromkeys(KINDS, 0)
    async for keys in _key_chunks(client):
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.memory_usage(key, samples=0)
            for key, size in zip(keys, await pipe.execute(), strict=True):
                sums[_kind(key.decode())] += size
    return sums


async def _key_chunks(client: Any) -> AsyncGenerator[list[bytes]]:
    cursor = -1
    while cursor:
        cursor, keys = await client.scan(max(cursor, 0), count=_SCAN_CHUNK)
        yield keys


def _kind(key: str) -> str:
    return next(kind for kind, prefix in KINDS.items() if key.startswith(prefix))
