"""Connecting: builds the deployment of an address, or around a borrowed client. No I/O."""

import asyncio
import ssl
from codecs import lookup
from collections.abc import Mapping
from functools import partial
from math import inf
from typing import Any, Literal, Protocol, cast
from urllib.parse import urlencode

import redis
import redis.asyncio as aioredis
from msgspec.structs import replace
from redis import exceptions
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterNode, ClusterPipeline
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.client import Pipeline as SyncPipeline
from redis.cluster import ClusterPipeline as SyncClusterPipeline
from redis.cluster import LoadBalancingStrategy

from redis_store._connections import client_options
from redis_store._connections.addresses import Address, Topology
from redis_store._connections.cluster import ClusterDeployment
from redis_store._connections.deployment import Deployment
from redis_store._connections.embedded import EmbeddedDeployment, Server, SocketPath
from redis_store._connections.limits import Limits
from redis_store._connections.pools import MAX_CONNECTIONS
from redis_store._connections.sentinel import SentinelDeployment, Sentinels
from redis_store._connections.standalone import StandaloneDeployment
from redis_store.errors import ConfigurationError

ReadFrom = Literal["primary", "replica"]

_PIPELINES = (Pipeline, ClusterPipeline, SyncPipeline, SyncClusterPipeline)
_SENTINEL_LOGIN = {"sentinel_username": "username", "sentinel_password": "password"}


def connect(
    address: Address,
    options: dict[str, Any],
    limits: Limits,
    read_from: ReadFrom = "primary",
    *,
    server: Server | None = None,
) -> Deployment:
    """Build a deployment that owns its client. No I/O: the first command connects.

    Args:
        address: Where the deployment is.
        options: Keyword options of redis.asyncio's client; they win over the query string's.
        limits: What is asked of the connections.
        read_from: Where public reads go; with a standalone server, only ``"primary"``.
        server: The embedded server, if that is the address.

    Raises:
        ConfigurationError: redis.asyncio refuses an option, or the encoding is not UTF-8.
    """
    builders: dict[Topology, _Builder] = {"sentinel": _sentinel, "cluster": _cluster}
    if server is not None:
        builders["embedded"] = partial(_embedded, server)
    build = builders.get(address.topology, _standalone)
    try:
        given = {**_query_options(address), **options}
        client_options.check(address, given)
        limits = _limits(limits, given)
        return build(address, options, limits, reads_replicas=read_from == "replica")
    except ConfigurationError:
        raise
    except (TypeError, ValueError, exceptions.RedisError, ssl.SSLError) as exc:
        raise ConfigurationError(
            f"redis.asyncio does not take the client options: {exc}",
            code="CONFIGURATION_INVALID_CLIENT_OPTIONS",
            details={"options": sorted({*options, *dict(address.query)})},
        ) from exc


class _Builder(Protocol):
    def __call__(
        self, address: Address, options: dict[str, Any], limits: Limits, *, reads_replicas: bool
    ) -> Deployment: ...


def _standalone(
    address: Address, options: dict[str, Any], limits: Limits, *, reads_replicas: bool
) -> StandaloneDeployment:
    where: dict[str, Any]
    if address.path:
        _check_unix_sockets()
        where = {"unix_socket_path": address.path}
    else:
        host, port = address.nodes[0]
        where = {"host": host, "port": port, "ssl": address.tls}
    arguments = {**_arguments(address, options, limits), **where}
    client = _single_client(arguments, reads_replicas=reads_replicas)
    return StandaloneDeployment(client, limits, owned=True)


def _embedded(
    server: Server,
    address: Address,
    options: dict[str, Any],
    limits: Limits,
    *,
    reads_replicas: bool,
) -> EmbeddedDeployment:
    arguments = _arguments(address, options, limits)
    arguments["unix_socket_path"] = SocketPath(server)
    client = _single_client(arguments, reads_replicas=reads_replicas)
    return EmbeddedDeployment(client, limits, server)


def _single_client(arguments: dict[str, Any], *, reads_replicas: bool) -> aioredis.Redis:
    """Build the client of one server."""
    if reads_replicas:
        raise ConfigurationError(
            "read_from='replica' is for Sentinel and Cluster",
            code="CONFIGURATION_INVALID_READ_FROM",
            details={"argument": "read_from"},
        )
    client = cast("Any", aioredis.Redis)(**arguments)
    _check_encoding(client)
    return cast("aioredis.Redis", client)


def _check_unix_sockets() -> None:
    if not hasattr(asyncio, "open_unix_connection"):
        raise ConfigurationError(
            "unix:// needs unix sockets, which this platform lacks: use redis://",
            code="CONFIGURATION_INVALID_CONNECTION_STRING",
            details={"argument": "connection_string"},
        )


def _sentinel(
    address: Address, options: dict[str, Any], limits: Limits, *, reads_replicas: bool
) -> SentinelDeployment:
    given = _arguments(address, options, limits)
    login = {name: given.pop(option) for option, name in _SENTINEL_LOGIN.items() if option in given}
    shared = {n: value for n, value in given.items() if n.startswith(("socket_", "ssl_", "retry"))}
    # Sentinels are asked in turn: those that hang must leave time for one that answers.
    timeout = limits.timeout / (2 + len(address.nodes))
    for name in ("socket_timeout", "socket_connect_timeout"):
        shared[name] = min(timeout, given.get(name) or timeout)
    sentinel = Sentinels(
        list(address.nodes),
        sentinel_kwargs={**shared, "ssl": address.tls, **login},
        **given,
        ssl=address.tls,
    )
    deployment = SentinelDeployment(
        sentinel, str(address.service), limits, reads_replicas=reads_replicas
    )
    # Sentinel takes any option, and a connection refuses those that it does not know.
    deployment.client.connection_pool.make_connection()
    _check_encoding(deployment.client)
    return deployment


def _cluster(
    address: Address, options: dict[str, Any], limits: Limits, *, reads_replicas: bool
) -> ClusterDeployment:
    arguments = _arguments(address, options, limits)
    arguments.pop("db", None)
    nodes = [ClusterNode(host, port) for host, port in address.nodes]
    client = cast("Any", aioredis.RedisCluster)(
        startup_nodes=nodes,
        ssl=address.tls,
        # This makes redis-py send READONLY when it connects to a replica.
        load_balancing_strategy=(
            LoadBalancingStrategy.ROUND_ROBIN_REPLICAS if reads_replicas else None
        ),
        **arguments,
    )
    _check_encoding(client)
    return ClusterDeployment(client, limits, owned=True, reads_replicas=reads_replicas)


def _arguments(address: Address, options: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Collect the client's keyword arguments; later ones win."""
    login = {"username": address.username, "password": address.password, "db": address.db}
    return {
        "max_connections": MAX_CONNECTIONS,
        "socket_timeout": limits.silence,
        "socket_connect_timeout": limits.silence,
        "socket_keepalive": True,
        # A retry of redis-py could apply a write twice: its reply may have been lost.
        "retry": Retry(NoBackoff(), 0),
        **_query_options(address),
        **{name: value for name, value in login.items() if value is not None},
        **options,
    }


def _limits(limits: Limits, options: Mapping[str, Any], probe_after: float = inf) -> Limits:
    """Complete the limits by the options of a client.

    Args:
        limits: What the store asks for.
        options: The client's options.
        probe_after: Stands in for a ``health_check_interval`` of 0.
    """
    interval = options.get("health_check_interval", limits.probe_after)
    return replace(
        limits,
        socket_timeout=options.get("socket_timeout"),
        probe_after=interval or probe_after,
    )


def _query_options(address: Address) -> dict[str, Any]:
    """Parse query options as redis-py does: it knows which are numbers or booleans."""
    options = dict(parse_url(f"redis://localhost?{urlencode(address.query)}"))
    options.pop("host", None)
    return options


def _check_encoding(client: object) -> None:
    encoding = cast("Any", client).get_encoder().encoding
    if lookup(encoding).name != "utf-8":
        raise ConfigurationError(
            f"encoding must be UTF-8, as it is for every other writer, not {encoding}",
            code="CONFIGURATION_INVALID_ENCODING",
            details={"argument": "encoding", "encoding": encoding},
        )


def borrow(client: "aioredis.Redis | aioredis.RedisCluster", limits: Limits) -> Deployment:
    """Build a deployment around a client that belongs to the caller. No I/O.

    Raises:
        ConfigurationError: The client's encoding is not UTF-8.
    """
    _check_encoding(client)
    # 0 is redis-py's default for health_check_interval, and not always the caller's choice.
    limits = _limits(limits, cast("Any", client).get_connection_kwargs(), limits.probe_after)
    if isinstance(client, aioredis.RedisCluster):
        reads_replicas = bool(client.read_from_replicas or client.load_balancing_strategy)
        return ClusterDeployment(client, limits, owned=False, reads_replicas=reads_replicas)
    return StandaloneDeployment(client, limits, owned=False)


def topology_of(client: object) -> Topology:
    """Return the topology of a borrowed client.

    Raises:
        ConfigurationError: The client cannot be used.
    """
    why = _unusable(client)
    if why is not None:
        raise ConfigurationError(
            f"client {why}",
            code="CONFIGURATION_INVALID_CLIENT",
            details={"argument": "client", "type": type(client).__name__},
        )
    if isinstance(client, aioredis.RedisCluster):
        return "cluster"
    is_sentinel = isinstance(cast("Any", client).connection_pool, SentinelConnectionPool)
    return "sentinel" if is_sentinel else "standalone"


def _unusable(client: object) -> str | None:
    """Say why a client cannot be used; ``None`` if it can."""
    # Fakes and pipelines are subclasses of the clients that can.
    make = getattr(getattr(client, "connection_pool", None), "connection_class", object)
    kinds = (*type(client).__mro__, *getattr(make, "__mro__", (make,)))
    if any(getattr(kind, "__module__", "").startswith("fakeredis") for kind in kinds):
        return "is a fakeredis one, which has no server: use embedded:// in tests"
    if isinstance(client, _PIPELINES):
        return "is a pipeline: pass the client that made it"
    if isinstance(client, (redis.Redis, redis.RedisCluster)):
        return "is synchronous: pass a client of redis.asyncio"
    if not isinstance(client, (aioredis.Redis, aioredis.RedisCluster)):
        return "must be a redis.asyncio.Redis or RedisCluster"
    return None
