"""What ``@mastra/redis`` 1.4.6 wrote to an empty database, and how to load it."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis_store import RedisStore
from tests.support.deployments.servers import Server
from tests.support.wire.raw import Raw

DUMP = Path(__file__).parent / "mastra-redis-1.4.6" / "dump.jsonl"
ENTRIES: dict[str, Any] = {
    entry["key"]: entry["value"] for entry in map(json.loads, DUMP.read_text().splitlines())
}


def _records(prefix: str) -> dict[str, dict[str, Any]]:
    """Every JSON record of one kind, by id."""
    found = (json.loads(value) for key, value in ENTRIES.items() if key.startswith(prefix))
    return {record["id"]: record for record in found}


THREADS = _records("mastra_threads:id:")
MESSAGES = _records("mastra_messages:")
RESOURCES = _records("mastra_resources:")
ORDERS: dict[str, list[str]] = {
    id_: [member for member, _ in ENTRIES.get(f"thread:{id_}:messages", [])] for id_ in THREADS
}

# No other test uses this database.
_DB = 9


@asynccontextmanager
async def loaded(server: Server) -> AsyncGenerator[Raw]:
    """Open a client on a database that holds the dump and nothing else."""
    async with Raw(f"{server.url}?db={_DB}") as raw:
        await raw("FLUSHDB")
        for key, value in ENTRIES.items():
            if isinstance(value, str):
                await raw("SET", key, value)
            else:
                await raw("ZADD", key, *(part for pair in value for part in reversed(pair)))
        yield raw
        await raw("FLUSHDB")


def store_on(server: Server) -> RedisStore:
    """Build a store on that database."""
    return RedisStore(server.url, db=_DB)
