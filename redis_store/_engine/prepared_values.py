"""Values that callers give: checked and encoded at once.

Which values are stored, and how, says ``json_values``.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from redis_store import json_values
from redis_store.errors import InvalidArgumentError
from redis_store.json_values import MAX_DEPTH, NotJsonError, are_plain, plain
from redis_store.models import Message

_UNENCODABLE = (TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError)


class Prepared(NamedTuple):
    """A value that the caller gave, as it will be read, and its JSON."""

    value: Any
    json: bytes


def prepare(argument: str, value: object, place: str = "", depth: int = MAX_DEPTH) -> Prepared:
    """Encode a value that the caller gave.

    Args:
        argument: The argument that it is, or is a part of.
        value: The value.
        place: Where it is in the argument.
        depth: How deep it may be nested.

    Raises:
        InvalidArgumentError: Something in it would not come back as given: see ``json_values``.
    """
    try:
        json = json_values.encode(value)
    except _UNENCODABLE:
        pass  # What is the matter, and whether anything is, is for ``plain`` to find out.
    else:
        if are_plain([value], depth):
            return Prepared(value, json)
    try:
        value = plain(value, place, depth)
        return Prepared(value, json_values.encode(value))
    except NotJsonError as exc:
        raise InvalidArgumentError(argument, str(exc), exc.value, place=exc.place) from exc
    except _UNENCODABLE as exc:
        raise InvalidArgumentError(argument, f"has no JSON form: {exc}", place=place) from exc


def are_as_read(values: Sequence[object]) -> bool:
    """Whether ``prepare`` would return each value as it is; it looks at all of them at once."""
    try:
        json_values.encode_each(values)
    except _UNENCODABLE:
        return False
    return are_plain(values)


def prepare_messages(messages: Sequence[Message]) -> list[tuple[Message, bytes]]:
    """Encode messages that the caller gave; an error names the message, and the place in it."""
    try:
        encoded = json_values.encode_each(messages)
    except _UNENCODABLE:
        pass
    else:
        if are_plain([message.content for message in messages]):
            return list(zip(messages, encoded, strict=True))
    prepared: list[tuple[Message, bytes]] = []
    for at, given in enumerate(messages):
        content = prepare("messages", given.content, f"[{at}].content").value
        message = given if content is given.content else replace(given, content=content)
        prepared.append((message, json_values.encode(message)))
    return prepared


def encode(argument: str, value: object) -> bytes:
    """Encode a value that the caller gave: see ``prepare``."""
    return prepare(argument, value).json
