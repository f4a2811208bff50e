"""Savers on data of their own, which leave nothing behind when all threads are deleted."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import Variant
from tests.support.wire.proxies import CountingProxy, metered_store
from tests.support.wire.raw import Raw

if TYPE_CHECKING:
    from redis_store.integrations.langgraph import RedisSaver


@pytest.fixture
async def saver(store: RedisStore, place: Place, raw: Raw) -> "AsyncIterator[RedisSaver]":
    """A saver on the test's store."""
    # Only here: where LangGraph is not installed, the tests are skipped.
    from redis_store.integrations.langgraph import RedisSaver  # noqa: PLC0415

    yield RedisSaver(store)
    reader = RedisSaver(store)
    listed = {each.config.get("configurable", {})["thread_id"] async for each in reader.alist(None)}
    for thread in listed:
        await reader.adelete_thread(thread)
    assert await raw.keys(place.keys.prefix) == []


@pytest.fixture
async def proxy(variant: Variant, servers: dict[str, Server]) -> AsyncIterator[CountingProxy]:
    """What counts the traffic between ``metered`` and the test's server."""
    async with CountingProxy(servers[variant.server].socket) as counting:
        yield counting


@pytest.fixture
async def metered(proxy: CountingProxy, place: Place) -> AsyncIterator[RedisStore]:
    """A connected store behind ``proxy``, on the test's data."""
    async with metered_store(proxy, place) as opened:
        yield opened
