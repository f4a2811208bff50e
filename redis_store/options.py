"""Checks of what a store is constructed with; each ConfigurationError names the argument."""

from datetime import timedelta
from typing import Any

from redis_store import addresses
from redis_store.addresses import Address
from redis_store.errors import ConfigurationError
from redis_store.maintenance import Retention


def _wrong(argument: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{argument} {why}",
        code=f"CONFIGURATION_INVALID_{argument}".upper(),
        details={"argument": argument},
    )


def check_text(argument: str, value: object) -> None:
    """A name is a non-blank string."""
    if not isinstance(value, str) or not value.strip():
        raise _wrong(argument, "must be a non-blank string")


def check_encodable(**texts: object) -> None:
    """A prefix can be written as UTF-8."""
    for argument, value in texts.items():
        if not isinstance(value, str):
            raise _wrong(argument, "must be a string")
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise _wrong(argument, "has a lone surrogate") from exc


def check_int(argument: str, value: object, *, least: int, most: int | None = None) -> None:
    """A number is within bounds."""
    if not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"of {least} or more" if most is None else f"in {least}..{most}"
        raise _wrong(argument, f"must be an int {bounds}")


def check_ttl(argument: str, value: object) -> None:
    """A time to live is a timedelta or ``None``."""
    if value is not None and not isinstance(value, timedelta):
        raise _wrong(argument, "must be a timedelta or None")


def check_lifetime(argument: str, value: object) -> None:
    """A lifetime is positive, or ``None`` for ever."""
    check_ttl(argument, value)
    if isinstance(value, timedelta) and value <= timedelta(0):
        raise _wrong(argument, "must be positive, or None")


def check_options(options: dict[str, Any]) -> None:
    """What says where to connect is no client option."""
    for argument in ("connection_pool", "unix_socket_path"):
        if argument in options:
            raise _wrong(argument, "says where to connect: pass a client or a connection string")


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
        raise _wrong(argument, f"must be one of {allowed}")


def check_retention(value: object) -> None:
    """A retention is a ``Retention``."""
    if value is not None and not isinstance(value, Retention):
        raise _wrong("retention", "must be a Retention")


def check_not_yet(**asked: object) -> None:
    """What does not work yet is left at its default."""
    for argument, value in asked.items():
        if value:
            raise _wrong(argument, "has only its default in this version")


def check_borrowed(options: dict[str, Any]) -> None:
    """What a borrowed client decides is not given again."""
    for argument in options:
        raise _wrong(argument, "cannot be combined with client: set it on the client")


def address_of(connection_string: str | None, host: str | None, port: int) -> Address:
    """Say where to connect."""
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
