"""Pools: the connections to one server, as a multiplexer acquires and releases them.

Tests: ``tests/connections/test_credentials.py``, ``tests/connections/test_borrowed_clients.py``.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from redis import exceptions

# Per server. Callers wait for one of these: redis-py's own pools would raise instead.
MAX_CONNECTIONS = 50


@contextmanager
def lost_if_closed() -> Generator[None]:
    """Raise a ``ConnectionError`` of redis-py where its connecting meets a closed transport.

    It does not expect the ``RuntimeError`` that uvloop raises for that.
    """
    try:
        yield
    except RuntimeError as exc:
        if "handler is closed" not in str(exc):
            raise
        raise exceptions.ConnectionError("the connection was closed at once") from exc


class Connection(Protocol):
    """The methods of ``redis.asyncio.Connection`` that are used."""

    # Signatures are redis-py's.
    # ruff: disable[FBT001, FBT002]
    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = False) -> None: ...
    def should_reconnect(self) -> bool: ...

    # ruff: enable[FBT001, FBT002]


class Pool(Protocol):
    """A pool of connections to one server."""

    @property
    def size(self) -> int:
        """How many connections may be acquired at once."""
        ...

    async def acquire(self) -> Connection:
        """Return a connected connection."""
        ...

    async def release(self, connection: Connection) -> None:
        """Take a connection back, whatever its state."""
        ...

    def empty(self) -> list[Connection]:
        """Forget all connections, in use or not, and return them as they are."""
        ...


class ClientPool:
    """The pool of a ``redis.asyncio.Redis``.

    Args:
        pool: The pool.
        most: At most so many of its connections are acquired at once.
    """

    def __init__(self, pool: object, most: float = MAX_CONNECTIONS) -> None:
        self._pool = cast("Any", pool)
        self.size: int = min(self._pool.max_connections, most)

    async def acquire(self) -> Connection:
        """Return a connected connection."""
        try:
            return cast("Connection", await self._pool.get_connection())
        except exceptions.RedisError:
            raise
        except BaseException:
            # What a credential provider raises leaves the connection open, without a login, and
            # redis-py would hand it out as connected. No other task may run before it is closed:
            # disconnect(nowait=True) does not suspend.
            for connection in tuple(self._pool._available_connections):  # noqa: SLF001
                await connection.disconnect(nowait=True)
            raise

    async def release(self, connection: Connection) -> None:
        """Take a connection back, whatever its state."""
        await self._pool.release(connection)

    def empty(self) -> list[Connection]:
        """Forget all connections, in use or not, and return them as they are."""
        pool = self._pool
        connections = [*pool._available_connections, *pool._in_use_connections]  # noqa: SLF001
        pool.reset()
        # A lock belongs to the first event loop that had to wait for it.
        pool._lock = asyncio.Lock()  # noqa: SLF001
        if hasattr(pool, "_condition"):
            pool._condition = asyncio.Condition()  # noqa: SLF001
        return connections
