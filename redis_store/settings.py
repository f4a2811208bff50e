"""Settings: the arguments of a store, checked, and the deployment they describe."""

from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from redis_store._connections import addresses, client_options, connecting
from redis_store._connections.addresses import Address
from redis_store._connections.connecting import ReadFrom
from redis_store._connections.deployment import Deployment
from redis_store._connections.embedded import Server
from redis_store._connections.limits import Limits
from redis_store._engine.keys import Keys
from redis_store.errors import ConfigurationError, invalid_setting
from redis_store.maintenance import Retention


# dict=True: cached_property stores into __dict__.
class Settings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The arguments of a store's constructor; ``RedisStore`` documents them.

    Raises:
        ConfigurationError: An argument is wrong, or two do not fit together.
    """

    id: str
    connection_string: str | None
    host: str | None
    port: int
    username: str | None
    password: str | None
    db: int
    ssl: bool
    client: Any
    key_prefix: str
    hash_tags: bool | None
    indexes: Literal["managed", "scan"]
    retention: Retention
    min_replicas: int
    read_from: ReadFrom
    operation_timeout: timedelta
    cache_prefix: str
    cache_ttl: timedelta | None
    thread_ttl: timedelta | None
    clock: Literal["client", "server"]
    client_options: dict[str, Any]

    def __post_init__(self) -> None:
        _check_one_source(
            connection_string=self.connection_string, host=self.host, client=self.client
        )
        _check_text("id", self.id)
        _check_text("cache_prefix", self.cache_prefix)
        _check_encodable("key_prefix", self.key_prefix)
        _check_encodable("cache_prefix", self.cache_prefix)
        _check_int("port", self.port, least=1, most=65535)
        _check_int("db", self.db, least=0)
        _check_ttl("cache_ttl", self.cache_ttl)
        if self.thread_ttl is not None:
            _check_duration("thread_ttl", self.thread_ttl)
        _check_choice("clock", self.clock, ("client", "server"))
        _check_choice("indexes", self.indexes, ("managed", "scan"))
        _check_retention(self.retention)
        _check_int("min_replicas", self.min_replicas, least=0)
        _check_choice("read_from", self.read_from, ("primary", "replica"))
        _check_duration("operation_timeout", self.operation_timeout)
        if self.client is not None:
            self._check_left_to_client()
        else:
            client_options.check(self.address, self.client_options)
        if self.hash_tags is False and self.address.topology == "cluster":
            raise invalid_setting("hash_tags", "must be on for a cluster")

    def __repr__(self) -> str:
        """Show the id and the location, never the login."""
        return f"Settings({self.id!r}, {self.location})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show as much where rich prints: msgspec would show all fields."""
        return [("location", self.location)]

    @cached_property
    def address(self) -> Address:
        """Where to connect and how to log in; with a borrowed client, only the topology."""
        if self.client is not None:
            return Address(topology=connecting.topology_of(self.client))
        if self.connection_string is not None:
            address = addresses.parse(self.connection_string)
        else:
            address = Address(topology="standalone", nodes=((str(self.host), self.port),))
        return replace(
            address,
            username=address.username if self.username is None else self.username,
            password=address.password if self.password is None else self.password,
            db=self.db or address.db,
            tls=self.ssl or address.tls,
        )

    @property
    def location(self) -> str:
        """Where the store is, for a repr: without the login."""
        return "borrowed client" if self.client is not None else repr(self.address)

    @property
    def keys(self) -> Keys:
        """The layout of the keys.

        Raises:
            ConfigurationError: The prefix cannot be combined with hash tags.
        """
        on_cluster = self.address.topology == "cluster"
        return Keys(
            self.key_prefix, hash_tags=on_cluster if self.hash_tags is None else self.hash_tags
        )

    def new_deployment(self, server: Server | None = None) -> Deployment:
        """Build a deployment, around the borrowed client or one of its own. No I/O.

        Args:
            server: The embedded server, if the store has one.

        Raises:
            ConfigurationError: redis.asyncio refuses an option, or the encoding is not UTF-8.
        """
        limits = Limits(
            timeout=self.operation_timeout.total_seconds(), min_replicas=self.min_replicas
        )
        if self.client is not None:
            return connecting.borrow(self.client, limits)
        return connecting.connect(
            self.address, self.client_options, limits, self.read_from, server=server
        )

    def _check_left_to_client(self) -> None:
        """Raise for an argument that a borrowed client has decided already."""
        decided = {
            "username": self.username,
            "password": self.password,
            "db": self.db,
            "ssl": self.ssl,
            "read_from": self.read_from != "primary",
        }
        for argument in [*(name for name, value in decided.items() if value), *self.client_options]:
            raise invalid_setting(argument, "cannot be combined with client: set it on the client")


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


def _check_text(argument: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise invalid_setting(argument, "must be a non-blank string")


def _check_encodable(argument: str, value: object) -> None:
    if not isinstance(value, str):
        raise invalid_setting(argument, "must be a string")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise invalid_setting(argument, "has a lone surrogate") from exc


def _check_int(argument: str, value: object, *, least: int, most: int | None = None) -> None:
    if not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"of {least} or more" if most is None else f"in {least}..{most}"
        raise invalid_setting(argument, f"must be an int {bounds}")


def _check_ttl(argument: str, value: object) -> None:
    if value is not None and not isinstance(value, timedelta):
        raise invalid_setting(argument, "must be a timedelta or None")


def _check_duration(argument: str, value: object) -> None:
    if not isinstance(value, timedelta) or value <= timedelta(0):
        raise invalid_setting(argument, "must be a positive timedelta")


def _check_choice(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise invalid_setting(argument, f"must be one of {allowed}")


def _check_retention(value: object) -> None:
    if not isinstance(value, Retention):
        raise invalid_setting("retention", "must be a Retention")
