"""Savers on data of their own, which leave nothing behind when all threads are deleted."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
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
