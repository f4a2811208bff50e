"""Adapters on logs and documents need no rights but those of integrations."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redis_store import RedisStore, Retention
from tests.support.deployments.rights import login_url, server_with


async def _use_claude(store: RedisStore) -> None:
    pytest.importorskip("claude_agent_sdk")
    from redis_store.integrations.claude_agent_sdk import RedisSessionStore  # noqa: PLC0415

    key: Any = {"project_key": "p", "session_id": "s"}
    agents: Any = {**key, "subpath": "a"}
    for user in "ana", "bob":
        sessions = RedisSessionStore(store, user=user, ttl=timedelta(hours=1))
        for _ in range(2):
            await sessions.append(key, [{"type": "user", "uuid": "1"}, {"type": "mode"}])
        await RedisSessionStore(store, user=user).append(key, [{"type": "mode"}])
        await sessions.append(agents, [{"type": "user"}])
        assert await sessions.load(key)
        assert await sessions.list_session_summaries("p")
        assert await sessions.list_subkeys(key) == ["a"]
        await sessions.delete(agents)


async def _use_pydantic_ai(store: RedisStore) -> None:
    pytest.importorskip("pydantic_ai.conversation_store")
    from pydantic_ai.conversation import Conversation  # noqa: PLC0415
    from pydantic_ai.messages import ModelRequest, UserPromptPart  # noqa: PLC0415

    from redis_store.integrations.pydantic_ai import RedisConversationStore  # noqa: PLC0415

    conversations = RedisConversationStore(store, ttl=timedelta(hours=1))
    said = ModelRequest(parts=[UserPromptPart(content="hi")])
    for id_ in "ab":
        await conversations.save(Conversation(conversation_id=id_, messages=[said]), scope="ana")
    await conversations.fork("a")
    assert len(await conversations.list_conversations(scope="ana")) == 3
    await conversations.delete("a", scope="ana")


async def _use_agent_framework(store: RedisStore) -> None:
    pytest.importorskip("agent_framework")
    from agent_framework import Message, WorkflowCheckpoint  # noqa: PLC0415

    from redis_store.integrations.agent_framework import (  # noqa: PLC0415
        RedisCheckpointStorage,
        RedisHistoryProvider,
    )

    for user in "ana", "bob":
        history = RedisHistoryProvider(store, user=user, ttl=timedelta(hours=1))
        await history.save_messages("s", [Message("user", ["hi"])])
        assert await history.get_messages("s")
        storage = RedisCheckpointStorage(store, user=user, ttl=timedelta(hours=1))
        await storage.save(WorkflowCheckpoint(workflow_name="w", graph_signature_hash="h"))
        assert await storage.get_latest(workflow_name="w")
        assert await storage.list_checkpoint_ids(workflow_name="w")


@pytest.mark.parametrize("use", [_use_claude, _use_pydantic_ai, _use_agent_framework])
async def test_the_documented_rights_suffice(binary: str, tmp_path: Path, use: Any) -> None:
    async with server_with(binary, tmp_path, "every store", "integrations") as server:
        for hash_tags in (False, True):
            retention = Retention(integrations=timedelta(microseconds=1))
            url = login_url(server)
            async with RedisStore(url, hash_tags=hash_tags, retention=retention) as store:
                await use(store)
                assert (await store.verify(repair=True)).ok
                assert [record async for record in store.export_resource("ana")]
                assert (await store.erase_resource("ana")).integrations
                await store.prune()
                await store.dangerously_clear_integrations()
