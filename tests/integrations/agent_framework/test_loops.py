"""One store serves every event loop, one after another."""

import asyncio
from uuid import uuid4

from agent_framework import Message, WorkflowCheckpoint

from redis_store import RedisStore
from redis_store.integrations.agent_framework import RedisCheckpointStorage, RedisHistoryProvider
from tests.support.deployments.servers import Server


async def test_one_store_serves_several_event_loops(server: Server) -> None:
    await asyncio.to_thread(_in_loops_of_their_own, server.url)


def _in_loops_of_their_own(url: str) -> None:
    store = RedisStore(url, key_prefix=f"t{uuid4().hex}:")
    history, storage = RedisHistoryProvider(store), RedisCheckpointStorage(store)
    saved = WorkflowCheckpoint(workflow_name="w", graph_signature_hash="h")
    asyncio.run(history.save_messages("s", [Message("user", ["a"])]))
    asyncio.run(storage.save(saved))

    async def at_the_end() -> None:
        (message,) = await history.get_messages("s")
        assert message.text == "a"
        assert await storage.get_latest(workflow_name="w") == saved
        await store.dangerously_clear_integrations()
        await store.close()

    asyncio.run(at_the_end())
