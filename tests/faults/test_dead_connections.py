"""Connections that are open and dead: a firewall forgot them, or the server hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from time import monotonic
from typing import Any, cast

import pytest
import redis.asyncio as aioredis

from redis_store import BackendTimeoutError, RedisStore
from tests.support.deployments.servers import Server
from tests.support.records.builders import thread
from tests.support.schedules.waiting import until
from tests.support.wire.proxies import ForgetfulFirewall

TIMEOUT = timedelta(seconds=2)
LARGE = "x" * 100_000  # on a connection of its own


@pytest.fixture
async def firewall(server: Server) -> AsyncIterator[ForgetfulFirewall]:
    async with ForgetfulFirewall(server.socket, tcp=True) as proxy:
        yield proxy


@pytest.fixture(params=[True, False], ids=["owned", "borrowed"])
async def store(
    request: pytest.FixtureRequest, firewall: ForgetfulFirewall
) -> AsyncIterator[RedisStore]:
    """A store whose connections count as idle after 50 ms."""
    async with AsyncExitStack() as stack:
        idle: dict[str, Any] = {"health_check_interval": 0.05}
        if request.param:
            opened = RedisStore(firewall.url, operation_timeout=TIMEOUT, **idle)
        else:
            from_url = cast("Any", aioredis.Redis).from_url
            client = await stack.enter_async_context(from_url(firewall.url, **idle))
            opened = RedisStore(client=client, operation_timeout=TIMEOUT)
        yield await stack.enter_async_context(opened)
        await opened.memory.dangerously_clear_all()


async def _idle() -> None:
    end = monotonic() + 0.1
    await until(lambda: monotonic() > end, "the connections are idle")


async def _seconds(call: Any) -> float:
    began = monotonic()
    await call
    return monotonic() - began


@pytest.mark.parametrize("text", ["x", LARGE], ids=["small", "large"])
async def test_an_idle_connection_that_is_dead_costs_little(
    text: str, store: RedisStore, firewall: ForgetfulFirewall
) -> None:
    """ST-01: a tenth of the deadline, for reads and for writes; no write is in doubt."""
    for number in range(2):
        await store.memory.update_resource("u", working_memory=text)
        await _idle()
        firewall.forget()
        calls = [
            store.memory.get_resource_by_id("u"),
            store.cache.increment("n"),
            store.memory.update_resource("u", working_memory=f"{number}{text}"),
        ]
        took = await asyncio.gather(*map(_seconds, calls))
        assert max(took) < 0.2 * TIMEOUT.total_seconds()
    assert await store.cache.increment("n") == 3
    await store.cache.clear()


async def test_an_idle_connection_that_is_alive_is_kept(
    store: RedisStore, firewall: ForgetfulFirewall
) -> None:
    """ST-01: it is asked once, and used."""
    await store.memory.save_thread(thread())
    connections = firewall.connections
    for _ in range(5):
        await _idle()
        assert await store.memory.get_thread_by_id("t") is not None
    assert firewall.connections == connections


async def test_a_connection_that_dies_in_use_is_given_up(
    store: RedisStore, firewall: ForgetfulFirewall
) -> None:
    """ST-01: after half of the deadline; reads and conditional writes go on with another."""
    await store.memory.save_thread(thread())
    firewall.forget()
    calls = [
        store.memory.get_thread_by_id("t"),
        store.memory.update_thread("t", title="new"),
    ]
    took = await asyncio.gather(*map(_seconds, calls))
    assert max(took) < 0.75 * TIMEOUT.total_seconds()
    found = await store.memory.get_thread_by_id("t")
    assert found is not None
    assert found.title == "new"


async def test_a_socket_timeout_says_how_long_a_connection_may_be_silent(
    firewall: ForgetfulFirewall,
) -> None:
    """ST-01: the store's own connections and a client's; a longer one than the call's has none."""
    options: dict[str, Any] = {"socket_timeout": 0.2, "health_check_interval": 0}
    client: Any = cast("Any", aioredis.Redis).from_url(firewall.url, **options)
    async with client, AsyncExitStack() as stack:
        for opened in (
            RedisStore(firewall.url, operation_timeout=TIMEOUT, **options),
            RedisStore(client=client, operation_timeout=TIMEOUT),
        ):
            store = await stack.enter_async_context(opened)
            await store.memory.save_thread(thread())
            firewall.forget()
            assert 0.1 < await _seconds(store.memory.get_thread_by_id("t")) < 0.5
            await store.memory.dangerously_clear_all()


async def test_a_write_without_conditions_is_in_doubt_when_its_connection_dies(
    store: RedisStore, firewall: ForgetfulFirewall
) -> None:
    """ST-04: nobody can tell whether it was applied."""
    await store.cache.list_push("l", 1)
    firewall.forget()
    with pytest.raises(BackendTimeoutError) as caught:
        await store.cache.list_push("l", 2)
    assert caught.value.details["in_doubt"]
    await store.cache.clear()


async def test_a_slow_upload_is_no_silence(server: Server) -> None:
    """ST-01: a connection that still takes bytes is alive, however long no reply comes."""
    async with (
        ForgetfulFirewall(server.socket, tcp=True) as link,
        RedisStore(link.url, socket_timeout=0.3) as store,
    ):
        link.bytes_per_second = 10_000_000
        text = "x" * 12_000_000
        assert await _seconds(store.memory.update_resource("u", working_memory=text)) > 1
        link.bytes_per_second = 0
        await store.memory.dangerously_clear_all()
