"""A server that may evict a store's keys: one warning per store, and none without need."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from redis_store import RedisStore
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.logins import BOB, as_sentinel_user, url_of
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import Server
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

THREAD_TTL = timedelta(days=1)
PASSWORD = token_hex(8)
Send = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def configured(send: Send, policy: str, limit: str = "1gb") -> AsyncGenerator[None]:
    """Give a server that tests share a policy and a memory limit for a while."""
    try:
        await send("CONFIG", "SET", "maxmemory-policy", policy)
        await send("CONFIG", "SET", "maxmemory", limit)
        yield
    finally:
        await send("CONFIG", "SET", "maxmemory", "0")
        await send("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def said(
    caplog: pytest.LogCaptureFixture, url: str | None = None, **options: Any
) -> list[str]:
    """Initialise a store, twice, and return its warnings."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="redis_store"):
        async with RedisStore(url, key_prefix=f"{token_hex(8)}:", **options) as store:
            await store.init()
            assert await store.ping()
            await store.memory.dangerously_clear_all()
    return [record.getMessage() for record in caplog.records if record.name == "redis_store"]


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_a_policy_that_evicts_all_keys_is_named_once(
    policy: str, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with Raw(server.url) as raw, configured(raw, policy):
        (warning,) = await said(caplog, server.url)
        assert f"maxmemory-policy {policy}" in warning
        assert "noeviction" in warning
        assert len(await said(caplog, server.url)) == 1, "once for each store"


@pytest.mark.parametrize(
    "policy", ["noeviction", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"]
)
async def test_a_policy_that_keeps_what_has_no_ttl_is_fine(
    policy: str, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the store, only cache entries have one then."""
    async with Raw(server.url) as raw, configured(raw, policy):
        assert await said(caplog, server.url) == []


async def test_threads_that_expire_have_a_ttl_too(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with Raw(server.url) as raw:
        async with configured(raw, "volatile-lru"):
            (warning,) = await said(caplog, server.url, thread_ttl=THREAD_TTL)
            assert "maxmemory-policy volatile-lru" in warning
            assert warning.endswith("use noeviction")
        async with configured(raw, "noeviction"):
            assert await said(caplog, server.url, thread_ttl=THREAD_TTL) == []


async def test_a_server_without_a_limit_evicts_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with Raw(server.url) as raw, configured(raw, "allkeys-lru", limit="0"):
        assert await said(caplog, server.url) == []


async def test_a_user_who_may_not_ask_gets_no_warning(
    binary: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limit = ("--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru")
    rules = f"least on >{PASSWORD} ~* +@all -info +info|server"
    async with (
        await Server.start(binary, tcp=True, args=limit, workdir=tmp_path) as server,
        Raw(server.url) as raw,
    ):
        await raw("ACL", "SETUSER", *rules.split())
        assert await said(caplog, f"redis://least:{PASSWORD}@127.0.0.1:{server.port}") == []
        assert len(await said(caplog, server.url)) == 1


async def test_a_borrowed_client_is_asked_too(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    client = cast("Any", Redis).from_url(server.url)
    async with Raw(server.url) as raw, configured(raw, "allkeys-lru"), client:
        (warning,) = await said(caplog, client=client)
    assert "maxmemory-policy allkeys-lru" in warning


async def test_an_embedded_server_evicts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert await said(caplog, "embedded://") == []


async def test_the_primary_behind_sentinels_is_asked(
    sentinel_service: SentinelDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    url, options = url_of(sentinel_service), as_sentinel_user(BOB)
    primary, (replica, *_) = sentinel_service.primary, sentinel_service.replicas
    async with configured(replica, "allkeys-lru"):
        assert await said(caplog, url, **options) == []
    async with configured(primary, "allkeys-lfu"):
        assert ["allkeys-lfu" in each for each in await said(caplog, url, **options)] == [True]


async def test_every_primary_of_a_cluster_is_asked(
    guarded_nodes: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    primaries = await guarded_nodes.primaries()
    for primary in primaries:
        async with configured(primary, "allkeys-random"):
            (warning,) = await said(caplog, url_of(guarded_nodes))
            assert "maxmemory-policy allkeys-random)" in warning
    async with AsyncExitStack() as stack:
        for primary, policy in zip(primaries, ["allkeys-lru", "allkeys-lfu"], strict=False):
            await stack.enter_async_context(configured(primary, policy))
        (warning,) = await said(caplog, url_of(guarded_nodes))
        assert "maxmemory-policy allkeys-lfu, allkeys-lru)" in warning


async def test_asking_costs_no_round_trip(server: Server) -> None:
    """ST-01: init takes two, and those of redis-py for each of two connections."""
    async with CountingProxy(server.socket) as proxy:
        prefix = f"{token_hex(8)}:"
        async with RedisStore(proxy.url, key_prefix=prefix) as store:
            with proxy.measure() as cost:
                async with RedisStore(proxy.url, key_prefix=prefix):
                    pass
            greetings = [command[0] for command in cost.commands].count(b"HELLO")
            assert [b"INFO", b"memory"] in cost.commands
            assert cost.round_trips == 2 + 2 * greetings
            await store.memory.dangerously_clear_all()
        async with Raw(server.url) as raw:
            await raw("DEL", f"{prefix}redis_store:indexes")
