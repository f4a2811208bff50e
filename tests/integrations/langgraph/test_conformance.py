"""The judge that LangGraph publishes for checkpointers, with every capability."""

from collections.abc import AsyncGenerator

import pytest

pytest.importorskip("langgraph.checkpoint.conformance", reason="needs redis-store[frameworks]")

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import (  # pyright: ignore[reportMissingTypeStubs]
    checkpointer_test,
    validate,
)

from redis_store.integrations.langgraph import RedisSaver
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology

CAPABILITIES = 8
TESTS = 81


@on_each_topology
@pytest.mark.parametrize("cache_bytes", [0, 2**20])
async def test_every_capability_conforms(place: Place, cache_bytes: int) -> None:
    async def factory() -> AsyncGenerator[BaseCheckpointSaver[str]]:
        async with place.store() as store:
            yield RedisSaver(store, cache_bytes=cache_bytes)
            await store.dangerously_clear_integrations("langgraph")

    report = await validate(checkpointer_test(name="RedisSaver")(factory))
    failures = [failure for each in report.results.values() for failure in each.failures]
    assert failures == []
    assert sum(each.detected for each in report.results.values()) >= CAPABILITIES
    assert sum(each.tests_passed for each in report.results.values()) >= TESTS
    assert report.conformance_level() == "FULL"
