"""A Redis Cluster: every command goes to the node that serves its slot.

The map of slots is redis-py's, and so are the connections. Its pipelines are not used: they repeat
writes that may have been applied.
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

from redis_store._connections.commands import SCRIPTS, Command, Reply, is_read
from redis_store._connections.current_call import CURRENT
from redis_store._connections.deployment import Deployment, Job, Limits, Part
from redis_store._connections.errors import translate
from redis_store._connections.multiplexer import MAX_CONNECTIONS, Connection, Node
from redis_store._connections.slots import slot_of
from redis_store._connections.standalone import scan_command
from redis_store.errors import BackendError

# What the slot's owner answered: the map needs no second look.
_REDIRECTED = frozenset({"MOVED", "ASK", "TRYAGAIN"})
# Seconds between two looks at the map of slots: every caller that meets trouble asks for one.
_REFRESH_EVERY = 0.1


class _Connections:
    """The connections that redis-py keeps to one node."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    async def take(self) -> Connection:
        connection = cast("Connection", self._node.acquire_connection())
        try:
            if connection.should_reconnect():
                await connection.disconnect()
            await connection.connect()
        except BaseException:
            self._node.release(cast("Any", connection))
            raise
        return connection

    async def give_back(self, connection: Connection) -> None:
        self._node.release(cast("Any", connection))


class ClusterClient(Deployment):
    """Commands to the nodes of a cluster.

    Args:
        raw: The client whose connections are used.
        limits: What is asked of them.
        owned: Whether to close it.
        reads_replicas: Whether public reads go to replicas.
    """

    keeps_order = False

    def __init__(
        self, raw: aioredis.RedisCluster, limits: Limits, *, owned: bool, reads_replicas: bool
    ) -> None:
        super().__init__(raw, limits)
        self._owned = owned
        self._reads_replicas = reads_replicas
        self._nodes: dict[str, Node] = {}
        # Owners that a node told of, until the map is read again.
        self._moved: dict[int, ClusterNode] = {}
        self._refreshing = asyncio.Lock()
        self._refreshed = -_REFRESH_EVERY

    async def connect(self) -> None:
        """Learn the map of slots, and load the scripts into every primary.

        Raises:
            BackendError: No node can be reached, is one of a cluster, or covers all slots.
        """
        try:
            await self.raw.initialize()
        except (exceptions.RedisError, exceptions.RedisClusterException, OSError) as exc:
            raise translate(exc) from exc
        loads = [("SCRIPT", "LOAD", script.source) for script in SCRIPTS.values()]
        nodes = [self._served(node) for node in self.raw.get_primaries()]
        await asyncio.gather(*(node.exchange(loads, self._deadline()) for node in nodes))

    def _only_node(self, commands: Sequence[Command]) -> Node | None:
        nodes = {self._node_of(command) for command in commands}
        node = nodes.pop()
        return self._served(node) if node is not None and not nodes else None

    async def _round(self, job: Job) -> None:
        positions, job.pending = job.pending, []
        groups: defaultdict[tuple[ClusterNode, bool], list[int]] = defaultdict(list)
        for at in positions:
            node = job.asking.get(at) or self._node_of(
                job.commands[at], troubled=job.error is not None
            )
            if node is None:
                job.refused([at], translate(exceptions.ClusterDownError("a slot is not covered")))
            else:
                groups[node, at in job.asking].append(at)
        job.asking.clear()
        await self._exchange(
            job,
            [Part(self._served(node), group, asking) for (node, asking), group in groups.items()],
        )
        if job.pending and job.error is not None and job.error.details["reason"] not in _REDIRECTED:
            await self._refresh()

    def _take(self, job: Job, at: int, reply: Reply, node: Node) -> None:
        if not isinstance(reply, exceptions.AskError):
            job.take(at, reply)
            return
        told = cast("Any", reply)
        target = self._at(told.host or node.host, told.port)
        # For good, or only for keys that the slot's owner does not have any more.
        if isinstance(reply, exceptions.MovedError):
            self._moved[told.slot_id] = target
        else:
            job.asking[at] = target
        job.refused([at], translate(reply))

    def _at(self, host: str, port: int) -> ClusterNode:
        manager = self.raw.nodes_manager
        node = manager.get_node(host, port)
        if node is None:
            node = ClusterNode(host, port, "primary", **manager.connection_kwargs)
            # So that it is closed with the others.
            manager.nodes_cache[node.name] = node
        return cast("ClusterNode", node)

    def _node_of(self, command: Command, *, troubled: bool = False) -> ClusterNode | None:
        """Return the node to send a command to; ``None`` if nobody serves its slot."""
        key = _key_of(command)
        if key is None:
            return cast("ClusterNode", self.raw.get_default_node())
        slot = slot_of(key)
        if slot in self._moved:
            return self._moved[slot]
        nodes: Sequence[ClusterNode] = self.raw.nodes_manager.slots_cache.get(slot, ())
        call = CURRENT.get()
        reads = self._reads_replicas and call is not None and call.reads
        # After trouble with a replica the primary is asked.
        if reads and len(nodes) > 1 and not troubled and is_read(command):
            return random.choice(nodes[1:])  # noqa: S311 - any will do
        return nodes[0] if nodes else None

    def _served(self, node: ClusterNode) -> Node:
        known = self._nodes.get(node.name)
        if known is None:
            size = min(node.max_connections, MAX_CONNECTIONS)
            known = self._nodes[node.name] = Node(
                _Connections(node),
                size,
                shares=self._owned,
                patience=self.limits.timeout,
                host=node.host,
            )
        return known

    async def _refresh(self) -> None:
        """Read the map of slots again, unless somebody just did."""
        async with self._refreshing:
            if not self.patient or monotonic() - self._refreshed < _REFRESH_EVERY:
                return
            try:
                await self.raw.nodes_manager.initialize()
            except (exceptions.RedisError, exceptions.RedisClusterException, OSError):
                # The old map stays, and the call that asked goes on trying until its deadline.
                return
            finally:
                self._refreshed = monotonic()
            self._moved.clear()
            nodes = self.raw.nodes_manager.nodes_cache
            for name in [name for name in self._nodes if name not in nodes]:
                await self._nodes.pop(name).close()

    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Look at some keys of one primary after the other: see ``Client.scan``.

        Begins anew where the primary that it stopped at is none any more.
        """
        at = ""

        async def look(job: Job) -> None:
            nonlocal at
            names = sorted(node.name for node in self.raw.get_primaries())
            at = cursor if cursor.partition(" ")[0] in names else f"{names[0]} 0"
            name, _, there = at.partition(" ")
            job.commands = [scan_command(pattern, kind, there)]
            job.pending = []
            await self._exchange(job, [Part(self._served(self.raw.get_node(node_name=name)), [0])])
            if job.pending:
                await self._refresh()

        job = Job([()], repeatable=True)
        await self._finish(job, look)
        reply = job.replies[0]
        if isinstance(reply, BackendError):
            raise reply
        return self._following(at, reply[0].decode()), reply[1]

    def _following(self, at: str, cursor: str) -> str:
        """Where to look next, in this primary or the one after it."""
        name, _, _ = at.partition(" ")
        if cursor != "0":
            return f"{name} {cursor}"
        later = [node.name for node in self.raw.get_primaries() if node.name > name]
        return f"{min(later)} 0" if later else ""

    async def close(self) -> None:
        """Close the connections, unless the client is borrowed."""
        self.patient = False
        for node in list(self._nodes.values()):
            await node.close()
        if self._owned:
            await self.raw.aclose()


def _key_of(command: Command) -> str | None:
    """Return a command's first key: all of its keys are in one slot."""
    name = command[0]
    if name in ("EVALSHA", "EVAL"):
        return str(command[3]) if command[2] else None
    return str(command[1]) if len(command) > 1 and name not in _KEYLESS else None


_KEYLESS = frozenset({"CLUSTER", "INFO", "PING", "SCRIPT", "WAIT"})
