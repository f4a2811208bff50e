"""The deployments and key layouts that tests run on."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import pytest

from redis_store.embedded import EmbeddedServer
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import Server, server_binaries
from tests.support.wire.raw import Raw, connect_raw


class Variant(NamedTuple):
    """A deployment and a key layout."""

    server: str
    hash_tags: bool
    topology: str = "standalone"

    def __str__(self) -> str:
        layout = "tagged" if self.hash_tags else "plain"
        return f"{self.topology}-{self.server}-{layout}".removeprefix("standalone-")


FIRST, *_, LAST = server_binaries()
VARIANTS = [Variant(name, hash_tags) for name in server_binaries() for hash_tags in (False, True)]
TOPOLOGIES = [
    Variant(FIRST, hash_tags=False, topology="embedded"),
    Variant(LAST, hash_tags=False, topology="sentinel"),
    Variant(FIRST, hash_tags=True, topology="cluster"),
]

MATRICES = ("quick", "full", "servers")

# Both key layouts on one server: for what a proxy before it counts.
on_one_server = pytest.mark.one_server
# In the full matrix: both key layouts on one server, and every other topology.
on_each_topology = pytest.mark.each_topology


def variants_of(metafunc: pytest.Metafunc) -> list[Variant]:
    """Choose what a test runs on; see ``tests/conftest.py``."""
    test, matrix = metafunc.definition, metafunc.config.getoption("--matrix")
    if test.get_closest_marker("one_server"):
        return VARIANTS[:2]
    plain, tagged = _layouts(test.nodeid)
    # What stands between a store and one server can count and hold only what passes there.
    if "proxy" in metafunc.fixturenames:
        return [plain, tagged]
    if matrix == "quick":
        chosen = [plain, TOPOLOGIES[-1]]
        is_contract = "contract" in test.path.parts
        return chosen if is_contract else chosen[_hash(test.nodeid) % 2 :][:1]
    if test.get_closest_marker("each_topology"):
        return [*VARIANTS[:2], *TOPOLOGIES]
    if matrix == "servers":
        return [*VARIANTS, *TOPOLOGIES]
    return [(plain, tagged)[_hash(test.nodeid) % 2], *TOPOLOGIES]


def servers_of(metafunc: pytest.Metafunc) -> dict[str, list[str]]:
    """Choose the server binaries of a test: by argument, the names of all, or of one of them.

    A test asks for ``server_name``, as the fixture ``binary`` does, or for ``other_server``, if it
    repeats on other binaries what others do on the first one.
    """
    first, *others = server_binaries()
    asked = {"server_name": [first, *others], "other_server": others}
    asked = {name: names for name, names in asked.items() if name in metafunc.fixturenames}
    if metafunc.config.getoption("--matrix") != "quick":
        return asked
    # The same one for all tests of a module: they may share a server of it.
    of_module = _hash(metafunc.definition.nodeid.partition("::")[0])
    return {name: names[of_module % max(len(names), 1) :][:1] for name, names in asked.items()}


def _layouts(nodeid: str) -> list[Variant]:
    """Both layouts, on different servers where there are two."""
    names = list(server_binaries())
    first = _hash(nodeid)
    return [Variant(names[(first + tagged) % len(names)], bool(tagged)) for tagged in (0, 1)]


def _hash(nodeid: str) -> int:
    # The same in every process: Python's hash of a text is not.
    return crc32(nodeid.encode())


class Deployments:
    """Starts what a variant needs, when it is first needed."""

    def __init__(self, servers: dict[str, Server], stack: AsyncExitStack, workdir: Path) -> None:
        self._servers = servers
        self._stack = stack
        self._workdir = workdir
        self._urls: dict[str, str] = {}
        self._clients: dict[str, Raw] = {}

    async def url(self, variant: Variant) -> str:
        """Return the connection string of a running deployment."""
        if variant.topology == "standalone":
            return self._servers[variant.server].url
        if variant.topology not in self._urls:
            binary, workdir = server_binaries()[variant.server], self._workdir / variant.topology
            workdir.mkdir()
            started: EmbeddedServer | SentinelDeployment | Cluster
            if variant.topology == "embedded":
                started = EmbeddedServer()
            elif variant.topology == "sentinel":
                started = SentinelDeployment(binary, workdir=workdir, down_after_ms=10_000)
            else:
                started = Cluster(binary, workdir=workdir, node_timeout_ms=10_000)
            await self._stack.enter_async_context(started)
            self._urls[variant.topology] = started.url
        return self._urls[variant.topology]

    async def raw(self, url: str) -> Raw:
        """Return the plain client of a running deployment."""
        if url not in self._clients:
            self._clients[url] = await self._stack.enter_async_context(connect_raw(url))
        return self._clients[url]
