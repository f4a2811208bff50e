"""Nodes that hang instead of dying, and servers that cut every reply off: what attempts cost."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pytest
import redis.asyncio as aioredis

from redis_store import BackendUnavailableError, RedisStore
from redis_store._connections.slots import slot_of
from tests.faults.pairs import Pair, planned, standing_still
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.nodes import LOCALHOST
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import Server, server_binaries
from tests.support.deployments.variants import FIRST
from tests.support.records.builders import thread
from tests.support.wire.proxies import CuttingProxy

TIMEOUT = timedelta(seconds=2)
HALF = TIMEOUT.total_seconds() / 2
WORD = "cut here"


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
async def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    async with planned(request.param, tmp_path_factory.mktemp(request.param)) as deployment:
        yield Pair(deployment)


async def _seconds(call: Any) -> float:
    began = monotonic()
    await call
    return monotonic() - began


async def test_a_replica_that_hangs_is_avoided(pair: Pair) -> None:
    """ST-01: the first read goes on after half of its deadline, the next ones go elsewhere."""
    async with RedisStore(pair.url, operation_timeout=TIMEOUT, read_from="replica") as store:
        await store.memory.save_thread(thread("t"))
        _, replica = await pair.nodes(pair.keys.thread("t"))
        assert await store.memory.get_thread_by_id("t") is not None
        with standing_still(replica):
            assert await _seconds(store.memory.get_thread_by_id("t")) < HALF + 0.3
            for _ in range(10):
                assert await _seconds(store.memory.get_thread_by_id("t")) < 0.2
        await store.memory.dangerously_clear_all()


async def test_reads_from_replicas_go_on_while_a_primary_hangs(pair: Pair) -> None:
    """ST-01: they do not need it."""
    async with RedisStore(pair.url, operation_timeout=TIMEOUT, read_from="replica") as store:
        await store.memory.save_thread(thread("t"))
        primary, _ = await pair.nodes(pair.keys.thread("t"))
        assert await store.memory.get_thread_by_id("t") is not None
        with standing_still(primary):
            for _ in range(5):
                assert await _seconds(store.memory.get_thread_by_id("t")) < 0.2
        await store.memory.dangerously_clear_all()


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "borrowed"])
async def test_calls_outlive_a_primary_that_hangs(owned: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """ST-01: it is given up in time to find the replica that took over."""
    timeout = timedelta(seconds=8)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(
            Cluster(server_binaries()[FIRST], workdir=tmp_path)
        )
        make: Any = cast("Any", aioredis.RedisCluster)
        client = make(host=LOCALHOST, port=cluster.nodes[0].port)
        await stack.enter_async_context(client)
        opened = (
            RedisStore(cluster.url, operation_timeout=timeout)
            if owned
            else RedisStore(client=client, operation_timeout=timeout)
        )
        store = await stack.enter_async_context(opened)
        await store.memory.save_thread(thread("t"))
        hanging = await cluster.owner(slot_of("{t}"))
        with standing_still(hanging):
            took = await _seconds(store.memory.update_thread("t", title="new"))
            assert took < 0.8 * timeout.total_seconds()
            assert await _seconds(store.memory.get_thread_by_id("t")) < 0.5


Cut = tuple[RedisStore, list[CuttingProxy]]


def _cutting(server: Server) -> CuttingProxy:
    return CuttingProxy(server.socket, WORD.encode(), tcp=True)


@asynccontextmanager
async def _cut_server(server: Server, _: Pair) -> AsyncGenerator[Cut]:
    async with (
        _cutting(server) as proxy,
        RedisStore(proxy.url, operation_timeout=TIMEOUT) as store,
    ):
        yield store, [proxy]


@asynccontextmanager
async def _cut_client(server: Server, _: Pair) -> AsyncGenerator[Cut]:
    async with _cutting(server) as proxy:
        client: Any = cast("Any", aioredis.Redis).from_url(proxy.url)
        async with client, RedisStore(client=client, operation_timeout=TIMEOUT) as store:
            yield store, [proxy]


@asynccontextmanager
async def _cut_sentinel(_: Server, pair: Pair) -> AsyncGenerator[Cut]:
    if not isinstance(pair.deployment, SentinelDeployment):
        pytest.skip("the other deployment has no sentinels")
    async with (
        _cutting(pair.deployment.primary) as proxy,
        pair.deployment.monitored_at(_port(proxy), "cut") as url,
        RedisStore(url, operation_timeout=TIMEOUT) as store,
    ):
        yield store, [proxy]


@asynccontextmanager
async def _cut_sentinel_client(_: Server, pair: Pair) -> AsyncGenerator[Cut]:
    if not isinstance(pair.deployment, SentinelDeployment):
        pytest.skip("the other deployment has no sentinels")
    nodes = [(LOCALHOST, node.port) for node in pair.deployment.sentinels]
    async with (
        _cutting(pair.deployment.primary) as proxy,
        pair.deployment.monitored_at(_port(proxy), "cut"),
        AsyncExitStack() as stack,
    ):
        sentinel: Any = cast("Any", aioredis.Sentinel)(nodes)
        for each in sentinel.sentinels:
            stack.push_async_callback(each.aclose, close_connection_pool=True)
        client = sentinel.master_for("cut")
        await stack.enter_async_context(client)
        store = RedisStore(client=client, operation_timeout=TIMEOUT)
        yield await stack.enter_async_context(store), [proxy]


@asynccontextmanager
async def _cut_cluster(_: Server, pair: Pair) -> AsyncGenerator[Cut]:
    if not isinstance(pair.deployment, Cluster):
        pytest.skip("the other deployment is no cluster")
    async with AsyncExitStack() as stack:
        ports: dict[int, int] = {}
        proxies: list[CuttingProxy] = []
        for node in [*await pair.primaries(), *await pair.replicas()]:
            proxies.append(await stack.enter_async_context(_cutting(node)))
            ports[node.port] = _port(proxies[-1])

        def remap(address: tuple[str, int]) -> tuple[str, int]:
            return address[0], ports[address[1]]

        store = RedisStore(
            f"redis+cluster://{LOCALHOST}:{next(iter(ports.values()))}",
            operation_timeout=TIMEOUT,
            address_remap=remap,
        )
        yield await stack.enter_async_context(store), proxies


def _port(proxy: CuttingProxy) -> int:
    return int(proxy.url.rpartition(":")[2])


_CUT = {
    "owned": _cut_server,
    "borrowed": _cut_client,
    "sentinel": _cut_sentinel,
    "sentinel, borrowed": _cut_sentinel_client,
    "cluster": _cut_cluster,
}


@pytest.mark.parametrize("kind", _CUT)
async def test_replies_that_are_cut_every_time(kind: str, pair: Pair, server: Server) -> None:
    """GEN-04: attempts become rare, as the reply may be the reason; the error says all that."""
    async with _CUT[kind](server, pair) as (store, proxies):
        await store.memory.save_thread(thread("t", title=WORD))
        with pytest.raises(BackendUnavailableError, match="in the middle of a reply") as caught:
            await store.memory.get_thread_by_id("t")
        cuts = sum(proxy.cuts for proxy in proxies)
        assert 4 <= cuts <= 8
        assert f"{cuts} attempts were made" in str(caught.value)
        assert caught.value.details["attempts"] == cuts
        for proxy in proxies:
            proxy.word = b"\0none"
        assert await store.memory.get_thread_by_id("t") is not None
        await store.memory.dangerously_clear_all()
