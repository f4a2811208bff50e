"""Argument checks of what is a part of names and fields."""

from redis_store._engine.integration_keys import check_field
from redis_store.errors import InvalidArgumentError


def check_part(argument: str, value: object) -> str:
    """Return a text that a NUL separates from others where it is stored."""
    if not isinstance(value, str):
        raise InvalidArgumentError(argument, "must be a string", value)
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(argument, "has a lone surrogate", ascii(value)) from exc
    return check_field(argument, value)
