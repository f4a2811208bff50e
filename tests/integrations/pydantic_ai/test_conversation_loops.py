"""One store serves every event loop, one after another."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from redis_store import RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore
from tests.integrations.pydantic_ai.messages import asked, loaded, new, texts

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
    conversations = RedisConversationStore(opened)

    def run_in_loops_of_their_own() -> list[str]:
        asyncio.run(conversations.save(new("c", asked("1"))))
        return texts(asyncio.run(loaded(conversations)))

    assert await asyncio.to_thread(run_in_loops_of_their_own) == ["1"]
    assert texts(await loaded(conversations)) == ["1"]
