"""Programs on savers that share a database do what they do in LangGraph's memory."""

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from redis_store import RedisStore
from redis_store.integrations.langgraph import RedisSaver
from tests.integrations.langgraph.saver_programs import Program

STEPS = 80


@pytest.mark.parametrize("seed", range(12))
async def test_any_program_does_what_memory_does(
    seed: int, store: RedisStore, saver: RedisSaver
) -> None:
    """As two processes would: one that caches what it can, another with little or no cache."""
    other = RedisSaver(store, cache_bytes=[0, 3000, 10**7][seed % 3])
    await Program(seed, [saver, other]).run(STEPS)
