"""Client options: those of redis-py that a store would ignore are refused by name."""

from collections.abc import Iterable

from redis_store._connections.addresses import Address
from redis_store.errors import invalid_setting

_ADDRESS = "says where to connect: pass a client or a connection string"
_RETRIES = "has no effect: calls are retried until operation_timeout"
_READS = "has no effect: say it with read_from"
_CODEC = "has no effect: the store encodes and decodes by itself"
_INTERNAL = "is internal to redis-py"
_REFUSED = {
    "connection_pool": _ADDRESS,
    "unix_socket_path": _ADDRESS,
    "startup_nodes": _ADDRESS,
    "path": _ADDRESS,
    "retry": _RETRIES,
    "retry_on_error": _RETRIES,
    "retry_on_timeout": _RETRIES,
    "cluster_error_retry_attempts": _RETRIES,
    "reinitialize_steps": _RETRIES,
    "read_from_replicas": _READS,
    "load_balancing_strategy": _READS,
    "encoding_errors": _CODEC,
    "parser_class": _CODEC,
    "encoder_class": _CODEC,
    "socket_read_size": "has no effect: asyncio decides how much is read at once",
    "single_connection_client": "has no effect: limit the connections with max_connections",
    "auto_close_connection_pool": "has no effect: close() closes what the store opened",
    "policy_resolver": "has no effect: the store finds the node of each command by itself",
    "maint_notifications_config": "has no effect: a connection that ends is replaced",
    "sentinel_kwargs": "cannot be given: use sentinel_username and sentinel_password",
    "service_name": _ADDRESS,
    "sentinel_manager": _ADDRESS,
    "sentinels": _ADDRESS,
    "is_master": _READS,
    "connection_class": _INTERNAL,
    "maint_notifications_pool_handler": _INTERNAL,
    "maintenance_state": _INTERNAL,
    "maintenance_notification_hash": _INTERNAL,
    "orig_host_address": _INTERNAL,
    "orig_socket_timeout": _INTERNAL,
    "orig_socket_connect_timeout": _INTERNAL,
    "oss_cluster_maint_notifications_handler": _INTERNAL,
    "himport_registry": _INTERNAL,
}
_KEEPALIVE = frozenset({"socket_keepalive", "socket_keepalive_options", "socket_type"})


def check(address: Address, names: Iterable[str]) -> None:
    """Raise for an option that has no effect.

    Args:
        address: Where the store connects: TCP or a unix socket, with or without TLS.
        names: The options that were given, by keyword or in the query string.

    Raises:
        ConfigurationError: It names the option, and what to use instead.
    """
    is_local = not address.nodes
    for name in names:
        why = _REFUSED.get(name)
        if name in _KEEPALIVE and is_local:
            why = "has no effect on a unix socket"
        elif name.startswith("ssl_") and not address.tls:
            why = "has no effect without TLS: use rediss:// or ssl=True"
        if why is not None:
            raise invalid_setting(name, why)
    login = {"username": address.username, "password": address.password}
    for name, value in login.items():
        if value is not None and address.topology == "embedded":
            raise invalid_setting(name, "has no effect: an embedded server has no login")
    if address.tls and is_local:
        raise invalid_setting("ssl", "has no effect on a unix socket")
