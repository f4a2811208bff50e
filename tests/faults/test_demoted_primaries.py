"""Primaries that became replicas while their connections stay open: calls find the new primary."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pytest
import redis.asyncio as aioredis

from redis_store import BackendError, RedisStore
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.nodes import LOCALHOST, Node
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import Server, server_binaries
from tests.support.deployments.variants import FIRST, LAST
from tests.support.schedules.waiting import until
from tests.support.wire.proxies import MovingEndpoint
from tests.support.wire.raw import Raw

TIMEOUT = timedelta(seconds=3)
LARGE = "x" * 100_000  # on connections of their own


class Moving:
    """A deployment whose primary is demoted by ``fail_over``, which closes no connection.

    Attributes:
        open: Builds a store on it.
    """

    def __init__(
        self, open_: Callable[[], RedisStore], fail_over: Callable[[], Awaitable[None]]
    ) -> None:
        self.open = open_
        self.fail_over = fail_over


async def _endpoint(stack: AsyncExitStack, workdir: Path, *, owned: bool) -> Moving:
    """Put a name in front of two servers, which follows the primary."""
    servers: list[Server] = []
    for name in ("old", "new"):
        (workdir / name).mkdir()
        started = await Server.start(server_binaries()[FIRST], tcp=True, workdir=workdir / name)
        servers.append(await stack.enter_async_context(started))
    old, new = servers
    endpoint = await stack.enter_async_context(MovingEndpoint(old.socket, tcp=True))

    async def fail_over() -> None:
        async with Raw(old.url) as raw:
            await raw("REPLICAOF", LOCALHOST, new.port)
        endpoint.move_to(new.socket)

    if owned:
        return Moving(lambda: RedisStore(endpoint.url, operation_timeout=TIMEOUT), fail_over)
    client = await stack.enter_async_context(_client(endpoint.url))
    return Moving(lambda: RedisStore(client=client, operation_timeout=TIMEOUT), fail_over)


def _client(url: str) -> Any:
    return cast("Any", aioredis.Redis).from_url(url)


async def _sentinels(stack: AsyncExitStack, workdir: Path, *, owned: bool) -> Moving:
    """Plan a failover by hand: one that sentinels make closes the connections."""
    service = await stack.enter_async_context(
        SentinelDeployment(server_binaries()[LAST], workdir=workdir, down_after_ms=10_000)
    )

    async def fail_over() -> None:
        old, new = service.primary, service.replicas[0]
        for sentinel in service.sentinels:
            await sentinel("SENTINEL", "REMOVE", service.service)
        await new("REPLICAOF", "NO", "ONE")
        await old("REPLICAOF", LOCALHOST, new.port)
        for sentinel in service.sentinels:
            await sentinel("SENTINEL", "MONITOR", service.service, LOCALHOST, new.port, 2)

    if owned:
        return Moving(lambda: RedisStore(service.url, operation_timeout=TIMEOUT), fail_over)
    make: Any = cast("Any", aioredis.Sentinel)
    nodes = [(LOCALHOST, each.port) for each in service.sentinels]
    sentinel = await stack.enter_async_context(make(nodes))
    client = await stack.enter_async_context(sentinel.master_for(service.service))
    return Moving(lambda: RedisStore(client=client, operation_timeout=TIMEOUT), fail_over)


async def _cluster(stack: AsyncExitStack, workdir: Path, *, owned: bool) -> Moving:
    """Plan a failover of every primary by hand."""
    cluster = await stack.enter_async_context(Cluster(server_binaries()[FIRST], workdir=workdir))

    async def fail_over() -> None:
        for replica in await cluster.replicas():
            await replica("CLUSTER", "FAILOVER")
            await until(partial(_is_primary, replica), "a replica took over", 10)

    if owned:
        return Moving(lambda: RedisStore(cluster.url, operation_timeout=TIMEOUT), fail_over)
    make: Any = cast("Any", aioredis.RedisCluster)
    client = await stack.enter_async_context(make(host=LOCALHOST, port=cluster.nodes[0].port))
    return Moving(lambda: RedisStore(client=client, operation_timeout=TIMEOUT), fail_over)


async def _is_primary(node: Node) -> bool:
    return bool((await node("ROLE"))[0] == b"master")


KINDS = {"endpoint": _endpoint, "sentinel": _sentinels, "cluster": _cluster}


@pytest.fixture(params=[True, False], ids=["owned", "borrowed"])
def owned(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=KINDS)
async def moving(
    request: pytest.FixtureRequest,
    owned: bool,  # noqa: FBT001 - a fixture
    tmp_path: Path,
) -> AsyncIterator[Moving]:
    async with AsyncExitStack() as stack:
        yield await KINDS[request.param](stack, tmp_path, owned=owned)


async def _write(store: RedisStore, word: str) -> None:
    """Write small and large records at once, so that many connections are in use."""
    texts = [word, *(f"{word}{LARGE}" for _ in range(6))]
    await asyncio.gather(
        *(
            store.memory.update_resource(f"u{number}", working_memory=text)
            for number, text in enumerate(texts)
        )
    )


async def test_a_demoted_primary_is_left(moving: Moving) -> None:
    """ST-01: by the shared connection and by all others; no call notices."""
    async with moving.open() as store:
        await _write(store, "before")
        await moving.fail_over()
        began = monotonic()
        await _write(store, "after")
        assert monotonic() - began < 0.5 * TIMEOUT.total_seconds()
        found = await store.memory.get_resource_by_id("u0")
        assert found is not None
        assert found.working_memory == "after"


async def test_calls_wait_for_an_endpoint_that_moves_late(tmp_path: Path) -> None:
    """ST-01: until their deadline, and each further failover anew."""
    async with AsyncExitStack() as stack:
        moving = await _endpoint(stack, tmp_path, owned=True)
        store = await stack.enter_async_context(moving.open())
        await _write(store, "before")
        client: Any = store.get_client()
        await client.replicaof(LOCALHOST, 1)
        writing = asyncio.ensure_future(_write(store, "after"))
        done, _ = await asyncio.wait([writing], timeout=0.5)
        assert not done
        await client.replicaof("NO", "ONE")
        await writing


async def test_an_address_that_leads_to_a_replica_for_good(tmp_path: Path) -> None:
    """GEN-03: init says so at once; later one call waits for a failover, and others do not."""
    async with (
        await Server.start(server_binaries()[FIRST], workdir=tmp_path) as own,
        Raw(own.url) as raw,
        RedisStore(own.url, operation_timeout=timedelta(seconds=1)) as store,
    ):
        await raw("REPLICAOF", LOCALHOST, 1)
        for least, most in ((0.9, 1.2), (0.0, 0.2), (0.0, 0.2)):
            began = monotonic()
            with pytest.raises(BackendError, match="read-only replica") as caught:
                await store.memory.update_resource("u", working_memory="x")
            assert caught.value.details["reason"] == "READONLY"
            assert least <= monotonic() - began < most
        assert await store.memory.get_resource_by_id("u") is None
        await raw("REPLICAOF", "NO", "ONE")
        await raw("FLUSHALL")
        await raw("REPLICAOF", LOCALHOST, 1)
        began = monotonic()
        with pytest.raises(BackendError, match="read-only replica"):
            await RedisStore(own.url).__aenter__()
        assert monotonic() - began < 1
