"""One store serves every event loop, one after another."""

import asyncio
from uuid import uuid4

from redis_store import RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore
from tests.integrations.pydantic_ai.messages import asked, loaded, new, texts
from tests.support.deployments.servers import Server


async def test_one_store_serves_several_event_loops(server: Server) -> None:
    await asyncio.to_thread(_in_loops_of_their_own, server.url)


def _in_loops_of_their_own(url: str) -> None:
    store = RedisStore(url, key_prefix=f"t{uuid4().hex}:")
    conversations = RedisConversationStore(store)
    asyncio.run(conversations.save(new("c", asked("1"))))
    asyncio.run(conversations.save(new("d", asked("2"))))

    async def found_at_the_end() -> list[str]:
        found = texts(await loaded(conversations)) + texts(await loaded(conversations, "d"))
        await store.dangerously_clear_integrations()
        await store.close()
        return found

    assert asyncio.run(found_at_the_end()) == ["1", "2"]
