"""What threads and messages take of the server's memory, and what of it is which kind of key."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import msgspec

from benchmarks import dataset, key_kinds, processes, records, setting
from benchmarks.processes import NODE, running
from benchmarks.progress import Progress
from benchmarks.protocol import Request
from benchmarks.records import KEYS
from redis_store import RedisStore, Thread
from redis_store.embedded import EmbeddedServer

THREADS: Final = 1_000
MESSAGES: Final = 100
_IDS: Final = [f"thread-{i}" for i in range(THREADS)]
_WRITER: Final = dataset.fresh(_IDS[0], "", 0, 1)[0].resource_id
_TAG: Final = "m"
Step = Callable[[], Awaitable[object]]


class Footprint(msgspec.Struct, kw_only=True):
    """One contender's data, in bytes: by thread, by message of it, and sums by kind of key."""

    thread: float
    message: float
    kinds: dict[str, int]


class Footprints(msgspec.Struct, kw_only=True):
    """All contenders' data."""

    setting: dict[str, Any]
    missing: list[str]
    footprints: dict[str, Footprint]


async def run() -> Footprints:
    """Save the same messages with each contender, each on a server of its own."""
    progress = Progress()
    circumstances, missing = setting.describe(), list[str]()
    footprints: dict[str, Footprint] = {}
    for name, hash_tags in (("library", False), ("library, hash-tagged", True)):
        async with _server() as (url, client), RedisStore(url, hash_tags=hash_tags) as store:
            circumstances["server"] = setting.server_version(await client.info("server"))
            progress(f"{name}: saving")
            await _warm_up(store)
            footprints[name] = await _measure(client, *_library(store))
    if why := processes.missing():
        missing.append(f"{NODE.kind}: {why}")
    else:
        async with _server() as (url, client):
            progress(f"{NODE.kind}: saving")
            footprints[NODE.kind] = await _measure(client, *_peer(url, client))
    progress.end()
    return Footprints(setting=circumstances, missing=missing, footprints=footprints)


async def _measure(client: Any, save_threads: Step, save_messages: Step) -> Footprint:
    empty = await _used(client)
    await save_threads()
    with_threads = await _used(client)
    await save_messages()
    return Footprint(
        thread=(with_threads - empty) / THREADS,
        message=(await _used(client) - with_threads) / (THREADS * MESSAGES),
        kinds=await key_kinds.sizes(client),
    )


async def _warm_up(store: RedisStore) -> None:
    """Load the scripts: they are no data."""
    await store.memory.save_thread(Thread(id=_IDS[0], resource_id=_WRITER))
    await store.memory.save_messages(dataset.fresh(_IDS[0], _TAG, 0, 1))
    await store.memory.delete_thread(_IDS[0])


def _library(store: RedisStore) -> tuple[Step, Step]:
    async def save_threads() -> None:
        for id_ in _IDS:
            await store.memory.save_thread(Thread(id=id_, resource_id=_WRITER))

    async def save_messages() -> None:
        for i, id_ in enumerate(_IDS):
            messages = dataset.fresh(id_, _TAG, i * MESSAGES, MESSAGES)
            await store.memory.save_messages(messages)

    return save_threads, save_messages


def _peer(url: str, client: Any) -> tuple[Step, Step]:
    async def save_threads() -> None:
        # One SET each, as the peer does it; it writes them anew with each save.
        for id_ in _IDS:
            await client.set(KEYS.thread(id_), records.thread_record(id_, _WRITER))

    async def save_messages() -> None:
        request = Request(call="save", threads=_IDS, size=MESSAGES, tag=_TAG, times=THREADS)
        async with running(NODE, url) as worker:
            await worker.measure(request)

    return save_threads, save_messages


async def _used(client: Any) -> int:
    return int((await client.info("memory"))["used_memory"])


@asynccontextmanager
async def _server() -> AsyncGenerator[tuple[str, Any]]:
    async with EmbeddedServer() as server, RedisStore(server.url) as store:
        yield server.url, cast("Any", store.get_client())
