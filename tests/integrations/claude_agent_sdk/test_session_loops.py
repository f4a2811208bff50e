"""One store serves every event loop, one after another."""

import asyncio
import gc
from collections.abc import Iterator
from uuid import uuid4

import pytest

from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore
from tests.integrations.claude_agent_sdk.entries import KEY, entries, uuids
from tests.support.deployments.servers import Server

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


async def test_one_store_serves_several_event_loops(server: Server) -> None:
    await asyncio.to_thread(_in_loops_of_their_own, server.url)


def _in_loops_of_their_own(url: str) -> None:
    store = RedisStore(url, key_prefix=f"t{uuid4().hex}:")
    sessions = RedisSessionStore(store)
    asyncio.run(sessions.append(KEY, entries("a")))
    asyncio.run(sessions.append(KEY, entries("b")))

    async def found_at_the_end() -> list[str | None]:
        found = await uuids(sessions)
        await store.dangerously_clear_integrations()
        await store.close()
        return found

    assert asyncio.run(found_at_the_end()) == ["a", "b"]
