"""TLS that the servers speak themselves: certificates are checked on every topology."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from redis_store import BackendUnavailableError, RedisStore
from tests.support.deployments.certificates import Certificates, tls_binaries
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.nodes import LOCALHOST, Node, free_port_pair
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.inspection.leftovers import no_leaks
from tests.support.inspection.secrets_shown import refused

SERVERS = tls_binaries()
TOPOLOGIES = ["standalone", "sentinel", "cluster"]

pytestmark = pytest.mark.skipif(not SERVERS, reason="no server here was built with TLS")


class Encrypted(NamedTuple):
    """A deployment that speaks nothing but TLS."""

    url: str
    certificates: Certificates
    nodes: Sequence[Node]


@pytest.fixture(scope="module", params=TOPOLOGIES)
async def encrypted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Encrypted]:
    binary, workdir = list(SERVERS.values())[-1], tmp_path_factory.mktemp(request.param)
    certificates = Certificates.issue(workdir / "certificates")
    args = certificates.args
    async with AsyncExitStack() as stack:
        if request.param == "sentinel":
            service = SentinelDeployment(binary, workdir=workdir, args=args, sentinel_args=args)
            await stack.enter_async_context(service)
            url, nodes = service.url, [service.primary]
        elif request.param == "cluster":
            cluster = Cluster(binary, workdir=workdir, args=args, replicas=0)
            await stack.enter_async_context(cluster)
            url, nodes = cluster.url, cluster.nodes
        else:
            node = Node(binary, port=free_port_pair(), args=args, workdir=workdir / "single")
            stack.push_async_callback(node.kill)
            await node.restart()
            url, nodes = f"redis://{LOCALHOST}:{node.port}", [node]
        yield Encrypted(url.replace("redis", "rediss", 1), certificates, nodes)


async def test_the_right_authority_is_trusted(encrypted: Encrypted) -> None:
    """ST-01: and the data goes over TLS, as nothing else is served."""
    trusted = encrypted.certificates.authority
    async with no_leaks(), RedisStore(encrypted.url, ssl_ca_certs=trusted) as store:
        id_ = uuid4().hex
        await store.memory.update_resource(id_, working_memory="x")
        assert await store.memory.get_resource_by_id(id_) is not None


async def test_what_an_ended_loop_left_open_is_closed_by_the_next(encrypted: Encrypted) -> None:
    def use_in_loops_of_their_own() -> None:
        store = RedisStore(encrypted.url, ssl_ca_certs=encrypted.certificates.authority)
        asyncio.run(store.ping())
        asyncio.run(store.close())

    async with no_leaks():
        await asyncio.to_thread(use_in_loops_of_their_own)


@pytest.mark.parametrize("trusted", ["another authority", "the system's"])
async def test_an_unknown_authority_is_refused(
    trusted: str, encrypted: Encrypted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: the error says that it is the certificate."""
    other = Certificates.issue(tmp_path).authority
    options: dict[str, Any] = {"ssl_ca_certs": other} if trusted == "another authority" else {}
    async with no_leaks():
        error = await refused(caplog, RedisStore(encrypted.url, **options))
    assert isinstance(error, BackendUnavailableError)
    assert "certificate verify failed" in str(error)


async def test_a_certificate_for_another_host_is_refused(
    encrypted: Encrypted, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: a trusted authority is not enough."""
    certificates = encrypted.certificates
    store = RedisStore(encrypted.url, ssl_ca_certs=certificates.authority)
    async with certificates.for_another_host(encrypted.nodes), no_leaks():
        error = await refused(caplog, store)
    assert isinstance(error, BackendUnavailableError)
    assert "certificate is not valid for '127.0.0.1'" in str(error)


async def test_a_client_without_tls_is_not_served(
    encrypted: Encrypted, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: it fails; it does not hang."""
    url = encrypted.url.replace("rediss", "redis", 1)
    async with no_leaks():
        await refused(caplog, RedisStore(url, socket_timeout=1))
