"""The memory of a store whose traffic is counted."""

from collections.abc import AsyncIterator

import pytest

from redis_store import MemoryStore, RedisStore


@pytest.fixture
async def metered(metered_store: RedisStore) -> AsyncIterator[MemoryStore]:
    """The memory of a connected store behind ``proxy``, on the test's data."""
    yield metered_store.memory
    await metered_store.memory.dangerously_clear_all()
