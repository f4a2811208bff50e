"""Options of redis-py's client: each has its effect or is refused, and none is unknown here."""

import inspect
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis.asyncio as aioredis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.credentials import UsernamePasswordCredentialProvider
from redis.driver_info import DriverInfo
from redis.event import EventDispatcher

from redis_store import ConfigurationError, RedisStore

URLS = {
    "standalone": "redis://h",
    "sentinel": "redis+sentinel://h/service",
    "cluster": "redis+cluster://h",
}
TLS_URLS = {kind: url.replace("redis", "rediss", 1) for kind, url in URLS.items()}
UNIX_URLS = {"unix": "unix:///socket", "embedded": "embedded:///data"}

# What RedisStore has as arguments or connection strings of its own.
ARGUMENTS = {"host", "port", "db", "username", "password", "ssl"}

# Options that reach every connection under their own name, with a value that is not the default.
OF_CONNECTIONS: dict[str, Any] = {
    "socket_timeout": 1.5,
    "socket_connect_timeout": 2.5,
    "socket_keepalive": False,
    "socket_keepalive_options": {socket.TCP_KEEPINTVL: 7},
    "health_check_interval": 3,
    "client_name": "me",
    "driver_info": DriverInfo("mine"),
    "credential_provider": UsernamePasswordCredentialProvider("u", "p"),
    "protocol": 2,
    "legacy_responses": False,
}
# Options of TLS, under the names that the connection's TLS context gives them.
OF_TLS: dict[str, tuple[str, Any]] = {
    "ssl_keyfile": ("keyfile", "key.pem"),
    "ssl_certfile": ("certfile", "certificate.pem"),
    "ssl_cert_reqs": ("cert_reqs", ssl.CERT_OPTIONAL),
    "ssl_include_verify_flags": ("include_verify_flags", [ssl.VerifyFlags.VERIFY_X509_STRICT]),
    "ssl_exclude_verify_flags": ("exclude_verify_flags", [ssl.VerifyFlags.VERIFY_X509_STRICT]),
    "ssl_ca_certs": ("ca_certs", "ca.pem"),
    "ssl_ca_data": ("ca_data", "pem"),
    "ssl_ca_path": ("ca_path", "/certificates"),
    "ssl_check_hostname": ("check_hostname", False),
    "ssl_min_version": ("min_version", ssl.TLSVersion.TLSv1_3),
    "ssl_ciphers": ("ciphers", "AES"),
    "ssl_password": ("password", "secret"),
}
# Options that have their effect elsewhere; what it is.
ELSEWHERE: dict[str, str] = {
    "max_connections": "of the pool",
    "encoding": "must be UTF-8",
    "decode_responses": "of the client that get_client() gives",
    "lib_name": "becomes driver_info",
    "lib_version": "becomes driver_info",
    "redis_connect_func": "logs in, except on a cluster",
    "event_dispatcher": "of the pool, except with sentinels",
    "require_full_coverage": "of a cluster's map of slots",
    "dynamic_startup_nodes": "of a cluster's map of slots",
    "address_remap": "of a cluster's map of slots, and its redirects",
    "min_other_sentinels": "of sentinels",
    "force_master_ip": "of sentinels",
    "check_connection": "of sentinels' connections",
    "socket_type": "of sentinels' connections",
}
REFUSED = {
    *("connection_pool", "unix_socket_path", "startup_nodes", "path", "sentinels"),
    *("retry", "retry_on_error", "retry_on_timeout", "cluster_error_retry_attempts"),
    *("reinitialize_steps", "read_from_replicas", "load_balancing_strategy", "is_master"),
    *("encoding_errors", "parser_class", "encoder_class", "socket_read_size"),
    *("single_connection_client", "auto_close_connection_pool", "policy_resolver"),
    *("maint_notifications_config", "sentinel_kwargs", "service_name", "sentinel_manager"),
    *("connection_class", "maint_notifications_pool_handler", "maintenance_state"),
    *("maintenance_notification_hash", "orig_host_address", "orig_socket_timeout"),
    *("orig_socket_connect_timeout", "oss_cluster_maint_notifications_handler"),
    "himport_registry",
}
MAKERS: list[Callable[..., object]] = [
    aioredis.Redis,
    aioredis.RedisCluster,
    aioredis.Sentinel,
    aioredis.ConnectionPool,
    SentinelConnectionPool,
    AbstractConnection,
    Connection,
    SSLConnection,
]


def _parameters() -> set[str]:
    found = [inspect.signature(maker).parameters.values() for maker in MAKERS]
    named = (each for some in found for each in some if each.kind is not each.VAR_KEYWORD)
    return {each.name for each in named}


def test_every_option_is_known() -> None:
    """A new one of redis-py must be put where it belongs, here and in the library."""
    known = ARGUMENTS | OF_CONNECTIONS.keys() | OF_TLS.keys() | ELSEWHERE.keys() | REFUSED
    assert _parameters() - known == set()


def _store(url: str, **options: Any) -> RedisStore:
    return RedisStore(url, **options)


def _connection(store: RedisStore) -> Any:
    """Build a connection as the store's pool does."""
    client: Any = store.get_client()
    if isinstance(client, aioredis.RedisCluster):
        return client.startup_nodes[0].acquire_connection()
    return client.connection_pool.make_connection()


@pytest.mark.parametrize("kind", URLS)
@pytest.mark.parametrize("name", OF_CONNECTIONS)
def test_an_option_reaches_the_connections(name: str, kind: str) -> None:
    """ST-01: whatever the topology."""
    value = OF_CONNECTIONS[name]
    assert getattr(_connection(_store(URLS[kind], **{name: value})), name) == value


@pytest.mark.parametrize("kind", URLS)
@pytest.mark.parametrize("name", OF_TLS)
def test_an_option_of_tls_reaches_the_connections(name: str, kind: str) -> None:
    """ST-01: or is refused, where redis-py does not know it."""
    attribute, value = OF_TLS[name]
    url = TLS_URLS[kind]
    if kind == "cluster" and name not in inspect.signature(aioredis.RedisCluster).parameters:
        with pytest.raises(ConfigurationError, match=name):
            _store(url, **{name: value})
        return
    assert getattr(_connection(_store(url, **{name: value})).ssl_context, attribute) == value


@pytest.mark.parametrize("kind", URLS)
@pytest.mark.parametrize("name", OF_TLS)
def test_an_option_of_tls_is_refused_without_tls(name: str, kind: str) -> None:
    """ST-01: nobody believes a connection encrypted that is not."""
    with pytest.raises(ConfigurationError, match=f"{name} has no effect without TLS") as caught:
        _store(URLS[kind], **{name: OF_TLS[name][1]})
    assert caught.value.details == {"argument": name}


@pytest.mark.parametrize("kind", [*URLS, *UNIX_URLS])
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_option_without_effect_is_refused(name: str, kind: str) -> None:
    """ST-01: by name, as an argument and in the query string."""
    url = {**URLS, **UNIX_URLS}[kind]
    with pytest.raises(ConfigurationError, match=f"^{name} ") as caught:
        _store(url, **{name: None})
    assert caught.value.code == f"CONFIGURATION_INVALID_{name}".upper()
    if kind != "embedded":
        with pytest.raises(ConfigurationError, match=f"^{name} "):
            _store(f"{url}?{name}=1")


@pytest.mark.parametrize("url", UNIX_URLS.values())
@pytest.mark.parametrize("name", ["socket_keepalive", "socket_keepalive_options", "ssl"])
def test_an_option_of_tcp_is_refused_on_a_unix_socket(name: str, url: str) -> None:
    """ST-01: an embedded server has one too."""
    with pytest.raises(ConfigurationError, match=f"^{name} has no effect on a unix socket"):
        _store(url, **{name: True})


@pytest.mark.parametrize("name", ["username", "password"])
def test_a_login_is_refused_with_an_embedded_server(name: str) -> None:
    """ST-01: it has none."""
    with pytest.raises(ConfigurationError, match=f"^{name} has no effect"):
        _store("embedded://", **{name: "x"})


@pytest.mark.parametrize("kind", URLS)
def test_an_option_that_redis_does_not_know_is_refused(kind: str) -> None:
    """ST-01: when the store is constructed."""
    with pytest.raises(ConfigurationError, match="no_such_option"):
        _store(URLS[kind], no_such_option=1)
    with pytest.raises(ConfigurationError, match="no_such_option"):
        _store(f"{URLS[kind]}?no_such_option=1")


def test_options_with_an_effect_elsewhere() -> None:
    """ST-01: on the pool, the client, the map of slots, the sentinels."""
    dispatcher = cast("Any", EventDispatcher)()
    client: Any = _store(
        "redis://h", max_connections=70, decode_responses=True, event_dispatcher=dispatcher
    ).get_client()
    assert client.connection_pool.max_connections == 70
    assert client.get_encoder().decode_responses
    assert client._event_dispatcher is dispatcher  # noqa: SLF001

    def remap(address: tuple[str, int]) -> tuple[str, int]:
        return address

    cluster: Any = _store(
        "redis+cluster://h",
        require_full_coverage=False,
        dynamic_startup_nodes=False,
        address_remap=remap,
    ).get_client()
    assert not cluster.nodes_manager.require_full_coverage
    assert not cluster.nodes_manager._dynamic_startup_nodes  # noqa: SLF001
    assert cluster.nodes_manager.address_remap is remap
    service: Any = _store(
        "redis+sentinel://h/s", min_other_sentinels=2, force_master_ip="127.0.0.9"
    ).get_client()
    manager = service.connection_pool.sentinel_manager
    assert (manager.min_other_sentinels, manager._force_master_ip) == (2, "127.0.0.9")  # noqa: SLF001
