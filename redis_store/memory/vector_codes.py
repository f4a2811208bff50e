"""Codes of vectors: what names a vector, and what is known of it without reading it.

Tests: ``tests/test_semantic_recall.py``.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from redis_store._engine.integration_keys import IntegrationKeys, join, split
from redis_store._engine.keys import Keys
from redis_store._engine.vectors import sign_code
from redis_store.models import Message

_DIMENSIONS, _DIGEST = 4, 8


class MessagePlace(NamedTuple):
    """Where a message is."""

    thread_id: str
    id: str


class Code(NamedTuple):
    """What is known of a vector without reading it.

    Attributes:
        place: Its message.
        stored: Its number of dimensions, the digest of the text, and its sign code.
    """

    place: MessagePlace
    stored: bytes

    @classmethod
    def of(cls, message: Message, vector: Sequence[float]) -> "Code":
        """Build the code of a message's vector."""
        head = len(vector).to_bytes(_DIMENSIONS, "big") + _digest(message.text)
        return cls(MessagePlace(message.thread_id, message.id), head + sign_code(vector))

    @property
    def field(self) -> str:
        """Its field in both hashes."""
        return join(self.place)

    @property
    def dimensions(self) -> int:
        """How many dimensions it has."""
        return int.from_bytes(self.stored[:_DIMENSIONS], "big")

    @property
    def signs(self) -> bytes:
        """Its sign code."""
        return self.stored[_DIMENSIONS + _DIGEST :]

    def is_of(self, text: str) -> bool:
        """Whether it is the vector of a text."""
        return self.stored[_DIMENSIONS:].startswith(_digest(text))


class VectorKeys:
    """Spells the keys of vectors.

    Args:
        keys: The keys of the store.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = IntegrationKeys(keys, "vectors", under="memory")
        self.patterns = {kind: self._keys.pattern(kind) for kind in ("codes", "vectors")}

    def codes(self, resource_id: str) -> str:
        """The codes of a resource's vectors, a hash."""
        return self._keys.key("codes", resource_id)

    def vectors(self, resource_id: str) -> str:
        """A resource's vectors, a hash."""
        return self._keys.key("vectors", resource_id)

    def resource_of(self, kind: str, key: str) -> str:
        """The resource whose ``codes`` or ``vectors`` have this key."""
        (resource_id,) = self._keys.group(kind, key)
        return resource_id


def place_of(field: bytes) -> MessagePlace:
    """Return the message that a field names.

    Raises:
        ValueError: It names none.
    """
    thread_id, id_ = split(field.decode())
    return MessagePlace(thread_id, id_)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST).digest()
