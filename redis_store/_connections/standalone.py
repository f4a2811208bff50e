"""Standalone deployment: one server, over the pool of a redis.asyncio client.

Tests: ``tests/connections/test_connecting.py``, ``tests/connections/test_borrowed_clients.py``,
``tests/faults/test_outages.py``, ``tests/faults/test_restarted_server.py``.
"""

from collections.abc import Sequence
from math import inf
from typing import Any, cast

import redis.asyncio as aioredis

from redis_store._connections.commands import Command
from redis_store._connections.deployment import Deployment, NodeBatch
from redis_store._connections.limits import Limits
from redis_store._connections.multiplexer import Multiplexer
from redis_store._connections.pending_commands import PendingCommands
from redis_store._connections.pools import MAX_CONNECTIONS, ClientPool, Pool
from redis_store.errors import BackendError

_SCAN_COUNT = 1000


class StandaloneDeployment(Deployment):
    """One server.

    Args:
        client: The client whose pool is used.
        limits: What is asked of the connections.
        owned: Whether to close the client.
        pool: Where connections come from; ``None`` is the client's pool.
    """

    def __init__(
        self, client: aioredis.Redis, limits: Limits, *, owned: bool, pool: Pool | None = None
    ) -> None:
        super().__init__(client, limits)
        self._owned = owned
        self._multiplexer = multiplexer_of(client, limits, owned=owned, pool=pool)

    async def discover(self) -> None:
        """Do nothing: the address is known."""

    async def close(self) -> None:
        """Close the connections, and the client unless it is borrowed."""
        self.retries = False
        await self._multiplexer.close()
        if self._owned:
            await self.client.aclose(close_connection_pool=True)

    def _pools(self) -> list[Pool]:
        return [ClientPool(self.client.connection_pool)]

    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Scan some thousand keys: see ``Deployment.scan``."""
        reply = (await self.send([scan_command(pattern, kind, cursor or "0")]))[0]
        if isinstance(reply, BackendError):
            raise reply
        next_cursor = reply[0].decode()
        return "" if next_cursor == "0" else next_cursor, reply[1]

    def _only_node(self, commands: Sequence[Command]) -> Multiplexer | None:  # noqa: ARG002
        return self._multiplexer

    def _node_to_ask(self, command: Command) -> Multiplexer | None:  # noqa: ARG002
        return self._multiplexer

    def _assign(self, pending: PendingCommands) -> list[NodeBatch]:
        return [NodeBatch(self._multiplexer, pending.take())]


def multiplexer_of(
    client: aioredis.Redis, limits: Limits, *, owned: bool, pool: Pool | None = None
) -> Multiplexer:
    """Build the multiplexer over a pool, by default that of the client."""
    if pool is None:
        most = inf if owned else MAX_CONNECTIONS
        pool = ClientPool(cast("Any", client).connection_pool, most)
    return Multiplexer(pool, owned=owned, timeout=limits.silence, probe_after=limits.probe_after)


def scan_command(pattern: str, kind: str, cursor: str) -> Command:
    """Build a SCAN of some thousand keys; ``kind`` is the type of the values, ``""`` for any."""
    type_filter = ("TYPE", kind) if kind else ()
    return ("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT, *type_filter)
