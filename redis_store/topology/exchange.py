"""One write and its replies, over a connection that redis-py made.

Commands are packed once and written once. Nothing is sent twice here: a write whose reply was lost
may have been applied.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, cast

from anyio import CancelScope, Semaphore
from redis import exceptions

from redis_store.client import Command, Reply
from redis_store.topology.translation import translate

# A call waits for one of these connections: redis-py's own pools would fail instead.
MAX_CONNECTIONS = 50


class Connection(Protocol):
    """The slice of ``redis.asyncio.Connection`` that is used."""

    # As redis-py has them.
    # ruff: disable[D102, FBT001, FBT002]
    async def connect(self) -> None: ...
    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes], check_health: bool) -> None: ...
    async def read_response(self, *, disable_decoding: bool) -> Reply: ...
    async def disconnect(self, nowait: bool = False) -> None: ...
    def should_reconnect(self) -> bool: ...

    # ruff: enable[D102, FBT001, FBT002]


class Connections(Protocol):
    """Where connections to one server come from."""

    async def take(self) -> Connection:
        """Return a connected one."""
        ...

    async def give_back(self, connection: Connection) -> None:
        """Take one back, whatever its state."""
        ...


class Pool:
    """The pool of a ``redis.asyncio.Redis``."""

    def __init__(self, pool: object) -> None:
        self._pool = cast("Any", pool)
        self.size = min(self._pool.max_connections, MAX_CONNECTIONS)

    async def take(self) -> Connection:
        """Return a connected one; no more than ``size`` at once."""
        return cast("Connection", await self._pool.get_connection())

    async def give_back(self, connection: Connection) -> None:
        """Take one back."""
        await self._pool.release(connection)


class Node:
    """Commands to one server."""

    def __init__(self, connections: Connections, size: int, host: str = "") -> None:
        self.host = host
        self._connections = connections
        self._free = Semaphore(size, fast_acquire=True)

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in one write; an error reply stands in its place as an exception.

        Raises:
            BackendError: No connection; or it broke, ``in_doubt`` if commands may be applied.
        """
        async with self._free:
            try:
                connection = await self._connections.take()
            except (exceptions.RedisError, OSError) as exc:
                raise translate(exc) from exc
            try:
                return await self._exchange(connection, commands)
            except (exceptions.RedisError, OSError) as exc:
                error = translate(exc)
                error.details["in_doubt"] = not isinstance(exc, exceptions.BusyLoadingError)
                raise error from exc

    async def _exchange(self, connection: Connection, commands: Sequence[Command]) -> list[Reply]:
        writer = _writer(connection)
        try:
            packed = connection.pack_commands(commands)
            await connection.send_packed_command(packed, check_health=False)
            replies = [await _read(connection) for _ in commands]
        except BaseException:
            # Unread replies would reach the next caller: the connection is of no more use. Merely
            # closed, it would go on sending: a cancelled write would overwrite the caller's next.
            if writer is not None:
                writer.transport.abort()
            with CancelScope(shield=True):
                await connection.disconnect(nowait=True)
                await self._connections.give_back(connection)
            raise
        with CancelScope(shield=True):
            await self._connections.give_back(connection)
        return replies


def _writer(connection: Connection) -> asyncio.StreamWriter | None:
    """What a connected connection writes to; it forgets it as soon as it fails. Not public."""
    return getattr(connection, "_writer", None)


async def _read(connection: Connection) -> Reply:
    try:
        return await connection.read_response(disable_decoding=True)
    except exceptions.ResponseError as exc:
        return exc
