"""A user needs the rights that the README documents for MCP, and each of them."""

import re
from pathlib import Path

import pytest

pytest.importorskip("mcp", reason="needs redis-store[frameworks]")

from redis_store import RedisStore
from redis_store.integrations.mcp import RedisEventStore, RedisKeyValue
from tests.integrations.mcp.test_event_store import progress, replay
from tests.support.deployments.rights import RIGHTS, login_url, server_with
from tests.support.wire.raw import Raw


async def test_the_documented_rights_suffice(server_name: str, binary: str, tmp_path: Path) -> None:
    async with server_with(binary, tmp_path, "every store", "MCP") as server:
        for hash_tags in (False, True):
            async with RedisStore(login_url(server), hash_tags=hash_tags) as store:
                events, values = RedisEventStore(store), RedisKeyValue(store)
                first = await events.store_event("s", None)
                await events.store_event("s", progress(1))
                assert len((await replay(events, first))[1]) == 1
                await values.put("a", {"x": 1}, ttl=60)
                assert await values.get_many(["a", "b"]) == [{"x": 1}, None]
                assert await values.delete("a")
        async with Raw(server.url) as raw:
            needed = set(re.findall(r"\+(\S+)", RIGHTS["MCP"]))
            assert needed <= (await raw.commandstats()).keys(), server_name
