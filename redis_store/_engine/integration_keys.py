"""Keys of integrations, in both layouts: ``{prefix}redis_store:integrations:{name}:{kind}:…``.

Those of vectors of messages are spelled likewise, under ``redis_store:memory:vectors:``.

Parts follow as ``5:alice``, so that any ids, even empty ones or with separators, give different
keys. The hash-tagged layout braces the parts that decide the slot. An index entry names a record
by its parts in the same form.

Tests: ``tests/property/test_integration_keys.py``.
"""

from collections.abc import Iterable, Sequence

from redis_store._engine.keys import Keys, escape_glob
from redis_store.errors import InvalidArgumentError


def join(parts: Iterable[str]) -> str:
    """Write parts as one text, each after its length in characters: ``2:ab0:``."""
    return "".join(f"{len(part)}:{part}" for part in parts)


def split(text: str) -> tuple[str, ...]:
    """Return the parts that ``join`` wrote as one text.

    Raises:
        ValueError: ``join`` did not write it.
    """
    parts: list[str] = []
    while text:
        length, _, rest = text.partition(":")
        part, text = rest[: int(length)], rest[int(length) :]
        parts.append(part)
    return tuple(parts)


def check_field(argument: str, value: str) -> str:
    """Return a text that a NUL can separate from the next one.

    Raises:
        InvalidArgumentError: It has a NUL itself.
    """
    if "\0" in value:
        raise InvalidArgumentError(argument, "must not contain NUL", value)
    return value


class IntegrationKeys:
    """Spells the keys of one integration.

    Different calls give different keys, if all keys of a kind have as many parts. Kinds are words
    of the code, without a colon.

    Args:
        keys: The keys of the store.
        name: The integration.
        under: What its keys are under.
    """

    def __init__(self, keys: Keys, name: str, *, under: str = "integrations") -> None:
        self._hash_tags = keys.hash_tags
        self._start = f"{keys.prefix}redis_store:{under}:{name}:"

    def key(self, kind: str, *group: str, within: Sequence[str] = ()) -> str:
        """Spell a key; all keys of a group are in one slot, whatever their kind.

        Args:
            kind: What is stored there.
            *group: What decides the slot: a thread, a session, a namespace.
            within: Which one of the group, if it has several of this kind.
        """
        parts = join(group)
        # A tag starts with a digit, so it is never empty. A "}" in a part ends it early, in every
        # key of the group alike.
        tagged = f"{{{parts}}}" if self._hash_tags else parts
        return f"{self._start}{kind}:{tagged}{join(within)}"

    def index(self, kind: str, *parts: str) -> str:
        """Spell the key of an index, which is in a slot of its own."""
        return f"{self._start}{kind}:{join(parts)}"

    def group(self, kind: str, key: str) -> tuple[str, ...]:
        """Return the group of a key that has nothing within it; also the parts of an index.

        Raises:
            ValueError: It is no such key.
        """
        parts = key.removeprefix(f"{self._start}{kind}:")
        if self._hash_tags and parts.startswith("{"):
            parts = parts[1:-1]
        return split(parts)

    def pattern(self, kind: str) -> str:
        """The glob pattern of every key of a kind."""
        return f"{escape_glob(f'{self._start}{kind}')}:*"


def everything_of(keys: Keys, name: str | None) -> dict[str, str]:
    """The glob pattern of every key of an integration, or of all, whatever its type."""
    start = f"{keys.prefix}redis_store:integrations:"
    return {f"{escape_glob(start if name is None else f'{start}{name}:')}*": ""}
