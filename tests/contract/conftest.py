"""A store whose traffic is counted."""

from collections.abc import AsyncIterator

import pytest

from redis_store import MemoryStore, RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import Variant
from tests.support.wire.proxies import CountingProxy


@pytest.fixture
async def proxy(variant: Variant, servers: dict[str, Server]) -> AsyncIterator[CountingProxy]:
    """What counts the traffic between ``metered`` and the test's server."""
    async with CountingProxy(servers[variant.server].socket) as counting:
        yield counting


@pytest.fixture
async def metered(proxy: CountingProxy, place: Place) -> AsyncIterator[MemoryStore]:
    """The memory of a connected store behind ``proxy``, on the test's data."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(proxy.url, key_prefix=prefix, hash_tags=hash_tags) as opened:
        yield opened.memory
        await opened.memory.dangerously_clear_all()
