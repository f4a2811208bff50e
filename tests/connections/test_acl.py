"""Users who may do what the README names, and nothing else."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from redis_store import BackendError, RedisStore, Thread
from redis_store._connections.slots import slot_of
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.rights import (
    PASSWORD,
    RIGHTS,
    login_url,
    server_with,
    user_with,
)
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import server_binaries
from tests.support.records.all_calls import use_everything
from tests.support.records.builders import thread
from tests.support.records.integration_calls import use_integrations
from tests.support.wire.raw import Raw, connect_raw

FIRST, *_, LAST = server_binaries().values()
REPLICAS = "reads from a cluster's replicas"
SENTINELS = "the sentinels' own user"
INTEGRATIONS = "integrations"


async def test_the_documented_rights_suffice_for_every_call(
    server_name: str, binary: str, tmp_path: Path
) -> None:
    """ST-01: on both key layouts, with the scripts flushed in between."""
    async with (
        server_with(binary, tmp_path, "every store") as server,
        Raw(server.url) as raw,
    ):
        for hash_tags in (False, True):
            await use_everything(login_url(server), server.url, hash_tags=hash_tags)
        async with RedisStore(login_url(server)) as store:
            await raw("SCRIPT", "FLUSH")
            await store.memory.save_thread(thread())
        if server_name != "redis-6.2":  # it does not count a subcommand by its own name
            allowed = set(re.findall(r"\+(\S+)", RIGHTS["every store"]))
            assert allowed <= (await raw.commandstats()).keys(), "each right is needed"


async def test_integrations_need_the_rights_of_their_row(
    server_name: str, binary: str, tmp_path: Path
) -> None:
    """ST-01: and each of them."""
    async with server_with(binary, tmp_path, "every store", INTEGRATIONS) as server:
        for hash_tags in (False, True):
            async with RedisStore(login_url(server), hash_tags=hash_tags) as store:
                await use_integrations(store)
        async with Raw(server.url) as raw:
            stats = await raw.commandstats()
            assert set(re.findall(r"\+(\S+)", RIGHTS[INTEGRATIONS])) <= stats.keys(), server_name


async def test_other_databases_need_one_right_more(tmp_path: Path) -> None:
    """ST-01: SELECT; and nothing else does."""
    names = "every store", "a database other than 0"
    async with (
        server_with(FIRST, tmp_path, *names) as server,
        RedisStore(login_url(server) + "/3") as store,
    ):
        await store.memory.save_thread(thread())
        assert await store.memory.get_thread_by_id("t") is not None


async def test_the_servers_clock_needs_one_right_more(tmp_path: Path) -> None:
    """ST-01: TIME; without it nothing is written."""
    async with server_with(FIRST, tmp_path, "every store", '`clock="server"`') as server:
        await use_everything(login_url(server), server.url, clock="server")
        async with Raw(server.url) as raw:
            await raw("ACL", "SETUSER", "least", "-time")
        async with RedisStore(login_url(server), clock="server") as store:
            with pytest.raises(BackendError) as caught:
                await store.memory.create_thread(Thread(id="t", resource_id="u"))
            assert caught.value.details["reason"] == "NOPERM"
            assert await store.memory.get_thread_by_id("t") is None


@pytest.mark.parametrize(
    "command", ["FLUSHALL", "KEYS *", "GET secret", "CONFIG GET *", "ACL LIST", "FLUSHDB"]
)
async def test_the_documented_rights_reach_nothing_else(command: str, least: Raw) -> None:
    """ST-01: no other command, and no key of anybody else."""
    with pytest.raises(Exception, match="permission"):
        await least(*command.split())


@pytest.fixture(scope="module")
async def least(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Raw]:
    """A plain client of the user who has the rights of every store."""
    workdir = tmp_path_factory.mktemp("least")
    async with server_with(FIRST, workdir, "every store") as server, Raw(login_url(server)) as raw:
        yield raw


async def test_a_key_prefix_goes_in_front_of_each_pattern(tmp_path: Path) -> None:
    """ST-01: other prefixes' keys are out of reach."""
    rights = RIGHTS["every store"].replace("~", "~mine:")
    async with server_with(FIRST, tmp_path, "every store") as server:
        async with Raw(server.url) as raw:
            await raw("ACL", "SETUSER", "least", "resetkeys", *rights.split())
        async with RedisStore(login_url(server), key_prefix="mine:") as store:
            await store.memory.save_thread(thread())
            await store.cache.set("a", 1)
            await store.memory.dangerously_clear_all()
        with pytest.raises(BackendError) as caught:
            await RedisStore(login_url(server), key_prefix="other:").__aenter__()
        assert caught.value.details["reason"] == "NOPERM"


async def test_the_documented_rights_suffice_with_sentinels(tmp_path: Path) -> None:
    """ST-01: two users, one of the servers and one of the sentinels; reads from replicas too."""
    deployment = SentinelDeployment(
        LAST,
        workdir=tmp_path,
        users=[user_with("every store", "`min_replicas`")],
        sentinel_users=[f"looker on >{PASSWORD} {RIGHTS[SENTINELS]}"],
    )
    async with deployment:
        url = deployment.url_as("least", PASSWORD)
        login = f"?sentinel_username=looker&sentinel_password={PASSWORD}"
        await use_everything(url + login, deployment.url, min_replicas=1)
        async with RedisStore(url + login, read_from="replica", min_replicas=1) as store:
            await store.memory.save_thread(thread())
            assert await store.memory.get_thread_by_id("t") is not None
            await store.memory.dangerously_clear_all()
        facts = await deployment.replicas[0].facts("INFO", "commandstats")
        assert "cmdstat_get" in facts, "a replica was read"


async def test_the_documented_rights_suffice_on_a_cluster(tmp_path: Path) -> None:
    """ST-01: with reads from replicas, and while a slot moves to another node."""
    names = "every store", INTEGRATIONS, "a cluster", REPLICAS, "`min_replicas`"
    async with Cluster(FIRST, workdir=tmp_path, users=[user_with(*names)]) as cluster:
        url = cluster.url_as("least", PASSWORD)
        await use_everything(url, cluster.url, min_replicas=1)
        async with RedisStore(url, min_replicas=1) as store:
            await use_integrations(store)
        async with RedisStore(url, read_from="replica") as store:
            await _use_a_moving_slot(store, cluster)
        async with connect_raw(cluster.url) as raw:
            assert (await raw.commandstats())["asking"] > 0
        replicas = await cluster.replicas()
        facts = [await each.facts("INFO", "commandstats") for each in replicas]
        assert any("cmdstat_readonly" in each for each in facts), "a replica was read"


async def _use_a_moving_slot(store: RedisStore, cluster: Cluster) -> None:
    await store.memory.save_thread(thread())
    slot = slot_of("{t}")
    source = await cluster.owner(slot)
    target = next(each for each in await cluster.primaries() if each is not source)
    migration = cluster.migration(slot, source, target)
    await migration.begin()
    await migration.move_keys()
    assert await store.memory.get_thread_by_id("t") is not None
    await migration.finish()
    assert await store.memory.get_thread_by_id("t") is not None
