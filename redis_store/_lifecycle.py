"""Lifecycle of a store: connections for each event loop that uses it, and the embedded server."""

from contextlib import suppress
from time import monotonic
from typing import Any

import anyio

from redis_store._connections import handshake
from redis_store._connections.current_call import Call, current_call
from redis_store._connections.deployment import Deployment
from redis_store._connections.eviction import EvictionWarning
from redis_store._connections.loops import running_loop
from redis_store._engine.database import Database
from redis_store.embedded import EmbeddedServer
from redis_store.errors import ConfigurationError, StoreClosedError
from redis_store.maintenance import adopt
from redis_store.settings import Settings


class Lifecycle:
    """Connects a store on first use in each event loop, and closes it in all.

    Args:
        settings: The arguments of the store.

    Attributes:
        db: The database that the domains share.
        deployment: The deployment that was built last.

    Raises:
        ConfigurationError: redis.asyncio refuses an option, or the platform the embedded server.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        is_embedded = settings.address.topology == "embedded"
        self._server = EmbeddedServer(settings.address.path) if is_embedded else None
        # Built here, for the first event loop, so that wrong options are refused at once.
        self.deployment = settings.new_deployment(self._server)
        self._is_taken = False
        self._is_adopted = False
        self._eviction = EvictionWarning(threads_expire=settings.thread_ttl is not None)
        self._closed = False
        self.db = Database(
            settings.keys,
            self.connect,
            scans=settings.indexes == "scan",
            thread_ttl=settings.thread_ttl,
            server_clock=settings.clock == "server",
        )

    async def connect(self) -> Deployment:
        """Return the deployment of the running event loop, connecting it first if need be."""
        state = self.db.loops.get()
        async with state.connecting:
            self._check_open()
            if self._server is not None:
                await self._serve(self._server)
            if state.deployment is None:
                state.deployment = self._new_deployment()
            if not state.is_ready:
                # Connecting has its own deadline and uses the primary, even when a read triggered
                # it.
                token = current_call.set(Call(monotonic(), read_only=False))
                try:
                    await self._prepare(state.deployment)
                finally:
                    current_call.reset(token)
                state.is_ready = True
            return state.deployment

    async def close(self) -> None:
        """Close the connections of every event loop, and the embedded server. Idempotent."""
        running_loop()
        # Before any await: a loop that connects from now on is refused.
        self._closed = True
        # Shielded from its first await on: connections must not outlive a cancelled caller.
        with anyio.CancelScope(shield=True):
            await self.db.close()
            if not self._is_taken:
                self._is_taken = True
                await self.deployment.close()
            if self._server is not None:
                await self._server.stop()

    def client(self) -> Any:
        """Return the redis.asyncio client of the running event loop, or else the latest one."""
        self._check_open()
        if self._server is not None and not self._server.socket:
            raise ConfigurationError(
                "an embedded store has no client before init()", code="GET_CLIENT_NOT_READY"
            )
        deployment = self.deployment
        with suppress(ConfigurationError):  # no event loop runs
            deployment = self.db.loops.get().deployment or deployment
        return deployment.client

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("the store is closed", code="STORE_CLOSED")

    async def _serve(self, server: EmbeddedServer) -> None:
        """Start the embedded server, or start it again if it died."""
        await (server.recover() if server.socket else server.start())
        if self._closed:  # by another event loop, which did not wait for the server
            await server.stop()
        self._check_open()

    def _new_deployment(self) -> Deployment:
        """Build a deployment for the running event loop, or take the one that is built."""
        if self._is_taken:
            if self._settings.client is not None and self.db.has_other_loops:
                raise ConfigurationError(
                    "client is in use in another event loop, and its connections belong to that: "
                    "close that loop first, or pass a connection string instead of a client",
                    code="CONFIGURATION_CLIENT_IN_OTHER_LOOP",
                    details={"argument": "client"},
                )
            self.deployment = self._settings.new_deployment(self._server)
        self._is_taken = True
        return self.deployment

    async def _prepare(self, deployment: Deployment) -> None:
        """Check the server, load the scripts, and index a small database of another writer."""
        on_cluster = self._settings.address.topology == "cluster"
        await handshake.prepare(deployment, self._eviction, clustered=on_cluster)
        if not (self.db.scans or self._is_adopted):
            await adopt(Database.over(deployment, self.db.keys))
            self._is_adopted = True
        deployment.retries = True
