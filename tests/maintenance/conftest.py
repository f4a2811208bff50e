"""Fixtures of this folder: fewer variants, and nothing left but what the store fixture removes."""

from collections.abc import AsyncIterator
from zlib import crc32

import pytest

from redis_store import RedisStore
from tests.conftest import Variant
from tests.servers import server_binaries


@pytest.fixture(params=[False, True], ids=["plain", "tagged"])
def variant(request: pytest.FixtureRequest) -> Variant:
    """Both layouts, each test on one of the servers: they run much in each test."""
    names = list(server_binaries())
    return Variant(names[crc32(request.node.name.encode()) % len(names)], request.param)


@pytest.fixture(autouse=True)
async def _other_domains_cleared(store: RedisStore) -> AsyncIterator[None]:
    yield
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()
