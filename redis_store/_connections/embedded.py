"""Embedded deployment: a private server, which is started again if it dies.

The server's death is noticed where a connection fails, so that it costs nothing while it lives.
"""

import os
from math import inf
from typing import Protocol

import redis.asyncio as aioredis
from redis import exceptions

from redis_store._connections.commands import Replies
from redis_store._connections.deployment import NodeBatch
from redis_store._connections.limits import Limits
from redis_store._connections.pending_commands import PendingCommands
from redis_store._connections.pools import ClientPool, Connection
from redis_store._connections.standalone import StandaloneDeployment
from redis_store.errors import BackendError


class Server(Protocol):
    """The methods of ``EmbeddedServer`` that are used."""

    @property
    def socket(self) -> str:
        """The path of its unix socket, another one after each start."""
        ...

    async def recover(self) -> None:
        """Start it again if it died, or raise."""
        ...

    async def loss(self) -> BackendError | None:
        """Say that it died for good."""
        ...


class SocketPath(os.PathLike[str]):
    """The path of a server's socket, as it is when a connection is opened."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __fspath__(self) -> str:
        return self._server.socket

    def __str__(self) -> str:
        return self._server.socket


class _RecoveringPool(ClientPool):
    """A pool whose server is started again when it cannot be connected to."""

    def __init__(self, client: aioredis.Redis, server: Server) -> None:
        super().__init__(client.connection_pool, most=inf)
        self._server = server

    async def acquire(self) -> Connection:
        """Return a connected connection."""
        try:
            return await super().acquire()
        except (exceptions.RedisError, OSError):
            # Not per call: all requests that wait for the shared connection are served by this one.
            await self._server.recover()
            return await super().acquire()


class EmbeddedDeployment(StandaloneDeployment):
    """A private server.

    Args:
        client: The client whose pool is used; it connects to the ``SocketPath`` of the server.
        limits: What is asked of the connections.
        server: The server.
    """

    def __init__(self, client: aioredis.Redis, limits: Limits, server: Server) -> None:
        super().__init__(client, limits, owned=True, pool=_RecoveringPool(client, server))
        self._server = server

    def _record(
        self, pending: PendingCommands, batch: NodeBatch, outcome: Replies | BackendError
    ) -> None:
        """Record the replies. If there are none, the next attempt says why."""
        if isinstance(outcome, BackendError):
            pending.requeue(batch.positions, outcome)
        else:
            super()._record(pending, batch, outcome)

    async def _attempt(self, pending: PendingCommands) -> None:
        """Send the pending commands once, unless they were lost with the server."""
        error = pending.error
        # Only an error without a reply says whether the commands are in doubt.
        if error is not None and "in_doubt" in error.details:
            if (loss := await self._server.loss()) is not None:
                raise loss from error
            positions, pending.positions = pending.positions, []
            pending.lose(positions, error)
        await super()._attempt(pending)
