"""A cluster of primaries and replicas, as real processes, and what can be done to it live."""

import functools
import itertools
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.support.deployments.cluster_nodes import Member, SlotMigration, all_well, view
from tests.support.deployments.nodes import (
    LOCALHOST,
    SYNC_ARGS,
    Deployment,
    Node,
    acl_args,
    free_port_pair,
)
from tests.support.schedules.waiting import until

SLOTS: Final = 16384


class Cluster(Deployment):
    """A cluster on loopback ports: ``async with Cluster(binary, workdir=...) as cluster``.

    It opens when all nodes agree on who serves which slot, and the replicas are in sync.

    Attributes:
        nodes: All nodes, killed ones and added ones too; as started, the primaries come first.
        url: Of all nodes as started, with the default user's password if there is one.
    """

    def __init__(
        self,
        binary: str,
        *,
        workdir: Path,
        primaries: int = 3,
        replicas: int = 1,
        password: str | None = None,
        users: Sequence[str] = (),
        node_timeout_ms: int = 1000,
        args: Sequence[str] = (),
    ) -> None:
        """Plan a cluster.

        Args:
            binary: One of ``server_binaries()``.
            workdir: Where each node gets a directory.
            primaries: How many; they share the slots evenly.
            replicas: How many of each primary.
            password: Of the default user.
            users: Further users, as ACL rules: ``"ann on >secret ~* &* +@all"``.
            node_timeout_ms: How long a node is silent until it counts as down.
            args: More options for all nodes.
        """
        super().__init__()
        self._binary, self._workdir, self._password = binary, workdir, password
        self._args = ["--cluster-enabled", "yes", "--cluster-announce-ip", LOCALHOST]
        self._args += ["--cluster-node-timeout", str(node_timeout_ms)]
        self._node_timeout_ms = node_timeout_ms
        self._args += ["--cluster-replica-validity-factor", "0"]
        self._args += [*SYNC_ARGS, *acl_args(password, users), *args]
        self._first = primaries
        self.nodes: list[Node] = []
        for _ in range(primaries * (1 + replicas)):
            self._plan()
        self.url = self.url_as("", password or "")

    def url_as(self, username: str, password: str) -> str:
        """Build the URL for a user."""
        login = f"{quote(username)}:{quote(password, safe='')}@" if password else ""
        return f"redis+cluster://{login}" + ",".join(f"{LOCALHOST}:{n.port}" for n in self.nodes)

    async def primaries(self) -> list[Node]:
        """Ask which running nodes are primaries, those without slots too."""
        return [self._at(each) for each in await self._members() if "master" in each.flags]

    async def replicas(self) -> list[Node]:
        """Ask which running nodes are replicas."""
        return [self._at(each) for each in await self._members() if "slave" in each.flags]

    async def replicas_of(self, primary: Node) -> list[Node]:
        """Ask which running nodes replicate a primary."""
        members = await self._members()
        id_ = next(each.id for each in members if each.port == primary.port)
        return [self._at(each) for each in members if each.primary_id == id_]

    async def owner(self, slot: int) -> Node:
        """Ask which node serves a slot."""
        return self._at(next(each for each in await self._members() if each.serves(slot)))

    async def add_node(self) -> Node:
        """Start one more primary, without slots; it takes 2 s until all agree that it is up."""
        node = self._plan()
        await self._start(node)
        await self._meet(node, self.nodes[:-1])
        await self.settled()
        return node

    async def failed_over(self, old: Node) -> None:
        """Wait until a killed primary's slots are served by others."""
        assert not old.running
        await self.settled()

    async def rejoin(self, node: Node) -> None:
        """Start a killed node; if its slots are served by another, it becomes a replica."""
        await node.restart()
        await self.settled()

    async def migrate_slot(self, slot: int, source: Node, target: Node) -> None:
        """Move a slot with its keys, while clients use it."""
        migration = self.migration(slot, source, target)
        await migration.begin()
        while await migration.move_keys():
            pass
        await migration.finish()

    def migration(self, slot: int, source: Node, target: Node) -> SlotMigration:
        """Plan to move a slot step by step."""
        return SlotMigration(slot, source, target, self.primaries, self._password)

    @asynccontextmanager
    async def uncovered(self, *slots: int) -> AsyncGenerator[None]:
        """Let no node serve these slots during the block: the whole cluster is down."""
        owners = [await self.owner(slot) for slot in slots]

        async def dropped() -> bool:
            # The owners first: a node takes from them who serves what.
            nodes = dict.fromkeys([*owners, *self._running()])
            return not any([await _drop(node, slots) for node in nodes])

        await until(dropped, "no node serves the slots")
        await until(lambda: self._is_all("fail"), "the cluster is down")
        try:
            yield
        finally:
            for slot, node in zip(slots, owners, strict=True):
                await node("CLUSTER", "ADDSLOTS", slot)
            await self.settled()

    async def settled(self) -> None:
        """Wait until the running nodes agree on roles and slots, and replicas are in sync."""
        await until(self._agree, "the nodes agree", 30)
        await until(lambda: self._is_all("ok"), "the cluster is up", 10)
        for node in self._running():
            await until(node.in_sync, "the replicas are in sync", 10)
        for node in self._running():
            await until(functools.partial(self._names_all, node), "clients are told of all", 10)

    async def _names_all(self, node: Node) -> bool:
        """Whether clients learn of every replica: a node tells of those it heard of lately."""
        named = {at[1] for _, _, *nodes in await node("CLUSTER", "SLOTS") for at in nodes[1:]}
        return named == {replica.port for replica in await self.replicas()}

    async def _set_up(self) -> None:
        await self._start(*self.nodes)
        # Nodes that may be silent for long also take long to hear of each other.
        await self._set_node_timeout(min(self._node_timeout_ms, 1000))
        for epoch, node in enumerate(self.nodes, 1):
            await node("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        primaries, replicas = self.nodes[: self._first], self.nodes[self._first :]
        for n, node in enumerate(primaries):
            slots = range(n * SLOTS // self._first, (n + 1) * SLOTS // self._first)
            await node("CLUSTER", "ADDSLOTS", *slots)  # ADDSLOTSRANGE is unknown to Redis 6.2
        for n, node in enumerate(self.nodes):
            await self._meet(node, self.nodes[:n])
        await until(self._all_met, "the nodes have met", 15)
        for replica, primary in zip(replicas, itertools.cycle(primaries), strict=False):
            await replica("CLUSTER", "REPLICATE", (await primary("CLUSTER", "MYID")).decode())
        await self.settled()
        await self._set_node_timeout(self._node_timeout_ms)

    async def _set_node_timeout(self, milliseconds: int) -> None:
        for node in self.nodes:
            await node("CONFIG", "SET", "cluster-node-timeout", milliseconds)

    async def _meet(self, node: Node, others: Iterable[Node]) -> None:
        for other in others:
            await node("CLUSTER", "MEET", LOCALHOST, other.port)

    async def _all_met(self) -> bool:
        views = [await view(node) for node in self.nodes]
        return all(len(view) == len(self.nodes) and all_well(view) for view in views)

    async def _agree(self) -> bool:
        ports = {node.port for node in self._running()}
        views = [
            {member for member in await view(node) if member.port in ports}
            for node in self._running()
        ]
        same = all(view == views[0] for view in views)
        served = sum(map(len, itertools.chain.from_iterable(each.slots for each in views[0])))
        return same and len(views[0]) == len(ports) and served == SLOTS and all_well(views[0])

    async def _is_all(self, state: str) -> bool:
        states = [await node.facts("CLUSTER", "INFO") for node in self._running()]
        return all(each.get("cluster_state") == state for each in states)

    async def _members(self) -> list[Member]:
        """Ask a running node who else runs, in order of ports."""
        ports = {node.port for node in self._running()}
        seen = await view(self._running()[0])
        return sorted((each for each in seen if each.port in ports), key=lambda each: each.port)

    def _running(self) -> list[Node]:
        return [node for node in self.nodes if node.running]

    def _at(self, member: Member) -> Node:
        return next(node for node in self.nodes if node.port == member.port)

    def _plan(self) -> Node:
        workdir = self._workdir / f"node-{len(self.nodes)}"
        port, args, password = free_port_pair(), self._args, self._password
        node = Node(self._binary, port=port, args=args, workdir=workdir, password=password)
        self.nodes.append(node)
        return node


async def _drop(node: Node, slots: Iterable[int]) -> bool:
    """Let a node forget who serves these slots; tell whether it knew."""
    members = await view(node)
    known = [slot for slot in slots if any(member.serves(slot) for member in members)]
    if known:
        await node("CLUSTER", "DELSLOTS", *known)
    return bool(known)
