"""What must be left of a domain other than memory after a test, and stores that are counted."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis_store import CacheStore, RedisStore, ScoreStore, WorkflowStore
from tests.conftest import Place
from tests.raw import Raw
from tests.servers import CountingProxy

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
