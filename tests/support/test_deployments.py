"""The deployments that other tests run on: they come up, fail over, and leave nothing behind."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from redis.exceptions import AskError, AuthenticationError, ClusterDownError, MovedError

from tests.support.deployments.clusters import SLOTS, Cluster
from tests.support.deployments.nodes import Node
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import server_binaries
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw

# One server for each check: the tests that use these deployments cover the others.
FIRST, *_, LAST = server_binaries().values()
USERS = ("ann on >a ~* &* +@all",)
FAILOVER_SECONDS = 10


@pytest.fixture(scope="module")
async def sentinel(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SentinelDeployment]:
    deployment = SentinelDeployment(
        LAST,
        workdir=tmp_path_factory.mktemp("sentinel"),
        password="data",
        users=USERS,
        sentinel_password="watch",
        sentinel_users=("bob on >b ~* &* +@all",),
    )
    async with deployment:
        yield deployment


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    workdir = tmp_path_factory.mktemp("cluster")
    async with Cluster(FIRST, workdir=workdir, password="data", users=USERS) as deployment:
        yield deployment


async def test_sentinels_find_a_quorum_and_the_primary_has_its_replica(
    sentinel: SentinelDeployment,
) -> None:
    for each in sentinel.sentinels:
        assert (await each("SENTINEL", "CKQUORUM", "mymaster")).startswith(b"OK 3")
    primary = await sentinel.current_primary()
    await primary("SET", "written", "1")
    assert await primary("WAIT", 1, 1000) == 1


async def test_a_killed_primary_gives_way_to_its_replica(tmp_path: Path) -> None:
    async with SentinelDeployment(FIRST, workdir=tmp_path) as deployment:
        old = await deployment.current_primary()
        await old("SET", "kept", "1")
        await old("WAIT", 1, 1000)
        assert await deployment.kill_primary() is old
        new = await deployment.failed_over(old, timeout=FAILOVER_SECONDS)
        assert await new("GET", "kept") == b"1"


async def test_sentinels_and_the_servers_they_watch_have_separate_logins(
    sentinel: SentinelDeployment,
) -> None:
    assert await _whoami("ann:a", sentinel.primary) == b"ann"
    assert await _whoami("ann:a", sentinel.replicas[0]) == b"ann"
    assert await _whoami("bob:b", sentinel.sentinels[0]) == b"bob"
    assert await _whoami(":watch", sentinel.sentinels[0]) == b"default"
    with pytest.raises(AuthenticationError):
        await _whoami(":data", sentinel.sentinels[0])
    assert sentinel.url.startswith("redis+sentinel://:data@127.0.0.1:")


async def test_users_log_in_to_any_node_of_a_cluster(cluster: Cluster) -> None:
    assert {await _whoami("ann:a", node) for node in cluster.nodes} == {b"ann"}
    assert cluster.url.startswith("redis+cluster://:data@127.0.0.1:")


async def test_each_primary_of_a_cluster_serves_a_third_of_the_slots_and_has_a_replica(
    cluster: Cluster,
) -> None:
    owners = [await cluster.owner(slot) for slot in (0, SLOTS // 2, SLOTS - 1)]
    assert set(owners) <= set(await cluster.primaries())
    for owner in owners:
        assert len(await cluster.replicas_of(owner)) == 1
        assert await owner("WAIT", 1, 1000) == 1
    assert len(set(owners)) == len(await cluster.replicas()) == 3


async def test_a_slot_moves_with_its_keys_while_clients_are_sent_after_them(
    cluster: Cluster,
) -> None:
    keys = [f"{{hot}}:{number}" for number in range(150)]
    slot = await cluster.nodes[0]("CLUSTER", "KEYSLOT", "{hot}")
    source = await cluster.owner(slot)
    target = next(each for each in await cluster.primaries() if each is not source)
    for key in keys:
        await source("SET", key, key)
    migration = cluster.migration(slot, source, target)
    await migration.begin()
    assert await migration.move_keys(limit=50) == 50
    assert await source("DBSIZE") == 100
    replies = [await _get(source, key) for key in keys]
    assert replies.count(AskError) == 50
    while await migration.move_keys():
        pass
    await migration.finish()
    await cluster.settled()
    assert await cluster.owner(slot) is target
    assert [(await target("GET", key)).decode() for key in keys] == keys
    assert await _get(source, keys[0]) is MovedError
    await cluster.migrate_slot(slot, target, source)
    assert await target("DBSIZE") == 0
    await source("DEL", *keys)


async def test_a_killed_primary_of_a_cluster_gives_way_and_comes_back_as_replica(
    cluster: Cluster,
) -> None:
    slot = await cluster.nodes[0]("CLUSTER", "KEYSLOT", "kept")
    old = await cluster.owner(slot)
    await old("SET", "kept", "1")
    await old("WAIT", 1, 1000)
    await old.kill()
    with anyio.fail_after(FAILOVER_SECONDS):
        await cluster.failed_over(old)
    new = await cluster.owner(slot)
    assert await new("GET", "kept") == b"1"
    await cluster.rejoin(old)
    assert await cluster.replicas_of(new) == [old]
    await new("DEL", "kept")


async def test_a_cluster_refuses_commands_while_a_slot_is_not_served(cluster: Cluster) -> None:
    owner = await cluster.owner(0)
    async with cluster.uncovered(0, 1):
        for each in cluster.nodes:
            with pytest.raises(ClusterDownError):
                await each("GET", "any")
    assert await cluster.owner(0) is await cluster.owner(1) is owner


async def test_no_process_is_left_when_a_deployment_ends(tmp_path: Path) -> None:
    async with SentinelDeployment(FIRST, workdir=tmp_path) as deployment:
        nodes = _nodes(deployment)
        pids = [node.pid for node in nodes]
        assert len(pids) == 5
        assert all(map(_lives, pids))
    await until(lambda: not any(map(_lives, pids)), "the processes ended")
    assert not any(Path(node.socket).parent.exists() for node in nodes)


async def test_no_process_is_left_when_a_deployment_cannot_start(tmp_path: Path) -> None:
    deployment = SentinelDeployment(FIRST, workdir=tmp_path, args=("--no-such-option", "1"))
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="no-such-option")):
        await deployment.__aenter__()
    assert not any(node.running for node in _nodes(deployment))


def _nodes(deployment: SentinelDeployment) -> list[Node]:
    return [deployment.primary, *deployment.replicas, *deployment.sentinels]


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def _whoami(login: str, node: Node) -> Any:
    async with Raw(f"redis://{login}@127.0.0.1:{node.port}") as client:
        return await client("ACL", "WHOAMI")


async def _get(node: Node, key: str) -> Any:
    """Give the value, or the kind of redirection."""
    try:
        return await node("GET", key)
    except (AskError, MovedError) as error:
        return type(error)
