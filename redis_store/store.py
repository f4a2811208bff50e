"""RedisStore: construction, connection, life cycle, and the way to the domains."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import anyio
from msgspec.structs import replace

from redis_store import addresses, cache, topology
from redis_store.addresses import Address, Topology
from redis_store.batch import Batch
from redis_store.cache import CacheStore
from redis_store.client import Reply
from redis_store.embedded import EmbeddedServer
from redis_store.errors import BackendError, ConfigurationError, StoreClosedError
from redis_store.keys import Keys
from redis_store.maintenance import (
    Progress,
    Pruned,
    Pruning,
    Reindexing,
    Report,
    Retention,
    Verification,
    adopt,
)
from redis_store.memory import MemoryStore
from redis_store.pages import check_count
from redis_store.repository import operation
from redis_store.scores import ScoreStore
from redis_store.scripts import BY_SHA
from redis_store.topology import StandaloneClient
from redis_store.workflows import WorkflowStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

Domain = MemoryStore | WorkflowStore | ScoreStore | CacheStore

MIN_VERSION = (6, 2)


class RedisStore:
    """Stores what agents remember, on the keys and JSON of Mastra's ``@mastra/redis``.

    Use it as ``async with RedisStore(url) as store``, or call ``init`` and ``close``. Domain calls
    before ``init`` connect on first use. One store serves any number of tasks of one event loop.

    Args:
        connection_string: ``redis://``, ``rediss://`` (TLS), ``unix:///path``, ``embedded://`` (a
            private server, gone on close) or ``embedded:///dir`` (one that keeps its data).
        id: A name for this store.
        host: The server's host, instead of a connection string.
        port: Its TCP port.
        username: ACL user; wins over the connection string's.
        password: Its password; wins over the connection string's.
        db: Number of the database; wins over the connection string's unless 0.
        ssl: Whether to speak TLS.
        client: A ``redis.asyncio.Redis`` of the caller's; it is never closed here.
        key_prefix: Goes in front of every key.
        hash_tags: Whether keys brace the part that decides the cluster slot; ``None`` is on for a
            cluster, else off. The two layouts do not see each other's data.
        indexes: ``"managed"``, where only stores of this library write to the keys; or ``"scan"``,
            where a Mastra app writes to them too: then listings look at every record, and scan
            the keyspace for it.
        retention: The maximum age of each kind of record, for ``prune``.
        min_replicas: Must be 0 in this version.
        cache_prefix: What the keys of ``store.cache`` start with.
        cache_ttl: How long they live by default; ``None`` is for ever.
        **client_options: Keyword options of ``redis.asyncio.Redis``, such as ``socket_timeout``
            (seconds) or ``ssl_ca_certs``.

    Raises:
        ConfigurationError: The arguments do not fit together. The constructor does no I/O.
    """

    def __init__(
        self,
        connection_string: str | None = None,
        *,
        id: str = "redis-store",
        host: str | None = None,
        port: int = 6379,
        username: str | None = None,
        password: str | None = None,
        db: int = 0,
        ssl: bool = False,
        client: "Redis | None" = None,
        key_prefix: str = "",
        hash_tags: bool | None = None,
        indexes: Literal["managed", "scan"] = "managed",
        retention: Retention | None = None,
        min_replicas: int = 0,
        cache_prefix: str = cache.PREFIX,
        cache_ttl: timedelta | None = cache.TTL,
        **client_options: Any,
    ) -> None:
        _check_one_source(connection_string=connection_string, host=host, client=client)
        _check_text("id", id)
        _check_text("cache_prefix", cache_prefix)
        _check_encodable(key_prefix=key_prefix, cache_prefix=cache_prefix)
        _check_int("port", port, least=1, most=65535)
        _check_int("db", db, least=0)
        _check_ttl("cache_ttl", cache_ttl)
        _check_options(client_options)
        _check_choice("indexes", indexes, ("managed", "scan"))
        _check_retention(retention)
        _check_not_yet(min_replicas=min_replicas)
        self.id = id
        self.indexes: Literal["managed", "scan"] = indexes
        self._keys = Keys(key_prefix, hash_tags=bool(hash_tags))
        self._options = client_options
        self._address: Address | None = None
        self._client: StandaloneClient | None = None
        if client is not None:
            login = {"username": username, "password": password, "db": db, "ssl": ssl}
            _check_borrowed({**{k: v for k, v in login.items() if v}, **client_options})
            self._client = topology.borrow(client)
        else:
            address = _address(connection_string, host, port)
            self._address = replace(
                address,
                username=username if username is not None else address.username,
                password=password if password is not None else address.password,
                db=db or address.db,
                tls=ssl or address.tls,
            )
            if address.topology == "standalone":
                self._client = topology.connect(self._address, client_options)
        self._server: EmbeddedServer | None = None
        self._ready = False
        self._closed = False
        self._lock = anyio.Lock()
        self._batch = batch = Batch(self, self._keys, scans=indexes == "scan")
        self._retention = retention or Retention()
        self._memory = MemoryStore(batch)
        self._workflows = WorkflowStore(batch)
        self._scores = ScoreStore(batch)
        self._cache = CacheStore(batch, cache_prefix, cache_ttl)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Build a store from a connection string, as redis-py users expect."""
        return cls(url, **options)

    def __repr__(self) -> str:
        """Show the id and where the store is, never how it logs in."""
        where = repr(self._address) if self._address else "borrowed client"
        return f"RedisStore({self.id!r}, {where})"

    @property
    def topology(self) -> Topology:
        """What is at the other end: ``"standalone"`` or ``"embedded"``."""
        return self._address.topology if self._address else "standalone"

    @property
    def memory(self) -> MemoryStore:
        """Threads, messages and resources."""
        return self._memory

    @property
    def workflows(self) -> WorkflowStore:
        """Workflow snapshots."""
        return self._workflows

    @property
    def scores(self) -> ScoreStore:
        """Evaluation scores."""
        return self._scores

    @property
    def cache(self) -> CacheStore:
        """The server cache."""
        return self._cache

    @overload
    async def get_store(self, name: Literal["memory"]) -> MemoryStore: ...
    @overload
    async def get_store(self, name: Literal["workflows"]) -> WorkflowStore: ...
    @overload
    async def get_store(self, name: Literal["scores"]) -> ScoreStore: ...
    @overload
    async def get_store(self, name: Literal["cache"]) -> CacheStore: ...
    @overload
    async def get_store(self, name: str) -> Domain | None: ...
    async def get_store(self, name: str) -> Domain | None:
        """Return the domain of that name, or ``None``."""
        domains: dict[str, Domain] = {
            "memory": self._memory,
            "workflows": self._workflows,
            "scores": self._scores,
            "cache": self._cache,
        }
        return domains.get(name)

    def get_client(self) -> "Redis":
        """Return the underlying ``redis.asyncio`` client.

        Raises:
            StoreClosedError: The store is closed.
            ConfigurationError: The embedded server has not been started by ``init`` yet.
        """
        self._check_open()
        if self._client is None:
            raise ConfigurationError(
                "an embedded store has no client before init()", code="GET_CLIENT_NOT_READY"
            )
        return self._client.raw

    @operation
    async def init(self) -> None:
        """Connect, check the server and load the scripts. Safe to call twice, from any task.

        Two round trips, after the server was started if it is embedded. A small database without
        indexes of this library is indexed too: see ``reindex``.

        Raises:
            BackendError: The server cannot be reached, refuses the login, or is too old.
        """
        await self._ensure_ready()

    async def close(self) -> None:
        """Close what the store opened: connections, and the embedded server. Idempotent."""
        # Shielded from its first await on: what is open must not outlive a cancelled caller.
        with anyio.CancelScope(shield=True):
            async with self._lock:
                self._closed = True
                if self._client is not None:
                    await self._client.close()
                if self._server is not None:
                    await self._server.stop()
                self._client = self._server = None

    async def __aenter__(self) -> Self:
        """Initialise; on failure close again."""
        try:
            await self.init()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    @operation
    async def reindex(self, progress: Callable[[Progress], object] | None = None) -> None:
        """Build the indexes of records that another writer stored, such as a Mastra app.

        Needed once for a large database; ``init`` does it for one of at most 10,000 keys. Scans
        the keyspace five times, 200 records at once, while the store is in use; what is written
        meanwhile stays. Stopped at any point, it goes on from there when called again.

        Args:
            progress: Called after each batch with how many keys of a kind are done.
        """
        await Reindexing(self._batch).run(progress)

    @operation
    async def verify(self, *, repair: bool = False) -> Report:
        """Check every record against every index, both ways.

        Scans the keyspace while the store is in use, 200 records at once; a thread's order and
        messages are read whole. What changes meanwhile is left to the next run.

        Args:
            repair: Whether to mend what is wrong. Records are not changed, except that a message
                whose thread is gone is removed.

        Returns:
            What was looked at, found and mended.
        """
        return await Verification(self._batch, repair=repair).run()

    @operation
    async def prune(
        self,
        *,
        max_batches: int | None = None,
        progress: Callable[[Progress], object] | None = None,
    ) -> list[Pruned]:
        """Remove the records that are strictly older than ``retention`` allows.

        Bounded memory, 200 records at once, while the store is in use: what changes meanwhile is
        judged anew. May be cancelled; the next call goes on.

        Args:
            max_batches: At most so many batches of each kind; ``None`` is all that are due.
            progress: Called after each batch with how many of a kind are gone.

        Returns:
            For each kind with a maximum age, how many went and whether all that were due did.
        """
        if max_batches is not None:
            check_count("prune", "max_batches", max_batches)
        if self._batch.scans:
            await Reindexing(self._batch).run()
        return await Pruning(self._batch, self._memory, self._retention).run(max_batches, progress)

    @operation
    async def ping(self) -> bool:
        """Ask the server for a sign of life: one round trip, ``True`` or an error."""
        return bool(await self._batch.command("PING") == b"PONG")

    async def client(self) -> StandaloneClient:
        """Return the connected client: see ``batch.Connected``."""
        if not self._ready or self._closed:
            await self._ensure_ready()
        assert self._client is not None  # noqa: S101 - set by now
        return self._client

    async def _ensure_ready(self) -> None:
        async with self._lock:
            self._check_open()
            if not self._ready:
                await self._prepare()
                self._ready = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("the store is closed", code="STORE_CLOSED")

    async def _prepare(self) -> None:
        if self._client is None:
            assert self._address is not None  # noqa: S101 - a borrowed client is never None
            self._server = EmbeddedServer(self._address.path)
            await self._server.start()
            local = addresses.parse(self._server.url)
            self._client = topology.connect(replace(local, db=self._address.db), self._options)
        loads = [("SCRIPT", "LOAD", script.source) for script in BY_SHA.values()]
        info, *loaded = await self._client.send([("INFO", "server"), *loads])
        _raise_first([info])
        check_server(info)
        _raise_first(loaded)
        if not self._batch.scans:
            await adopt(Batch(_Ready(self._client), self._keys))


class _Ready:
    """A connected client, for what must be done before the store counts as ready."""

    def __init__(self, client: StandaloneClient) -> None:
        self._client = client

    async def client(self) -> StandaloneClient:
        """Return it: see ``batch.Connected``."""
        return self._client


def _raise_first(replies: Sequence[Reply]) -> None:
    for reply in replies:
        if isinstance(reply, BackendError):
            raise reply


def check_server(info: bytes) -> None:
    """Refuse a server that the library cannot work with, by its ``INFO server``.

    Raises:
        BackendError: Older than Redis 6.2, a sentinel, or a cluster node.
    """
    facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    version = facts.get("redis_version", "0.0")
    # Valkey's name for it, then Redis's.
    mode = facts.get("server_mode") or facts.get("redis_mode", "standalone")
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < MIN_VERSION:
        raise BackendError(
            f"the server is Redis {version}; 6.2 or newer is needed",
            code="SERVER_TOO_OLD",
            details={"version": version},
        )
    if mode != "standalone":
        raise BackendError(
            f"the server runs as a {mode} node, the connection string is for a standalone one",
            code="WRONG_TOPOLOGY",
            details={"mode": mode},
        )


def _wrong(argument: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{argument} {why}",
        code=f"CONFIGURATION_INVALID_{argument}".upper(),
        details={"argument": argument},
    )


def _check_text(argument: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(argument, "must be a non-blank string")


def _check_encodable(**texts: object) -> None:
    for argument, value in texts.items():
        if not isinstance(value, str):
            raise _wrong(argument, "must be a string")
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise _wrong(argument, "has a lone surrogate") from exc


def _check_int(argument: str, value: object, *, least: int, most: int | None = None) -> None:
    if not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"of {least} or more" if most is None else f"in {least}..{most}"
        raise _wrong(argument, f"must be an int {bounds}")


def _check_ttl(argument: str, value: object) -> None:
    if value is not None and not isinstance(value, timedelta):
        raise _wrong(argument, "must be a timedelta or None")


def _check_options(options: dict[str, Any]) -> None:
    for argument in ("connection_pool", "unix_socket_path"):
        if argument in options:
            raise _wrong(argument, "says where to connect: pass a client or a connection string")


def _check_one_source(**sources: object) -> None:
    given = [name for name, value in sources.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ConfigurationError(
            f"give exactly one of {', '.join(sources)}; found {found}",
            code="CONFIGURATION_INVALID_SOURCE",
            details={"given": given},
        )
    if given[0] != "client":
        _check_text(given[0], sources[given[0]])


def _check_choice(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _wrong(argument, f"must be one of {allowed}")


def _check_retention(value: object) -> None:
    if value is not None and not isinstance(value, Retention):
        raise _wrong("retention", "must be a Retention")


def _check_not_yet(**asked: object) -> None:
    for argument, value in asked.items():
        if value:
            raise _wrong(argument, "has only its default in this version")


def _check_borrowed(options: dict[str, Any]) -> None:
    for argument in options:
        raise _wrong(argument, "cannot be combined with client: set it on the client")


def _address(connection_string: str | None, host: str | None, port: int) -> Address:
    if connection_string is None:
        return Address(topology="standalone", nodes=((str(host), port),))
    address = addresses.parse(connection_string)
    if address.topology in ("sentinel", "cluster"):
        raise ConfigurationError(
            f"{address.topology} connections are not supported in this version",
            code="CONFIGURATION_UNSUPPORTED_TOPOLOGY",
            details={"argument": "connection_string", "topology": address.topology},
        )
    return address
