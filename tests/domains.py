"""What must be left of a domain other than memory after a test, and stores that are watched."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis_store import CacheStore, RedisStore, ScoreStore, WorkflowStore
from tests.conftest import Place
from tests.gates import gated_store
from tests.proxies import CountingProxy
from tests.raw import Raw
from tests.servers import until

# Index entries of records that are gone or belong elsewhere: no reader shows them.
_HARMLESS = {"stale entry"}


@asynccontextmanager
async def emptied(
    store: RedisStore, place: Place, raw: Raw, domain: WorkflowStore | ScoreStore | CacheStore
) -> AsyncGenerator[None]:
    """Clear a domain after the block, and assert that nothing is left under the test's prefix."""
    yield
    await (domain.clear() if isinstance(domain, CacheStore) else domain.dangerously_clear_all())
    for thread in await store.memory.list_threads(per_page=None):
        await store.memory.delete_thread(thread.id)
    assert await raw.keys(place.keys.prefix) == []


async def check_indexed(store: RedisStore, *, raced: bool = False) -> None:
    """Assert that every record is in all its indexes and that no index holds anything else.

    Args:
        store: The store to check.
        raced: Whether entries that lead nowhere may be left, as no step spans a record and its
            indexes in the hash-tagged layout.
    """
    report = await store.verify()
    assert report.problems.keys() <= (_HARMLESS if raced else set()), report.findings


@asynccontextmanager
async def metered_store(proxy: CountingProxy, place: Place) -> AsyncGenerator[RedisStore]:
    """A connected store behind a proxy, on the test's data."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(proxy.url, key_prefix=prefix, hash_tags=hash_tags) as opened:
        yield opened


async def between(
    place: Place,
    call: Callable[[RedisStore], Awaitable[Any]],
    other: Callable[[], Awaitable[object]],
    *,
    after: int = 1,
) -> Any:
    """Make a call on a store of its own, and another in the midst of it.

    Args:
        place: Where the data lies.
        call: The first call; what it returns is returned.
        other: The call in between.
        after: How many requests of the first go before: as a rule 1 has read, 2 have written.
    """
    async with gated_store(place) as (gated, gate):
        gate.shut = True
        task = asyncio.ensure_future(call(gated))
        for _ in range(after):
            await until(lambda: gate.holds, "a request")
            gate.let_through()
        await until(lambda: gate.holds or task.done(), "the next request, or the end")
        await other()
        gate.open()
        return await task
