"""Sentinel and Cluster, by URL and by a borrowed client: every call, every login, nothing left."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import pytest
import redis.asyncio as aioredis

from redis_store import ConfigurationError, MemoryStore, RedisStore
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.logins import (
    ANN,
    BOB,
    WATCH,
    Login,
    as_sentinel_user,
    connections,
    url_of,
)
from tests.support.deployments.nodes import LOCALHOST, Node
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import free_port
from tests.support.inspection.leftovers import no_leaks
from tests.support.records.builders import message, thread
from tests.support.records.memory_calls import every_call, furnish
from tests.support.schedules.waiting import until

KINDS: list[dict[str, Any]] = [
    {"protocol": 2},
    {"decode_responses": True, "protocol": 2},
    {"decode_responses": True, "protocol": 3},
]
LOGIN: dict[str, Any] = ANN._asdict()


async def _make_every_call(memory: MemoryStore) -> None:
    for call in every_call().values():
        await furnish(memory)
        await call(memory)
    await furnish(memory)
    page = await memory.list_messages("t", per_page=2, direction="desc")
    assert page.items == [message("d", 3), message("c", 2)]
    assert page.total == 4
    assert {each.id for each in await memory.list_threads(resource_id="u")} == {"t", "t2"}
    await memory.dangerously_clear_all()


async def _works(store: RedisStore) -> bool:
    """Write and read one record in a place of its own."""
    id_ = uuid4().hex
    await store.memory.update_resource(id_, working_memory="x")
    found = await store.memory.get_resource_by_id(id_)
    return found is not None and found.working_memory == "x"


@asynccontextmanager
async def _master_for(
    deployment: SentinelDeployment, **options: Any
) -> AsyncGenerator["aioredis.Redis"]:
    """The caller's client for the primary that sentinels name."""
    nodes = [(LOCALHOST, each.port) for each in deployment.sentinels]
    make: Any = cast("Any", aioredis.Sentinel)
    async with (
        make(nodes, sentinel_kwargs=BOB._asdict(), **LOGIN) as sentinel,
        sentinel.master_for(deployment.service, **options) as client,
    ):
        yield client


@asynccontextmanager
async def _cluster_client(
    cluster: Cluster, **options: Any
) -> AsyncGenerator["aioredis.RedisCluster"]:
    """The caller's client for a cluster."""
    port = cluster.nodes[0].port
    make: Any = cast("Any", aioredis.RedisCluster)
    async with make(host=LOCALHOST, port=port, **LOGIN, **options) as client:
        yield client


async def test_every_call_works_by_url(
    sentinel_service: SentinelDeployment, guarded_nodes: Cluster
) -> None:
    """ST-01: with sentinels and on a cluster."""
    prefix = f"{uuid4().hex}:"
    url, login = url_of(sentinel_service), as_sentinel_user(BOB)
    async with RedisStore(url, key_prefix=prefix, **login) as store:
        assert store.topology == "sentinel"
        await _make_every_call(store.memory)
    async with RedisStore(url_of(guarded_nodes), key_prefix=prefix) as store:
        assert store.topology == "cluster"
        await _make_every_call(store.memory)


@pytest.mark.parametrize("options", KINDS, ids=str)
async def test_every_call_works_on_a_borrowed_client(
    options: dict[str, Any], sentinel_service: SentinelDeployment, guarded_nodes: Cluster
) -> None:
    """ST-01: whatever its protocol is and whether it decodes."""
    async with (
        _master_for(sentinel_service, **options) as client,
        RedisStore(client=client, key_prefix=f"{uuid4().hex}:") as store,
    ):
        assert store.topology == "sentinel"
        await _make_every_call(store.memory)
    async with (
        _cluster_client(guarded_nodes, **options) as nodes,
        RedisStore(client=nodes, key_prefix=f"{uuid4().hex}:") as store,
    ):
        assert store.topology == "cluster"
        await _make_every_call(store.memory)


def _query(login: Login) -> str:
    user = f"sentinel_username={login.username}&" if login.username else ""
    return f"?{user}sentinel_password={quote(login.password, safe='')}"


WAYS: dict[str, Callable[[str], RedisStore]] = {
    "arguments": lambda url: RedisStore(url, **as_sentinel_user(BOB)),
    "a query": lambda url: RedisStore(url + _query(BOB)),
    "the default user's password": lambda url: RedisStore(url, **as_sentinel_user(WATCH)),
    "the default user's password in a query": lambda url: RedisStore(url + _query(WATCH)),
    "both, where arguments win": lambda url: RedisStore(
        url + "?sentinel_password=wrong", **as_sentinel_user(BOB)
    ),
    "the data's login as arguments": lambda url: RedisStore(
        f"redis+sentinel://{url.partition('@')[2]}", **LOGIN, **as_sentinel_user(BOB)
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_sentinels_have_a_login_of_their_own(
    way: str, sentinel_service: SentinelDeployment
) -> None:
    """ST-01: beside that of the servers they watch."""
    async with no_leaks(), WAYS[way](url_of(sentinel_service)) as store:
        assert await _works(store)


async def test_one_of_the_nodes_that_are_named_is_enough(
    sentinel_service: SentinelDeployment, guarded_nodes: Cluster
) -> None:
    """ST-01: the others may be down."""
    deployments: list[tuple[str, Node]] = [
        (url_of(sentinel_service), sentinel_service.sentinels[0]),
        (url_of(guarded_nodes), guarded_nodes.nodes[0]),
    ]
    for url, node in deployments:
        login, _, rest = url.partition("@")
        hosts = f"{LOCALHOST}:{free_port()},{LOCALHOST}:{node.port}"
        path = rest[rest.index("/") :] if "/" in rest else ""
        options = as_sentinel_user(BOB) if path else {}
        async with no_leaks(), RedisStore(f"{login}@{hosts}{path}", **options) as store:
            assert await _works(store)


async def test_a_store_closes_every_connection_to_sentinels_and_servers(
    sentinel_service: SentinelDeployment,
) -> None:
    """ST-03: none of its users is connected to anything any more."""
    servers = [sentinel_service.primary, *sentinel_service.replicas]
    options: dict[str, Any] = {**as_sentinel_user(BOB), "read_from": "replica"}

    async def connected() -> tuple[int, int]:
        data = await connections(servers, ANN)
        return len(data), len(await connections(sentinel_service.sentinels, BOB))

    assert await connected() == (0, 0)
    async with no_leaks(), RedisStore(url_of(sentinel_service), **options) as store:
        assert await _works(store)
        assert min(await connected()) > 0
        assert {port for port, _ in await connections(servers, ANN)} == {s.port for s in servers}
    await until(lambda: _is_none(connected), "all connections are closed")


async def test_a_store_closes_every_connection_to_a_cluster(guarded_nodes: Cluster) -> None:
    """ST-03: also to nodes that it only was sent to."""

    async def connected() -> tuple[int]:
        return (len(await connections(guarded_nodes.nodes, ANN)),)

    assert await connected() == (0,)
    async with no_leaks(), RedisStore(url_of(guarded_nodes)) as store:
        await furnish(store.memory)
        assert (await connected())[0] >= len(guarded_nodes.nodes)
        await store.memory.dangerously_clear_all()
    await until(lambda: _is_none(connected), "all connections are closed")


async def _is_none(connected: Callable[[], Any]) -> bool:
    return not any(await connected())


async def test_a_borrowed_client_keeps_its_connections(
    sentinel_service: SentinelDeployment, guarded_nodes: Cluster
) -> None:
    """ST-03: those to the sentinels too; it works on when the store is closed."""
    service = [sentinel_service.primary, *sentinel_service.sentinels]
    async with _master_for(sentinel_service) as primary, _cluster_client(guarded_nodes) as cluster:
        borrowed: list[tuple[Any, list[Node]]] = [
            (primary, service),
            (cluster, guarded_nodes.nodes),
        ]
        for client, nodes in borrowed:
            async with RedisStore(client=client) as store:
                assert await _works(store)
                before = await connections(nodes, ANN), await connections(nodes, BOB)
            await client.ping()
            assert (await connections(nodes, ANN), await connections(nodes, BOB)) == before
            assert before[0]


async def test_a_cluster_needs_hash_tags(guarded_nodes: Cluster) -> None:
    """ST-01: they are on by default there, and cannot be off; elsewhere they are off."""
    url = url_of(guarded_nodes)
    client = aioredis.RedisCluster(host=LOCALHOST, port=guarded_nodes.nodes[0].port)
    for source in ({"connection_string": url}, {"client": client}):
        with pytest.raises(ConfigurationError, match="must be on for a cluster") as caught:
            RedisStore(**cast("Any", source), hash_tags=False)
        assert caught.value.code == "CONFIGURATION_INVALID_HASH_TAGS"
    async with RedisStore(url) as store:
        await store.memory.save_thread(thread())
        found = await cast("Any", store.get_client()).exists("mastra_threads:id:{t}")
        assert found == 1
        await store.memory.dangerously_clear_all()


async def test_keys_have_no_hash_tags_with_sentinels(sentinel_service: SentinelDeployment) -> None:
    """ST-01: unless they are asked for."""
    for options, key in (
        ({}, "mastra_threads:id:t"),
        ({"hash_tags": True}, "mastra_threads:id:{t}"),
    ):
        known: dict[str, Any] = {**options, **as_sentinel_user(BOB)}
        async with RedisStore(url_of(sentinel_service), **known) as store:
            await store.memory.save_thread(thread())
            assert await cast("Any", store.get_client()).exists(key) == 1
            await store.memory.dangerously_clear_all()
