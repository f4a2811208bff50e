"""An unfinished reindex whose server was restarted in between."""

import json
from pathlib import Path

import anyio
import pytest

from redis_store import RedisStore
from tests.support.deployments.servers import Server, server_binaries
from tests.support.records.mastra_database import dates
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
def _other_domains_cleared() -> None:
    """Nothing to clear: the server is the test's own."""


async def test_a_cursor_of_another_server_process_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process orders its keyspace by a seed of its own, so an old cursor would skip keys."""
    monkeypatch.setattr("redis_store._connections.standalone._SCAN_COUNT", 10)
    binary = next(iter(server_binaries().values()))
    args = ("--appendonly", "yes", "--appendfsync", "always")
    server = await Server.start(binary, workdir=tmp_path, args=args)
    async with server:
        async with RedisStore(server.url) as store, Raw(server.url) as raw:
            for number in range(200):
                fields = {"id": f"t{number}", "resourceId": "u", "title": "", **dates(number)}
                await raw("SET", f"mastra_threads:id:t{number}", json.dumps(fields))
            with anyio.CancelScope() as scope:
                await store.reindex(lambda told: scope.cancel() if told.done > 90 else None)
            assert scope.cancelled_caught
        await server.restart()
        async with RedisStore(server.url) as store:
            await store.reindex()
            assert (await store.memory.list_threads(per_page=1)).total == 200
