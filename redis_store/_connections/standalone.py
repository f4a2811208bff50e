"""One server, over the pool of a redis.asyncio client."""

from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio as aioredis

from redis_store._connections.commands import Command
from redis_store._connections.deployment import Deployment, Job, Limits, Part
from redis_store._connections.multiplexer import Node, Pool
from redis_store.errors import BackendError

_SCAN_COUNT = 1000


class StandaloneClient(Deployment):
    """Commands to one server."""

    def __init__(self, raw: aioredis.Redis, limits: Limits, *, owned: bool) -> None:
        super().__init__(raw, limits)
        self._owned = owned
        self._node = node_of(raw, limits, owned=owned)

    async def connect(self) -> None:
        """Find the server; the first command does that here."""

    def _only_node(self, commands: Sequence[Command]) -> Node | None:  # noqa: ARG002
        return self._node

    async def _round(self, job: Job) -> None:
        positions, job.pending = job.pending, []
        await self._exchange(job, [Part(self._node, positions)])

    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Look at some keys: see ``Client.scan``."""
        reply = (await self.send([scan_command(pattern, kind, cursor or "0")]))[0]
        if isinstance(reply, BackendError):
            raise reply
        following = reply[0].decode()
        return "" if following == "0" else following, reply[1]

    async def close(self) -> None:
        """Close the connections, unless the client is borrowed."""
        self.patient = False
        await self._node.close()
        if self._owned:
            await self.raw.aclose(close_connection_pool=True)


def node_of(raw: aioredis.Redis, limits: Limits, *, owned: bool) -> Node:
    """Return the server behind a client."""
    pool = Pool(cast("Any", raw).connection_pool)
    return Node(pool, pool.size, shares=owned, patience=limits.timeout)


def scan_command(pattern: str, kind: str, cursor: str) -> tuple[str | int, ...]:
    """Build the command that looks at some thousand keys."""
    of_kind = ("TYPE", kind) if kind else ()
    return ("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT, *of_kind)
