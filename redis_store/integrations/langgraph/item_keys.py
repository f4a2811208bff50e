"""ItemKeys: the keys of items.

A namespace is one slot: a hash for each item; ``keys``, those of its items by the time of their
last change in µs; ``codes``, the sign codes of their vectors. In other slots is the index of
namespaces, whose entries are labels, each followed by a dot.
"""

from binascii import crc_hqx
from collections.abc import Sequence
from typing import NamedTuple

from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.keys import Keys

NAME = "langgraph_store"

Namespace = tuple[str, ...]


class ItemPlace(NamedTuple):
    """Where an item is."""

    namespace: Namespace
    key: str


class ItemKeys:
    """Spells the keys of items.

    Args:
        keys: The keys of the store.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = IntegrationKeys(keys, NAME)
        self._shards = keys.shards
        # In the plain layout one script writes to any keys; in the other, only to those of a slot.
        self.in_one_step = not keys.hash_tags

    def item(self, place: ItemPlace) -> str:
        """The item, a hash."""
        return self._keys.key("item", *place.namespace, within=[place.key])

    def listing(self, namespace: Namespace) -> str:
        """The keys of the namespace's items, a sorted set."""
        return self._keys.key("keys", *namespace)

    def codes(self, namespace: Namespace) -> str:
        """The sign codes of the namespace's vectors, a hash."""
        return self._keys.key("codes", *namespace)

    def written(self, place: ItemPlace) -> list[str]:
        """The keys that a script needs to change an item."""
        namespace = place.namespace
        keys = [self.item(place), self.listing(namespace), self.codes(namespace)]
        return [*keys, self.namespaces(namespace)] if self.in_one_step else keys

    def namespaces(self, namespace: Namespace) -> str:
        """The shard of the index of namespaces that lists this one."""
        return self._index(crc_hqx(entry_of(namespace).encode(), 0) % self._shards)

    def all_namespaces(self) -> list[str]:
        """Every shard of the index of namespaces."""
        return [self._index(shard) for shard in range(self._shards)]

    def namespace_of(self, listing: str) -> Namespace:
        """The namespace whose items have this listing."""
        return self._keys.group("keys", listing)

    def pattern(self, kind: str) -> str:
        """The glob pattern of every key of a kind."""
        return self._keys.pattern(kind)

    def _index(self, shard: int) -> str:
        return self._keys.index("namespaces", str(shard))


def entry_of(namespace: Sequence[str]) -> str:
    """The entry of a namespace, which starts with those of the namespaces that it is in."""
    return "".join(f"{label}." for label in namespace)


def namespace_of_entry(entry: bytes) -> Namespace:
    """The namespace that an entry lists."""
    return tuple(entry.decode().split(".")[:-1])
