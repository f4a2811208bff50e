"""A user needs the rights that the README documents, and each of them."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from redis_store import RedisStore, Retention
from redis_store.integrations.langgraph import RedisBaseStore, RedisSaver
from tests.integrations.langgraph.item_programs import INDEX
from tests.integrations.langgraph.states import Thread, config, messages
from tests.support.deployments.rights import RIGHTS, login_url, server_with
from tests.support.wire.raw import Raw

LANGGRAPH = "LangGraph, with those of integrations"


async def _use_savers(store: RedisStore) -> None:
    saver = RedisSaver(store, ttl=timedelta(days=1), refresh_on_read=True)
    thread = Thread(saver)
    for count in range(20, 90):
        await thread.put(run=f"r{count}", messages=messages(count))
    await saver.aput_writes(thread.at, [("messages", 1)], "task")
    assert await RedisSaver(store).aget_tuple(config())
    assert [each async for each in saver.alist(None, filter={"run_id": "r30"})]
    assert await saver.aget_delta_channel_history(config=config(), channels=["messages"])
    await saver.acopy_thread("t", "copy")
    await saver.adelete_for_runs(["r30"])
    await saver.aprune(["t", "copy"])
    assert (await store.verify(repair=True)).ok
    await saver.adelete_thread("t")
    await saver.adelete_thread("copy")
    assert [each async for each in saver.alist(None)] == []


async def _use_items(store: RedisStore) -> None:
    memories = RedisBaseStore(store, index=INDEX, ttl={"default_ttl": 5})
    for at in range(3):
        await memories.aput(("users", "ana"), str(at), {"text": "tea"})
    assert await memories.aget(("users", "ana"), "1")
    assert len(await memories.asearch(("users",), filter={"text": "tea"})) == 3
    assert len(await memories.asearch(("users",), query="tea")) == 3
    assert await memories.alist_namespaces(prefix=("users",)) == [("users", "ana")]
    await store.prune()
    assert (await store.verify(repair=True)).ok
    for at in range(3):
        await memories.adelete(("users", "ana"), str(at))


async def test_the_documented_rights_suffice(server_name: str, binary: str, tmp_path: Path) -> None:
    rows = "every store", "integrations", LANGGRAPH
    async with server_with(binary, tmp_path, *rows) as server:
        for hash_tags in (False, True):
            retention = Retention(integrations=timedelta(days=1))
            url = login_url(server)
            async with RedisStore(url, hash_tags=hash_tags, retention=retention) as store:
                await _use_savers(store)
                await _use_items(store)
        async with Raw(server.url) as raw:
            needed = set(re.findall(r"\+(\S+)", RIGHTS[LANGGRAPH]))
            assert needed <= (await raw.commandstats()).keys(), server_name
