"""A server that writes all to disk dies under load and comes back."""

from datetime import timedelta
from pathlib import Path

import pytest

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from tests.faults.workload import Workload
from tests.support.deployments.servers import Server

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.mark.parametrize("hash_tags", [False, True], ids=["plain", "tagged"])
async def test_callers_outlive_a_restart(binary: str, tmp_path: Path, *, hash_tags: bool) -> None:
    """ST-01: nothing acknowledged is lost, and no caller notices but by waiting."""
    async with (
        await Server.start(binary, tcp=True, args=DURABLE, workdir=tmp_path) as server,
        RedisStore(
            server.url, hash_tags=hash_tags, operation_timeout=timedelta(seconds=10)
        ) as store,
    ):
        load = Workload(store, [f"t{n}" for n in range(8)])
        async with load.running():
            for _ in range(2):
                await load.writes(5)
                load.fault()
                await server.kill()
                await server.restart()
                await load.writes(5)
        await load.check(server.url, Keys(hash_tags=hash_tags), store)
        assert load.errors == []
        assert load.figures().recovery < 5
