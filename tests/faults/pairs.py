"""Deployments where each primary has one replica, and what their nodes were asked."""

import os
import signal
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from redis_store._connections.slots import slot_of
from redis_store._engine.keys import Keys
from tests.support.deployments.clusters import Cluster
from tests.support.deployments.nodes import Node
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import Server, server_binaries
from tests.support.deployments.variants import FIRST, LAST

# So long that a node which stands still, or is gone, counts as up.
_DOWN_AFTER_MS = 60_000


def planned(topology: str, workdir: Path) -> SentinelDeployment | Cluster:
    """Plan a deployment that no failover changes."""
    if topology == "cluster":
        binary = server_binaries()[FIRST]
        return Cluster(binary, workdir=workdir, node_timeout_ms=_DOWN_AFTER_MS)
    binary = server_binaries()[LAST]
    return SentinelDeployment(binary, workdir=workdir, down_after_ms=_DOWN_AFTER_MS)


class Pair:
    """A deployment whose primaries have one replica each.

    Attributes:
        deployment: What it is.
        url: Of the deployment.
        keys: Spells its keys.
    """

    def __init__(self, deployment: SentinelDeployment | Cluster) -> None:
        self.url = deployment.url
        self.keys = Keys(hash_tags=isinstance(deployment, Cluster))
        self.deployment = deployment

    async def nodes(self, key: str) -> tuple[Node, Node]:
        """Return the primary and the replica that hold a key."""
        if isinstance(self.deployment, SentinelDeployment):
            return self.deployment.primary, self.deployment.replicas[0]
        primary = await self.deployment.owner(slot_of(key))
        return primary, (await self.deployment.replicas_of(primary))[0]

    async def primaries(self) -> Sequence[Node]:
        """Return all primaries."""
        if isinstance(self.deployment, SentinelDeployment):
            return [self.deployment.primary]
        return await self.deployment.primaries()

    async def replicas(self) -> Sequence[Node]:
        """Return all replicas."""
        if isinstance(self.deployment, SentinelDeployment):
            return self.deployment.replicas
        return await self.deployment.replicas()

    async def rejoin(self, node: Node) -> None:
        """Start a killed node as the replica that it was."""
        await self.deployment.rejoin(node)


async def reset_statistics(nodes: Iterable[Node]) -> None:
    """Forget what nodes were asked."""
    for node in nodes:
        await node("CONFIG", "RESETSTAT")


async def asked(nodes: Iterable[Node], section: str = "commandstats") -> Counter[str]:
    """Count what nodes were asked since, by command; or what they refused, by ``errorstats``."""
    total: Counter[str] = Counter()
    for node in nodes:
        for name, facts in (await node.facts("INFO", section)).items():
            first, _, _ = facts.partition(",")
            total[name.partition("_")[2]] += int(first.partition("=")[2])
    return total


@contextmanager
def standing_still(node: Server) -> Generator[None]:
    """Stop a server during the block; it keeps its connections."""
    os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)
