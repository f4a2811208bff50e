"""Cluster deployment: every command goes to the node that serves its slot.

The map of slots and the connections are redis-py's. Its pipelines are not used, as they repeat
writes that may have been applied.

Tests: ``tests/connections/test_topologies.py``, ``tests/connections/test_refused_topologies.py``,
``tests/connections/test_cluster_spread.py``, ``tests/faults/test_cluster_faults.py``,
``tests/contract/test_cluster_costs.py``.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from time import monotonic
from typing import Any, cast

import redis.asyncio as aioredis
from redis import exceptions
from redis.asyncio.cluster import ClusterNode

from redis_store._connections.commands import Command, Reply, is_read
from redis_store._connections.current_call import current_call
from redis_store._connections.deployment import Deployment, NodeBatch
from redis_store._connections.errors import translate
from redis_store._connections.limits import Limits
from redis_store._connections.multiplexer import Multiplexer
from redis_store._connections.pending_commands import PendingCommands
from redis_store._connections.pools import MAX_CONNECTIONS, Connection, Pool
from redis_store._connections.slots import slot_of
from redis_store._connections.standalone import scan_command
from redis_store.errors import BackendError

# Errors of the slot's owner, or that name it: the map needs no refresh.
_REDIRECTS = frozenset({"MOVED", "ASK", "TRYAGAIN"})
# At least so many seconds lie between two refreshes, however many callers ask for one.
_REFRESH_INTERVAL = 0.1
_UNREACHABLE = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
_KEYLESS_COMMANDS = frozenset({"CLUSTER", "INFO", "PING", "SCRIPT", "WAIT"})


class NodePool:
    """The connections that redis-py keeps to one node."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node
        self.size = min(node.max_connections, MAX_CONNECTIONS)

    async def acquire(self) -> Connection:
        """Return a connected connection."""
        connection = cast("Connection", self._node.acquire_connection())
        try:
            if connection.should_reconnect():
                await connection.disconnect()
            await connection.connect()
        except BaseException:
            # What a credential provider raises leaves it open, without a login.
            await connection.disconnect(nowait=True)
            self._node.release(cast("Any", connection))
            raise
        return connection

    async def release(self, connection: Connection) -> None:
        """Take a connection back, whatever its state."""
        self._node.release(cast("Any", connection))

    def empty(self) -> list[Connection]:
        """Forget all connections, in use or not, and return them as they are."""
        node = cast("Any", self._node)
        connections = list(node._connections)  # noqa: SLF001
        node._connections.clear()  # noqa: SLF001
        node._free.clear()  # noqa: SLF001
        return connections


class ClusterDeployment(Deployment):
    """The nodes of a cluster.

    Args:
        client: The client whose connections are used.
        limits: What is asked of them.
        owned: Whether to close the client.
        reads_replicas: Whether public reads go to replicas.
    """

    keeps_order = False

    def __init__(
        self, client: aioredis.RedisCluster, limits: Limits, *, owned: bool, reads_replicas: bool
    ) -> None:
        super().__init__(client, limits)
        self._owned = owned
        self._reads_replicas = reads_replicas
        # By node name, "host:port".
        self._multiplexers: dict[str, Multiplexer] = {}
        # Owners that MOVED named, by slot. They win over the map until it is refreshed.
        self._moved: dict[int, ClusterNode] = {}
        self._refreshing = asyncio.Lock()
        self._refreshed = -_REFRESH_INTERVAL

    async def discover(self) -> None:
        """Fetch the map of slots.

        Raises:
            BackendError: No node can be reached, is one of a cluster, or covers all slots.
        """
        try:
            await self.client.initialize()
        except _UNREACHABLE as exc:
            raise translate(exc) from exc

    async def close(self) -> None:
        """Close the connections, and the client unless it is borrowed."""
        self.retries = False
        for multiplexer in list(self._multiplexers.values()):
            await multiplexer.close()
        if self._owned:
            await self.client.aclose()

    def drop(self) -> None:
        """Give up all connections: see ``Deployment.drop``."""
        super().drop()
        if self._owned:
            # Else redis-py warns that the client is unclosed; to close it would take the loop.
            self.client._initialize = True  # noqa: SLF001

    def _pools(self) -> list[Pool]:
        manager = self.client.nodes_manager
        nodes = [*manager.nodes_cache.values(), *manager.startup_nodes.values()]
        return [NodePool(node) for node in nodes]

    async def send_to_primaries(self, commands: Sequence[Command]) -> list[list[Reply]]:
        """Send the same commands to every primary: see ``Deployment.send_to_primaries``."""
        primaries, count = self.client.get_primaries(), len(commands)
        pending = PendingCommands([*commands] * len(primaries), repeatable=True)
        positions = pending.take()
        shares = [positions[first : first + count] for first in range(0, len(positions), count)]
        batches = [
            NodeBatch(self._multiplexer_of(node), share)
            for node, share in zip(primaries, shares, strict=True)
        ]
        await self._send_batches(pending, batches)
        if pending.error is not None:
            raise pending.error
        return [[pending.replies[position] for position in share] for share in shares]

    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Scan some thousand keys, one primary after the other: see ``Deployment.scan``.

        The cursor is "name cursor" of a primary. If that is no longer one, the scan starts over.
        """
        start = ""

        async def attempt(pending: PendingCommands) -> None:
            nonlocal start
            names = sorted(node.name for node in self.client.get_primaries())
            start = cursor if cursor.partition(" ")[0] in names else f"{names[0]} 0"
            name, _, node_cursor = start.partition(" ")
            pending.commands = [scan_command(pattern, kind, node_cursor)]
            multiplexer = self._multiplexer_of(self.client.get_node(node_name=name))
            await self._send_batches(pending, [NodeBatch(multiplexer, pending.take())])
            if pending.positions:
                await self._refresh()

        pending = PendingCommands([()], repeatable=True)
        await self._retry(pending, attempt)
        reply = pending.replies[0]
        if isinstance(reply, BackendError):
            raise reply
        return self._next_cursor(start, reply[0].decode()), reply[1]

    def _next_cursor(self, start: str, node_cursor: str) -> str:
        """Return the cursor of the same primary, or of the next one if it is done."""
        name, _, _ = start.partition(" ")
        if node_cursor != "0":
            return f"{name} {node_cursor}"
        later = [node.name for node in self.client.get_primaries() if node.name > name]
        return f"{min(later)} 0" if later else ""

    def _only_node(self, commands: Sequence[Command]) -> Multiplexer | None:
        nodes = {self._node_of(command) for command in commands}
        node = nodes.pop()
        return self._multiplexer_of(node) if node is not None and not nodes else None

    def _node_to_ask(self, command: Command) -> Multiplexer | None:
        node = None if self._reads_replicas else self._node_of(command)
        return None if node is None else self._multiplexer_of(node)

    async def _attempt(self, pending: PendingCommands) -> None:
        """Send the pending commands once; first refresh the map of slots if it may be outdated."""
        error = pending.error
        if error is not None and error.details["reason"] not in _REDIRECTS:
            await self._refresh()
        await super()._attempt(pending)

    def _assign(self, pending: PendingCommands) -> list[NodeBatch]:
        groups: defaultdict[tuple[ClusterNode, bool], list[int]] = defaultdict(list)
        is_retry = pending.error is not None
        for position in pending.take():
            # A pending command is assigned in one of three ways:
            # 1. ASK named a node: it goes there, this once, behind ASKING;
            # 2. a node serves its slot: it goes there;
            # 3. none does: it waits for the next attempt.
            asked = pending.ask_targets.pop(position, None)
            node = asked or self._node_of(pending.commands[position], is_retry=is_retry)
            if node is None:
                error = translate(exceptions.ClusterDownError("a slot is not covered"))
                pending.requeue([position], error)
            else:
                groups[node, asked is not None].append(position)
        return [
            NodeBatch(self._multiplexer_of(node), positions, asking)
            for (node, asking), positions in groups.items()
        ]

    def _record_reply(
        self, pending: PendingCommands, position: int, reply: Reply, multiplexer: Multiplexer
    ) -> None:
        """Record a reply, or the node that a redirect names for the next attempt."""
        # MovedError is a subclass of AskError.
        if not isinstance(reply, exceptions.AskError):
            super()._record_reply(pending, position, reply, multiplexer)
            return
        redirect = cast("Any", reply)
        target = self._node_at(redirect.host or multiplexer.host, redirect.port)
        # MOVED holds for the slot. ASK holds for one command: while the slot migrates, the keys
        # that its owner still has must be asked for there.
        if isinstance(reply, exceptions.MovedError):
            self._moved[redirect.slot_id] = target
        else:
            pending.ask_targets[position] = target
        pending.requeue([position], translate(reply))

    def _node_at(self, host: str, port: int) -> ClusterNode:
        """Return the node at an address that a node of the cluster gave."""
        manager = self.client.nodes_manager
        host, port = manager.remap_host_port(host, port)
        node = manager.get_node(host, port)
        if node is None:
            node = ClusterNode(host, port, "primary", **manager.connection_kwargs)
            # redis-py closes the nodes in its cache, and only those.
            manager.nodes_cache[node.name] = node
        return cast("ClusterNode", node)

    def _node_of(self, command: Command, *, is_retry: bool = False) -> ClusterNode | None:
        """Return the node to send a command to; ``None`` if its slot is not covered."""
        key = _first_key(command)
        if key is None:
            return cast("ClusterNode", self.client.get_default_node())
        slot = slot_of(key)
        if slot in self._moved:
            return self._moved[slot]
        nodes: Sequence[ClusterNode] = self.client.nodes_manager.slots_cache.get(slot, ())
        call = current_call.get()
        reads = self._reads_replicas and call is not None and call.read_only
        if not (reads and len(nodes) > 1 and is_read(command)):
            return nodes[0] if nodes else None
        fit = [node for node in nodes if not self._is_failing(node)] or nodes
        # The primary comes first. A retry goes there, as the replica may be the trouble.
        replicas = [] if is_retry else [node for node in fit if node != nodes[0]]
        return random.choice(replicas) if replicas else fit[0]  # noqa: S311 - not for security

    def _is_failing(self, node: ClusterNode) -> bool:
        return self._multiplexers.get(node.name) in self._avoided

    def _multiplexer_of(self, node: ClusterNode) -> Multiplexer:
        known = self._multiplexers.get(node.name)
        if known is None:
            known = self._multiplexers[node.name] = Multiplexer(
                NodePool(node),
                owned=self._owned,
                timeout=self.limits.silence,
                probe_after=self.limits.probe_after,
                host=node.host,
            )
        return known

    async def _refresh(self) -> None:
        """Fetch the map of slots again, unless another caller just did."""
        async with self._refreshing:
            if not self.retries or monotonic() - self._refreshed < _REFRESH_INTERVAL:
                return
            try:
                async with asyncio.timeout(self.limits.silence):
                    await self._fetch_map()
            except (*_UNREACHABLE, TimeoutError):
                # The old map stays, and the caller retries until its deadline.
                return
            finally:
                self._refreshed = monotonic()
            self._moved.clear()
            nodes = self.client.nodes_manager.nodes_cache
            for name in [name for name in self._multiplexers if name not in nodes]:
                await self._multiplexers.pop(name).close()

    async def _fetch_map(self) -> None:
        """Fetch the map of slots from nodes that did not fail lately, if there are any."""
        manager = self.client.nodes_manager
        known: dict[str, ClusterNode] = dict(manager.startup_nodes)
        fit = {name: node for name, node in known.items() if not self._is_failing(node)}
        manager.startup_nodes = fit or known
        try:
            await manager.initialize()
        finally:
            # redis-py replaces them, unless it failed, or must keep them as they were given.
            if manager.startup_nodes.keys() == fit.keys():
                manager.startup_nodes = known


def _first_key(command: Command) -> str | None:
    """Return a command's first key, which decides the node: all its keys are in one slot."""
    name = command[0]
    if name in ("EVALSHA", "EVAL"):
        return str(command[3]) if command[2] else None
    return str(command[1]) if len(command) > 1 and name not in _KEYLESS_COMMANDS else None
