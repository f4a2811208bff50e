"""The primary dies under load: the sentinels name another, and callers go on."""

from pathlib import Path

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from tests.faults.workload import Workload
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import server_binaries
from tests.support.deployments.variants import LAST


async def test_no_acknowledged_write_is_lost_when_the_primary_dies(tmp_path: Path) -> None:
    """ST-01: with min_replicas=1 nothing is lost, and no caller notices but by waiting."""
    binary = server_binaries()[LAST]
    async with (
        SentinelDeployment(binary, workdir=tmp_path, replicas=2) as deployment,
        RedisStore(deployment.url, min_replicas=1) as store,
    ):
        load = Workload(store, [f"t{n}" for n in range(8)])
        async with load.running():
            await load.writes(10)
            load.fault()
            killed = await deployment.kill_primary()
            await deployment.failed_over(killed)
            await load.writes(10)
        await load.check(deployment.url, Keys(), store)
        figures = load.figures()
        assert load.errors == []
        assert figures.after_fault >= 80
        assert figures.recovery < 8
