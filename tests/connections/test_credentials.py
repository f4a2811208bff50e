"""Credential providers that fail on a reconnect: no connection is kept without its login."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import anyio
import pytest
import redis.asyncio as aioredis
from redis.credentials import CredentialProvider

from redis_store import RedisStore, RedisStoreError
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.logins import ANN, BOB, as_sentinel_user, connections, url_of
from tests.support.deployments.nodes import LOCALHOST, Node
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.schedules.waiting import until

LARGE = "x" * 100_000  # on a connection of its own


class Vault(CredentialProvider):
    """Gives ann's login; fails, or is slow, so many times first."""

    def __init__(self) -> None:
        self.failures = 0
        self.is_slow = False

    def get_credentials(self) -> tuple[str, str]:
        return ANN.username, ANN.password

    async def get_credentials_async(self) -> tuple[str, str]:
        if self.is_slow:
            await anyio.sleep_forever()
        if self.failures:
            self.failures -= 1
            raise LookupError("the vault is shut")
        return self.get_credentials()


by_each_owner = pytest.mark.parametrize("owner", ["owned", "borrowed"])
on_each_topology = pytest.mark.parametrize("kind", ["standalone", "sentinel", "cluster"])


@asynccontextmanager
async def _opened(
    kind: str, owner: str, vault: Vault, service: SentinelDeployment, cluster: Cluster
) -> AsyncGenerator[tuple[RedisStore, list[Node]]]:
    """Open a store on one of the deployments; give it with the nodes that hold data."""
    options: dict[str, Any] = {
        "key_prefix": f"{uuid4().hex}:",
        "operation_timeout": timedelta(seconds=0.8),
    }
    login: dict[str, Any] = {"credential_provider": vault}
    primary = service.primary
    urls = {
        "standalone": f"redis://{LOCALHOST}:{primary.port}",
        "sentinel": f"redis+sentinel://{url_of(service).partition('@')[2]}",
        "cluster": f"redis+cluster://{url_of(cluster).partition('@')[2]}",
    }
    nodes = cluster.nodes if kind == "cluster" else [primary]
    if owner == "owned":
        bob = as_sentinel_user(BOB) if kind == "sentinel" else {}
        async with RedisStore(urls[kind], **options, **login, **bob) as store:
            yield store, nodes
        return
    clients: Any = aioredis
    if kind == "standalone":
        client = clients.Redis(host=LOCALHOST, port=primary.port, **login)
    elif kind == "cluster":
        client = clients.RedisCluster(host=LOCALHOST, port=nodes[0].port, **login)
    else:
        named = [(LOCALHOST, each.port) for each in service.sentinels]
        client = clients.Sentinel(named, sentinel_kwargs=BOB._asdict()).master_for(
            service.service, **login
        )
    async with client, RedisStore(client=client, **options) as store:
        yield store, nodes
    if kind == "sentinel":
        for sentinel in client.connection_pool.sentinel_manager.sentinels:
            await sentinel.aclose()


@by_each_owner
@on_each_topology
async def test_a_provider_that_fails_once_costs_one_call(
    kind: str, owner: str, sentinel_service: SentinelDeployment, guarded_nodes: Cluster
) -> None:
    """ST-01: shared connections and others log in again; whoever called then is told why."""
    vault = Vault()
    async with _opened(kind, owner, vault, sentinel_service, guarded_nodes) as (store, nodes):
        for round_, size in enumerate((1, 1, 100_000, 100_000)):
            text = "x" * size
            await store.memory.update_resource("u", working_memory=text)
            await _disconnect(nodes)
            vault.failures = 1
            outcomes: list[object] = [
                *await asyncio.gather(
                    *(store.memory.update_resource(f"{n}", working_memory=text) for n in range(4)),
                    return_exceptions=True,
                )
            ]
            failed = [each for each in outcomes if isinstance(each, BaseException)]
            assert vault.failures == 0, round_
            assert {repr(each) for each in failed} <= {"LookupError('the vault is shut')"}
            for number in range(8):
                await store.memory.update_resource(f"{number}", working_memory=text)
        await store.memory.dangerously_clear_all()


async def _disconnect(nodes: list[Node]) -> None:
    for node in nodes:
        await node("CLIENT", "KILL", "USER", ANN.username)

    async def is_none() -> bool:
        return not await connections(nodes, ANN)

    await until(is_none, "ann is not connected")


@by_each_owner
@on_each_topology
async def test_a_login_that_is_cancelled_is_made_again(
    kind: str, owner: str, sentinel_service: SentinelDeployment, guarded_nodes: Cluster
) -> None:
    """ST-01: a provider that hangs lets calls end in time, and the next ones work."""
    vault = Vault()
    async with _opened(kind, owner, vault, sentinel_service, guarded_nodes) as (store, nodes):
        for text in ("x", LARGE):
            await store.memory.update_resource("u", working_memory=text)
            await _disconnect(nodes)
            vault.is_slow = True
            with anyio.move_on_after(0.2), pytest.raises(RedisStoreError):
                await store.memory.update_resource("u", working_memory=text)
            with anyio.fail_after(4), pytest.raises(RedisStoreError):
                await store.memory.update_resource("u", working_memory=text)
            vault.is_slow = False
            await store.memory.update_resource("u", working_memory=text)
        await store.memory.dangerously_clear_all()


@by_each_owner
async def test_a_connection_that_is_not_logged_in_is_replaced(
    owner: str, sentinel_service: SentinelDeployment
) -> None:
    """ST-01: whoever left it so."""
    vault, port = Vault(), sentinel_service.primary.port
    login: dict[str, Any] = {"credential_provider": vault}
    prefix = f"{uuid4().hex}:"
    client: Any = cast("Any", aioredis.Redis)(host=LOCALHOST, port=port, **login)
    source: dict[str, Any] = (
        {"connection_string": f"redis://{LOCALHOST}:{port}", **login}
        if owner == "owned"
        else {"client": client}
    )
    async with client, RedisStore(**source, key_prefix=prefix) as store:
        for text in ("x", LARGE):
            await store.memory.update_resource("u", working_memory=text)
            used: Any = store.get_client()
            for connection in used.connection_pool._available_connections:  # noqa: SLF001
                await connection.send_command("RESET")
                await connection.read_response()
            await store.memory.update_resource("u", working_memory=text)
        await store.memory.dangerously_clear_all()
