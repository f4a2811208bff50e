"""Deployments that ask for logins, shared by the tests of connecting: none may break them."""

from collections.abc import AsyncIterator

import pytest

from tests.support.deployments.clusters import Cluster
from tests.support.deployments.logins import guarded_cluster, guarded_sentinel
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import server_binaries

FIRST, *_, LAST = server_binaries().values()


@pytest.fixture(scope="session")
async def sentinel_service(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[SentinelDeployment]:
    async with guarded_sentinel(LAST, tmp_path_factory.mktemp("sentinel")) as deployment:
        yield deployment


@pytest.fixture(scope="session")
async def guarded_nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with guarded_cluster(FIRST, tmp_path_factory.mktemp("cluster")) as deployment:
        yield deployment
