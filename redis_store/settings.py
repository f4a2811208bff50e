"""Checks of what a store is constructed with; each ConfigurationError names the argument."""

from datetime import timedelta
from typing import Any

from redis_store._connections import addresses
from redis_store._connections.addresses import Address
from redis_store.errors import ConfigurationError
from redis_store.maintenance import Retention


def wrong(argument: str, why: str) -> ConfigurationError:
    """Build the error for one argument."""
    return ConfigurationError(
        f"{argument} {why}",
        code=f"CONFIGURATION_INVALID_{argument}".upper(),
        details={"argument": argument},
    )


def check_text(argument: str, value: object) -> None:
    """A name is a non-blank string."""
    if not isinstance(value, str) or not value.strip():
        raise wrong(argument, "must be a non-blank string")


def check_encodable(**texts: object) -> None:
    """A prefix can be written as UTF-8."""
    for argument, value in texts.items():
        if not isinstance(value, str):
            raise wrong(argument, "must be a string")
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise wrong(argument, "has a lone surrogate") from exc


def check_int(argument: str, value: object, *, least: int, most: int | None = None) -> None:
    """A number is within bounds."""
    if not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"of {least} or more" if most is None else f"in {least}..{most}"
        raise wrong(argument, f"must be an int {bounds}")


def check_ttl(argument: str, value: object) -> None:
    """A time to live is a timedelta or ``None``."""
    if value is not None and not isinstance(value, timedelta):
        raise wrong(argument, "must be a timedelta or None")


def check_lifetime(argument: str, value: object) -> None:
    """A lifetime is positive, or ``None`` for ever."""
    if value is not None:
        check_duration(argument, value)


def check_options(options: dict[str, Any]) -> None:
    """What says where to connect is no client option."""
    for argument in ("connection_pool", "unix_socket_path"):
        if argument in options:
            raise wrong(argument, "says where to connect: pass a client or a connection string")


def check_one_source(**sources: object) -> None:
    """There is exactly one way to the server."""
    given = [name for name, value in sources.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ConfigurationError(
            f"give exactly one of {', '.join(sources)}; found {found}",
            code="CONFIGURATION_INVALID_SOURCE",
            details={"given": given},
        )
    if given[0] != "client":
        check_text(given[0], sources[given[0]])


def check_choice(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    """The value is one of those allowed."""
    if value not in allowed:
        raise wrong(argument, f"must be one of {allowed}")


def check_retention(value: object) -> None:
    """A retention is a ``Retention``."""
    if value is not None and not isinstance(value, Retention):
        raise wrong("retention", "must be a Retention")


def check_duration(argument: str, value: object) -> None:
    """A duration is a positive timedelta."""
    if not isinstance(value, timedelta) or value <= timedelta(0):
        raise wrong(argument, "must be a positive timedelta")


def check_borrowed(options: dict[str, Any]) -> None:
    """What a borrowed client decides is not given again."""
    for argument in options:
        raise wrong(argument, "cannot be combined with client: set it on the client")


def address_of(connection_string: str | None, host: str | None, port: int) -> Address:
    """Say where to connect."""
    if connection_string is None:
        return Address(topology="standalone", nodes=((str(host), port),))
    return addresses.parse(connection_string)
