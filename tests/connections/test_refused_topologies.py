"""Sentinels and clusters that cannot be used: what to check, soon, and without a secret."""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import redis.asyncio as aioredis
from anyio.abc import SocketStream

from redis_store import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    RedisStore,
)
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.logins import (
    ANN,
    BOB,
    SECRETS,
    WRONG,
    Login,
    as_sentinel_user,
    url_of,
)
from tests.support.deployments.nodes import LOCALHOST, Node
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import free_port
from tests.support.inspection.leftovers import no_leaks
from tests.support.inspection.secrets_shown import all_said, check_secrets, refused

SHORT = timedelta(seconds=0.5)


async def _refused(
    caplog: pytest.LogCaptureFixture, url: str, login: Login | None = None, **options: Any
) -> BackendError:
    """Initialise a store that cannot be, which is said at once; it leaves nothing."""
    known = options | (as_sentinel_user(login) if login else {})
    async with no_leaks():
        with anyio.fail_after(5):
            error = await refused(caplog, RedisStore(url, **known), *SECRETS)
    assert error.__cause__ is not None
    return error


def _at(node: Node, scheme: str, login: Login | None = None, path: str = "") -> str:
    return f"{scheme}://{login.url_part if login else ''}{LOCALHOST}:{node.port}{path}"


@pytest.mark.parametrize(
    ("login", "reason", "words"),
    [
        (None, "NOAUTH", "check sentinel_username and sentinel_password"),
        (Login("", WRONG.password), "NOAUTH", "check sentinel_username and sentinel_password"),
        (Login("bob", WRONG.password), "NOAUTH", "check sentinel_username and sentinel_password"),
        (WRONG, "NOPERM", "permission"),
    ],
    ids=["no password", "a wrong password", "a user's wrong password", "a user without rights"],
)
async def test_sentinels_refuse_a_login(
    login: Login | None,
    reason: str,
    words: str,
    sentinel_service: SentinelDeployment,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ST-01: the error says that it is theirs, not that of the servers they watch."""
    error = await _refused(caplog, url_of(sentinel_service), login)
    assert error.code == f"INIT_BACKEND_SENTINEL_{reason}"
    assert isinstance(error, BackendUnavailableError) == (reason == "NOAUTH")
    assert str(error).startswith("the sentinels ")
    assert words in str(error)


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        (Login("", ""), "NOAUTH"),
        (Login("", WRONG.password), "WRONGPASS"),
        (Login("ann", WRONG.password), "WRONGPASS"),
        (Login("nobody", ANN.password), "WRONGPASS"),
    ],
    ids=["no password", "a wrong password", "a user's wrong password", "an unknown user"],
)
async def test_the_servers_refuse_a_login(
    login: Login,
    reason: str,
    sentinel_service: SentinelDeployment,
    guarded_nodes: Cluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ST-01: those that sentinels watch, and a cluster's."""
    for url, asking in (
        (url_of(sentinel_service, login), BOB),
        (url_of(guarded_nodes, login), None),
    ):
        error = await _refused(caplog, url, asking)
        assert isinstance(error, BackendUnavailableError)
        assert error.code == f"INIT_BACKEND_{reason}"
        assert "check username and password" in str(error)


async def test_the_sentinels_do_not_know_the_service(
    sentinel_service: SentinelDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: the error names it."""
    url = url_of(sentinel_service).replace("/mymaster/", "/another/")
    error = await _refused(caplog, url, BOB)
    assert isinstance(error, BackendUnavailableError)
    assert error.code == "INIT_BACKEND_SENTINEL_UNKNOWN_SERVICE"
    assert "do not know the service 'another'" in str(error)


async def test_nobody_is_where_sentinels_and_nodes_should_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ST-01: they cannot be reached, and where that was."""
    ports = [free_port(), free_port()]
    hosts = ",".join(f"{LOCALHOST}:{port}" for port in ports)
    error = await _refused(caplog, f"redis+sentinel://{ANN.url_part}{hosts}/mymaster", BOB)
    assert isinstance(error, BackendUnavailableError)
    assert error.code == "INIT_BACKEND_SENTINEL_UNREACHABLE"
    assert all(str(port) in str(error) for port in ports)
    error = await _refused(caplog, f"redis+cluster://{ANN.url_part}{hosts}")
    assert isinstance(error, BackendUnavailableError)
    assert error.code == "INIT_BACKEND_UNAVAILABLE"
    assert "cannot be reached" in str(error)
    assert any(str(port) in str(error) for port in ports)


@asynccontextmanager
async def _hanging(count: int) -> AsyncGenerator[list[int]]:
    """Take connections on so many ports, and never answer."""

    async def say_nothing(client: SocketStream) -> None:
        async with client:
            await anyio.sleep_forever()

    ports = [free_port() for _ in range(count)]
    async with AsyncExitStack() as stack:
        opening = [anyio.create_tcp_listener(local_host=LOCALHOST, local_port=p) for p in ports]
        listeners = [await stack.enter_async_context(await each) for each in opening]
        tasks = await stack.enter_async_context(anyio.create_task_group())
        for listener in listeners:
            tasks.start_soon(listener.serve, say_nothing)
        yield ports
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("scheme", ["redis+sentinel", "redis+cluster"])
async def test_nodes_that_hang_do_not_hold_a_call(
    scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: however many there are, the call's timeout ends it."""
    async with _hanging(3) as ports:
        hosts = ",".join(f"{LOCALHOST}:{port}" for port in ports)
        path = "/mymaster" if scheme == "redis+sentinel" else ""
        store = RedisStore(f"{scheme}://{hosts}{path}", operation_timeout=SHORT)
        with anyio.fail_after(1.5):
            error = await refused(caplog, store)
    assert isinstance(error, (BackendTimeoutError, BackendUnavailableError))


async def test_sentinels_that_hang_leave_time_for_one_that_does_not(
    sentinel_service: SentinelDeployment,
) -> None:
    """ST-01: they are asked one after the other."""
    async with _hanging(2) as hanging:
        ports = [*hanging, sentinel_service.sentinels[0].port]
        hosts = ",".join(f"{LOCALHOST}:{port}" for port in ports)
        url = f"redis+sentinel://{ANN.url_part}{hosts}/mymaster"
        options: dict[str, Any] = {"operation_timeout": SHORT, **as_sentinel_user(BOB)}
        async with RedisStore(url, **options) as store:
            assert await store.ping()


async def test_a_connection_string_for_another_topology(
    sentinel_service: SentinelDeployment,
    guarded_nodes: Cluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ST-01: whichever for whichever; the error says what is there, or what is not."""
    sentinel, primary = sentinel_service.sentinels[0], sentinel_service.primary
    node = guarded_nodes.nodes[0]
    expected = {
        _at(primary, "redis+cluster", ANN): ("BACKEND_NOT_A_CLUSTER", "no cluster node"),
        _at(sentinel, "redis+cluster", BOB): ("BACKEND_NOT_A_CLUSTER", "no cluster node"),
        _at(node, "redis", ANN): ("WRONG_TOPOLOGY", "runs as a cluster node"),
        _at(sentinel, "redis", BOB): ("WRONG_TOPOLOGY", "runs as a sentinel node"),
    }
    for url, (code, words) in expected.items():
        with pytest.raises(BackendError, match=words) as caught:
            await RedisStore(url).__aenter__()
        assert caught.value.code == f"INIT_{code}"
        check_secrets(all_said(caught.value), SECRETS)
    for data_node in (primary, node):
        error = await _refused(caplog, _at(data_node, "redis+sentinel", path="/mymaster"), ANN)
        assert error.code == "INIT_BACKEND_SENTINEL_WRONG_TOPOLOGY"
        assert "not the servers that they watch" in str(error)


async def test_every_server_says_that_it_is_of_another_topology(
    binary: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: each words it in its own way."""
    async with SentinelDeployment(binary, workdir=tmp_path, replicas=0, sentinels=1) as service:
        error = await _refused(caplog, _at(service.primary, "redis+sentinel", path="/mymaster"))
        assert error.code == "INIT_BACKEND_SENTINEL_WRONG_TOPOLOGY"
        for node in (service.primary, service.sentinels[0]):
            error = await _refused(caplog, _at(node, "redis+cluster"))
            assert error.code == "INIT_BACKEND_NOT_A_CLUSTER"


async def test_a_slot_that_nobody_serves(
    guarded_nodes: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: the cluster is down; whether the client asks for full coverage or not."""
    url = url_of(guarded_nodes)
    async with guarded_nodes.uncovered(0):
        for options in ({}, {"require_full_coverage": False}):
            with pytest.raises(BackendUnavailableError, match="CLUSTER INFO") as caught:
                await RedisStore(url, **cast("Any", options)).__aenter__()
            assert caught.value.code == "INIT_BACKEND_CLUSTERDOWN"
            check_secrets(all_said(caught.value) + caplog.text, SECRETS)
    async with RedisStore(url) as store:
        assert await store.ping()


@pytest.mark.parametrize(
    ("service", "login", "words"),
    [
        ("another", ANN, "No master found for 'another'"),
        ("mymaster", WRONG, "check username and password"),
    ],
    ids=["an unknown service", "a wrong login"],
)
async def test_a_borrowed_sentinel_client_that_cannot_connect(
    service: str,
    login: Login,
    words: str,
    sentinel_service: SentinelDeployment,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ST-01: no secret of the caller's is shown."""
    make: Any = cast("Any", aioredis.Sentinel)
    nodes = [(LOCALHOST, each.port) for each in sentinel_service.sentinels]
    async with (
        make(nodes, sentinel_kwargs=BOB._asdict()) as sentinel,
        sentinel.master_for(service, **login._asdict()) as client,
    ):
        error = await refused(caplog, RedisStore(client=client), *SECRETS)
    assert isinstance(error, BackendUnavailableError)
    assert words in str(error)


async def test_a_borrowed_cluster_client_that_cannot_connect(
    guarded_nodes: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: no secret of the caller's is shown."""
    make: Any = cast("Any", aioredis.RedisCluster)
    client = make(host=LOCALHOST, port=guarded_nodes.nodes[0].port, **WRONG._asdict())
    error = await refused(caplog, RedisStore(client=client), *SECRETS)
    assert error.details["reason"] == "WRONGPASS"
    await client.aclose()


@pytest.mark.parametrize("topology", ["sentinel", "cluster"])
async def test_a_login_that_is_withdrawn_while_it_is_in_use(
    topology: str,
    sentinel_service: SentinelDeployment,
    guarded_nodes: Cluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """GEN-04: the next call fails at once, as no retry could help, and shows no secret."""
    caplog.set_level(logging.DEBUG)
    guest = Login.of("guest")
    on_cluster = topology == "cluster"
    nodes = guarded_nodes.nodes if on_cluster else [sentinel_service.primary]
    options = {} if on_cluster else as_sentinel_user(BOB)
    for node in nodes:
        await node("ACL", "SETUSER", *guest.rule.split())
    url = url_of(guarded_nodes if on_cluster else sentinel_service, guest)
    async with no_leaks(), RedisStore(url, **options) as store:
        assert await store.memory.get_thread_by_id("t") is None
        for node in nodes:
            await node("ACL", "DELUSER", guest.username)
        with anyio.fail_after(5), pytest.raises(BackendUnavailableError) as caught:
            await store.memory.get_thread_by_id("t")
        assert caught.value.code == "GET_THREAD_BY_ID_BACKEND_WRONGPASS"
    check_secrets(all_said(caught.value) + caplog.text, [*SECRETS, guest.password])
