"""Leaves nothing but what the store fixture removes."""

from collections.abc import AsyncIterator

import pytest

from redis_store import RedisStore


@pytest.fixture(autouse=True)
async def _other_domains_cleared(store: RedisStore) -> AsyncIterator[None]:
    yield
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()
