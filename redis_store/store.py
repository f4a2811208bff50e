"""RedisStore: construction, connection, life cycle, and the way to the domains."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, cast, overload

from redis_store import cache
from redis_store._connections.addresses import Topology
from redis_store._connections.connecting import ReadFrom
from redis_store._engine.arguments import check_count, check_id
from redis_store._engine.integration_keys import everything_of
from redis_store._engine.operations import iteration, operation, unbounded
from redis_store._lifecycle import Lifecycle
from redis_store._portal import Portal
from redis_store.cache import CacheStore
from redis_store.maintenance import (
    Erased,
    Erasure,
    Export,
    Progress,
    Pruned,
    Pruning,
    Reindexing,
    Report,
    Retention,
    Verification,
)
from redis_store.memory import MemoryStore
from redis_store.models import Record
from redis_store.scores import ScoreStore
from redis_store.settings import Settings
from redis_store.sync import SyncRedisStore
from redis_store.workflows import WorkflowStore

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

Domain = MemoryStore | WorkflowStore | ScoreStore | CacheStore


class RedisStore:
    """Stores what agents remember, on the keys and JSON of Mastra's ``@mastra/redis``.

    Use it as ``async with RedisStore(url) as store``, or call ``init`` and ``close``. Domain calls
    before ``init`` connect on first use. One store serves any number of tasks, event loops and
    threads, and forked children; a borrowed ``client`` serves one event loop at a time.

    Args:
        connection_string: ``redis://``, ``rediss://`` (TLS), ``unix:///path``, ``embedded://`` (a
            private server, gone on close), ``embedded:///dir`` (one that keeps its data),
            ``redis+sentinel://host:port,host:port/service/0`` or
            ``redis+cluster://host:port,host:port``; these two with ``rediss+`` over TLS.
        id: A name for this store.
        host: The server's host, instead of a connection string.
        port: Its TCP port.
        username: ACL user; wins over the connection string's.
        password: Its password; wins over the connection string's.
        db: Number of the database; wins over the connection string's unless 0.
        ssl: Whether to speak TLS.
        client: A ``redis.asyncio.Redis``, from ``Sentinel.master_for`` too, or ``RedisCluster`` of
            the caller's; it is never closed here.
        key_prefix: Goes in front of every key.
        hash_tags: Whether keys brace the part that decides the cluster slot; ``None`` is on for a
            cluster, else off. The two layouts do not see each other's data.
        indexes: ``"managed"``, where only stores of this library write to the keys; or ``"scan"``,
            where a Mastra app does too: then listings scan the keyspace and read every record.
        retention: The maximum age of each kind of record, for ``prune``.
        min_replicas: How many replicas must confirm a write; else it raises ``ReplicationError``.
        read_from: ``"primary"``; or ``"replica"``: public reads go to replicas, which may lag.
        operation_timeout: How long a call may take, retries included; maintenance and iteration
            may take that long for each step.
        cache_prefix: What the keys of ``store.cache`` start with.
        cache_ttl: How long they live by default; ``None`` is for ever.
        thread_ttl: How long a thread lives with all its messages after it was last used: read by id
            or by its messages, or written to. ``None`` is for ever. Every store on the same data
            needs the same; a thread stored without it gets it when it is next used.
        clock: Whose time a date is that you did not give: ``"client"``; or ``"server"``, one for
            all clients, for one round trip more per write. See the README.
        **client_options: Keyword options of ``redis.asyncio``'s client, such as ``ssl_ca_certs``;
            and ``sentinel_username`` and ``sentinel_password``, where sentinels ask for a login.

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
        client: "Redis | RedisCluster | None" = None,
        key_prefix: str = "",
        hash_tags: bool | None = None,
        indexes: Literal["managed", "scan"] = "managed",
        retention: Retention | None = None,
        min_replicas: int = 0,
        read_from: ReadFrom = "primary",
        operation_timeout: timedelta = timedelta(seconds=10),
        cache_prefix: str = cache.PREFIX,
        cache_ttl: timedelta | None = cache.TTL,
        thread_ttl: timedelta | None = None,
        clock: Literal["client", "server"] = "client",
        **client_options: Any,
    ) -> None:
        self._settings = Settings(
            id=id,
            connection_string=connection_string,
            host=host,
            port=port,
            username=username,
            password=password,
            db=db,
            ssl=ssl,
            client=client,
            key_prefix=key_prefix,
            hash_tags=hash_tags,
            indexes=indexes,
            retention=Retention() if retention is None else retention,
            min_replicas=min_replicas,
            read_from=read_from,
            operation_timeout=operation_timeout,
            cache_prefix=cache_prefix,
            cache_ttl=cache_ttl,
            thread_ttl=thread_ttl,
            clock=clock,
            client_options=client_options,
        )
        self.id = id
        self.indexes: Literal["managed", "scan"] = indexes
        self._lifecycle = Lifecycle(self._settings)
        self._db = self._lifecycle.db
        self._memory = MemoryStore(self._db)
        self._workflows = WorkflowStore(self._db)
        self._scores = ScoreStore(self._db)
        self._cache = CacheStore(self._db, cache_prefix, cache_ttl)
        self._portal = Portal()
        self._sync = SyncRedisStore(self)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Build a store from a connection string, as redis-py users expect."""
        return cls(url, **options)

    def __repr__(self) -> str:
        """Show the id and where the store is, never how it logs in."""
        return f"RedisStore({self.id!r}, {self._settings.location})"

    @property
    def topology(self) -> Topology:
        """``"standalone"``, ``"sentinel"``, ``"cluster"`` or ``"embedded"``."""
        return self._settings.address.topology

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
        return getattr(self, name) if name in ("memory", "workflows", "scores", "cache") else None

    def get_client(self) -> "Redis | RedisCluster":
        """Return the underlying ``redis.asyncio`` client.

        Raises:
            StoreClosedError: The store is closed.
            ConfigurationError: The embedded server has not been started by ``init`` yet.
        """
        return cast("Redis | RedisCluster", self._lifecycle.client())

    @operation
    async def init(self) -> None:
        """Connect, check the server and load the scripts. Safe to call twice, from any task.

        Two round trips, after the server was started if it is embedded. A small database without
        indexes of this library is indexed too: see ``reindex``.

        Raises:
            BackendError: The server cannot be reached, refuses the login, or is too old.
        """
        await self._lifecycle.connect()

    async def close(self) -> None:
        """Close the connections of every event loop, ``sync()``, and the embedded server.

        Idempotent, from any event loop. One that runs in another thread closes its own connections;
        if it is blocked for five seconds, or does not run any more, they are cut.
        """
        await self._lifecycle.close()
        self._portal.stop()

    def sync(self) -> SyncRedisStore:
        """Return this store with calls that block: ``with RedisStore(url).sync() as store``.

        For scripts, views and tasks without an event loop; from any thread, also beside the
        asynchronous calls. Always the same object; closing it closes this store.
        """
        return self._sync

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

    @unbounded
    async def reindex(self, progress: Callable[[Progress], object] | None = None) -> None:
        """Build the indexes of records that another writer stored, such as a Mastra app.

        Needed once for a large database; ``init`` does it for one of at most 10,000 keys. Scans
        the keyspace five times, 200 records at once, while the store is in use; what is written
        meanwhile stays. Stopped at any point, it goes on from there when called again.
        ``progress`` is called after each batch.
        """
        await Reindexing(self._db).run(progress)

    @unbounded
    async def verify(self, *, repair: bool = False) -> Report:
        """Check every record against every index, both ways.

        Scans the keyspace while the store is in use, 200 records at once; a thread's order and
        messages are read whole. What changes meanwhile is left to the next run.

        Args:
            repair: Whether to repair problems. Records are not changed, except that a message
                whose thread is gone is removed.

        Returns:
            What was checked, found and repaired.
        """
        return await Verification(self._db, repair=repair).run()

    @unbounded
    async def prune(
        self,
        *,
        max_batches: int | None = None,
        progress: Callable[[Progress], object] | None = None,
    ) -> list[Pruned]:
        """Remove the records that are strictly older than ``retention`` allows.

        Bounded memory, 200 records at once, while the store is in use: what changes meanwhile is
        looked at again. May be cancelled; the next call removes the rest.

        Args:
            max_batches: At most so many batches of each kind; ``None`` is all that are due.
            progress: Called after each batch with how many of a kind are gone.

        Returns:
            For each kind with a maximum age, how many went and whether all that were due did.
        """
        if max_batches is not None:
            check_count("max_batches", max_batches)
        if self._db.scans:
            await Reindexing(self._db).run()
        return await Pruning(self._db, self._settings.retention).run(max_batches, progress)

    @unbounded
    async def erase_resource(
        self, resource_id: str, *, progress: Callable[[Progress], object] | None = None
    ) -> Erased:
        """Remove everything that belongs to a resource, usually a user, from every domain.

        That is its threads with all their messages, whoever wrote them; its messages in others'
        threads; its runs, scores, working memory, metadata and vectors; its records in imported
        integrations. Bounded memory, while in use. Cancelled or killed, the next call goes on.

        A thread costs two round trips (more if long, or in the hash-tagged layout), 20 runs cost
        four. Scores have no index by resource: all are read, 500 in two round trips.

        Only ``indexes="scan"`` finds records that no index lists (see ``reindex``) and runs outside
        the namespace ``"workflows"``. What merely mentions the resource stays: others' texts and
        metadata, and the cache. ``progress`` is called after each batch.

        Returns:
            How many records this call removed, and which it could not read.
        """
        check_id("resource_id", resource_id)
        return await Erasure(self._db, resource_id, progress).run()

    @iteration
    def export_resource(self, resource_id: str) -> AsyncIterator[Record]:
        """Iterate over what ``erase_resource`` would remove, each record once.

        The ``Resource``; its threads, each followed by its messages; its messages in others'
        threads; its runs; its scores: each from the oldest on (on a cluster, scores are in 32 such
        series); integrations' records; no vectors. With ``indexes="scan"`` all messages follow the
        threads, in any order. Bounded memory, but a scan keeps its keys. All scores are read.

        Raises:
            CorruptRecordError: One of its records is corrupt; all others were returned before.
        """
        check_id("resource_id", resource_id)
        return Export(self._db, resource_id).records()

    @unbounded
    async def dangerously_clear_integrations(self, name: str | None = None) -> None:
        """Remove what one integration or all stored, imported or not. Scans the whole keyspace."""
        if name is not None:
            check_id("name", name)
        await self._db.clear(everything_of(self._db.keys, name))

    @operation
    async def ping(self) -> bool:
        """Ask the server for a sign of life: one round trip, ``True`` or an error."""
        return bool(await self._db.command("PING") == b"PONG")
