"""One store serves every event loop, one after another."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore
from tests.integrations.claude_agent_sdk.entries import (
    KEY,
    assert_summaries_follow,
    entries,
    uuids,
)

# A loop that ends does not close what it opened; the next one does.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed transport:ResourceWarning",
    "ignore:unclosed <socket:ResourceWarning",
)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a loop left is freed while these warnings are ignored."""
    yield
    gc.collect()


async def test_one_store_serves_several_event_loops(opened: RedisStore) -> None:
    sessions = RedisSessionStore(opened)

    def run_in_loops_of_their_own() -> list[str | None]:
        asyncio.run(sessions.append(KEY, entries("a")))
        asyncio.run(sessions.append(KEY, entries("b")))
        return asyncio.run(uuids(sessions))

    assert await asyncio.to_thread(run_in_loops_of_their_own) == ["a", "b"]
    await assert_summaries_follow(sessions)
