"""From an address or a borrowed client to connections: the only module that imports redis.

A command goes out on a connection of the client's pool, packed once and written once. Nothing is
sent twice: a write whose reply was lost may have been applied, and only the caller can tell.
"""

import asyncio
import re
import ssl
from codecs import lookup
from collections.abc import Sequence
from typing import Any, Protocol, cast
from urllib.parse import urlencode

import redis.asyncio as aioredis
from anyio import CancelScope, Semaphore
from redis import exceptions
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from redis_store.addresses import Address
from redis_store.client import Command, Reply
from redis_store.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
)

# A call waits for one of these connections: redis-py's own pool would fail instead.
MAX_CONNECTIONS = 50
_SCAN_COUNT = 1000

# The first word of an error reply, or redis-py's exception for it, to what an operator can do.
_ADVICE = {
    "OOM": "the server is out of memory: raise maxmemory or free some",
    "READONLY": "the server is a read-only replica: connect to the primary",
    "LOADING": "the server is loading its data: try again soon",
    "MISCONF": "the server refuses writes as it cannot persist: see its log",
    "NOAUTH": "the server asks for a password: check username and password",
    "WRONGPASS": "the server refused the login: check username and password",
    "NOPERM": "the user lacks a permission: see the README for the ACL that is needed",
    "NOSCRIPT": "the server has lost a script",
    "CLUSTERDOWN": "the cluster is not OK: see CLUSTER INFO",
    "WRONGTYPE": "a key of the store holds a value of another type",
}
_UNAVAILABLE = frozenset({"LOADING", "CLUSTERDOWN", "MASTERDOWN", "NOAUTH", "WRONGPASS"})


class _Connection(Protocol):
    """The slice of ``redis.asyncio.Connection`` that is used."""

    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]: ...
    async def send_packed_command(self, command: list[bytes], check_health: bool) -> None: ...  # noqa: FBT001
    async def read_response(self, *, disable_decoding: bool) -> Reply: ...
    async def disconnect(self, nowait: bool) -> None: ...  # noqa: FBT001


class _Pool(Protocol):
    """The slice of ``redis.asyncio.ConnectionPool`` that is used."""

    max_connections: int

    async def get_connection(self) -> _Connection: ...
    async def release(self, connection: _Connection) -> None: ...


class StandaloneClient:
    """Commands to one server, over the pool of a redis.asyncio client."""

    def __init__(self, raw: aioredis.Redis, *, owned: bool) -> None:
        _check_encoding(raw)
        self.raw = raw
        self._owned = owned
        self._pool = cast("_Pool", raw.connection_pool)
        free = min(self._pool.max_connections, MAX_CONNECTIONS)
        self._free = Semaphore(free, fast_acquire=True)

    async def send(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in one write: see ``Client.send``."""
        try:
            async with self._free:
                return await self._exchange(commands)
        except (exceptions.RedisError, OSError) as exc:
            raise translate(exc) from exc

    async def _exchange(self, commands: Sequence[Command]) -> list[Reply]:
        connection = await self._pool.get_connection()
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
                await self._pool.release(connection)
            raise
        with CancelScope(shield=True):
            await self._pool.release(connection)
        return replies

    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Look at some keys: see ``Client.scan``."""
        of_kind = ("TYPE", kind) if kind else ()
        command = ("SCAN", cursor or "0", "MATCH", pattern, "COUNT", _SCAN_COUNT, *of_kind)
        reply = (await self.send([command]))[0]
        if isinstance(reply, BackendError):
            raise reply
        following = reply[0].decode()
        return "" if following == "0" else following, reply[1]

    async def close(self) -> None:
        """Close the connections, unless the client is borrowed."""
        if self._owned:
            await self.raw.aclose(close_connection_pool=True)


def _writer(connection: _Connection) -> asyncio.StreamWriter | None:
    """What a connected connection writes to; it forgets it as soon as it fails. Not public."""
    return getattr(connection, "_writer", None)


async def _read(connection: _Connection) -> Reply:
    try:
        return await connection.read_response(disable_decoding=True)
    except exceptions.ResponseError as exc:
        error = translate(exc)
        error.__cause__ = exc
        return error


def translate(exc: Exception) -> BackendError:
    """Turn what redis-py raised into a BackendError that says what to check."""
    reason = _reason(exc)
    details = {"reason": reason}
    message = _ADVICE.get(reason) or _plain_message(exc, reason)
    if reason == "TIMEOUT":
        return BackendTimeoutError(message, code="BACKEND_TIMEOUT", details=details)
    lost = isinstance(exc, (exceptions.ConnectionError, OSError))
    if lost or reason in _UNAVAILABLE:
        return BackendUnavailableError(message, code=f"BACKEND_{reason}", details=details)
    return BackendError(message, code=f"BACKEND_{reason}", details=details)


# How servers word what they give no code, or what redis-py takes the code off.
_WORDED = {
    "Authentication required": "NOAUTH",
    "HELLO must be called with the client already authenticated": "NOAUTH",
    "ACL failure in script": "NOPERM",
    "The user executing the script can't run": "NOPERM",
}
_REASONS: dict[type[Exception], str] = {
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.AuthenticationError: "WRONGPASS",
    exceptions.AuthenticationWrongNumberOfArgsError: "WRONGPASS",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.TimeoutError: "TIMEOUT",
    TimeoutError: "TIMEOUT",
}


def _reason(exc: Exception) -> str:
    if isinstance(exc, exceptions.ConnectionError) and isinstance(exc.__cause__, Exception):
        # What the server said while connecting comes wrapped.
        return _reason(exc.__cause__)
    for phrase, reason in _WORDED.items():
        if phrase in str(exc):
            return reason
    if type(exc) in _REASONS:
        return _REASONS[type(exc)]
    if isinstance(exc, (exceptions.ConnectionError, OSError)):
        return "UNAVAILABLE"
    # A script's error names what the command inside it was refused with.
    words = re.findall("[A-Z]+", str(exc))
    return next((word for word in words if word in _ADVICE), "REFUSED")


def _plain_message(exc: Exception, reason: str) -> str:
    if reason == "TIMEOUT":
        return f"the server did not answer in time: {exc}"
    if isinstance(exc, (exceptions.ConnectionError, OSError)):
        return f"the server cannot be reached: {exc}"
    return f"the server refused: {exc}"


def connect(address: Address, options: dict[str, Any]) -> StandaloneClient:
    """Build an owned client for one server. No I/O.

    Args:
        address: A standalone address.
        options: Keyword options of ``redis.asyncio.Redis``; they win over the query string's.
    """
    try:
        raw = cast("Any", aioredis.Redis)(**_arguments(address, options))
    except (TypeError, ValueError, exceptions.RedisError, ssl.SSLError) as exc:
        raise ConfigurationError(
            f"redis.asyncio.Redis does not take the client options: {exc}",
            code="CONFIGURATION_INVALID_CLIENT_OPTIONS",
            details={"options": sorted({*options, *dict(address.query)})},
        ) from exc
    return StandaloneClient(raw, owned=True)


def _arguments(address: Address, options: dict[str, Any]) -> dict[str, Any]:
    """Put together what the client is built from; what stands later wins."""
    login = {"username": address.username, "password": address.password, "db": address.db}
    arguments: dict[str, Any] = {
        "max_connections": MAX_CONNECTIONS,
        # One attempt: a lost reply must not make redis-py send a write again.
        "retry": Retry(NoBackoff(), 0),
        **_query_options(address),
        **{name: value for name, value in login.items() if value is not None},
        **options,
    }
    if address.path:
        return {**arguments, "unix_socket_path": address.path}
    host, port = address.nodes[0]
    return {**arguments, "host": host, "port": port, "ssl": address.tls}


def _query_options(address: Address) -> dict[str, Any]:
    """Read query options as redis-py does: numbers and booleans by name."""
    options = dict(parse_url(f"redis://localhost?{urlencode(address.query)}"))
    options.pop("host", None)
    return options


def _check_encoding(raw: aioredis.Redis) -> None:
    encoding = cast("Any", raw).get_encoder().encoding
    if lookup(encoding).name != "utf-8":
        raise ConfigurationError(
            f"encoding must be UTF-8, as it is for every other writer, not {encoding}",
            code="CONFIGURATION_INVALID_ENCODING",
            details={"argument": "encoding", "encoding": encoding},
        )


def borrow(client: object) -> StandaloneClient:
    """Wrap a client that belongs to the caller. No I/O."""
    if isinstance(client, aioredis.Redis):
        return StandaloneClient(client, owned=False)
    raise ConfigurationError(
        "client must be a redis.asyncio.Redis",
        code="CONFIGURATION_INVALID_CLIENT",
        details={"argument": "client", "type": type(client).__name__},
    )
