"""The rewrite that replicas confirm changes nothing, whatever the type of the key."""

import pytest

from redis_store._connections.commands import info_fields
from redis_store._engine.scripts import REWRITE
from tests.support.deployments.servers import Server
from tests.support.wire.raw import Raw, connect_raw

KEY = "rewritten"
WRITES = {
    "string": ("SET", KEY, "v"),
    "hash": ("HSET", KEY, "f", "v"),
    "list": ("RPUSH", KEY, "v"),
    "zset": ("ZADD", KEY, 1, "v"),
}


async def _changes(raw: Raw) -> int:
    facts = info_fields(await raw("INFO", "persistence"))
    return int(facts["rdb_changes_since_last_save"])


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("ttl_ms", [None, 100_000])
async def test_a_rewrite_is_a_write_that_changes_nothing(
    server: Server, kind: str, ttl_ms: int | None
) -> None:
    async with connect_raw(server.url) as raw:
        await raw("DEL", KEY)
        await raw(*WRITES[kind])
        if ttl_ms is not None:
            await raw("PEXPIRE", KEY, ttl_ms)
        dump, changes = await raw("DUMP", KEY), await _changes(raw)
        await raw("EVAL", REWRITE.source, 1, KEY)
        assert await _changes(raw) > changes
        assert await raw("DUMP", KEY) == dump
        left = await raw("PTTL", KEY)
        assert left == -1 if ttl_ms is None else 90_000 < left <= ttl_ms
        await raw("DEL", KEY)
        await raw("EVAL", REWRITE.source, 1, KEY)
        assert await raw("EXISTS", KEY) == 0
