"""One store serves every event loop, one after another."""

import asyncio
from uuid import uuid4

from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore
from tests.integrations.claude_agent_sdk.entries import KEY, entries, uuids
from tests.support.deployments.servers import Server


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
