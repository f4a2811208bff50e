"""Items: values by namespace and key, stored on the server as bytes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis_store._connections.commands import Argument, Command, Reply, entries
from redis_store._engine import clock
from redis_store._engine.database import Database
from redis_store._engine.operations import operation
from redis_store._engine.scripts import CODES
from redis_store._engine.timestamps import epoch_us
from redis_store.integrations.langgraph import scripts
from redis_store.integrations.langgraph.item_keys import (
    ItemKeys,
    ItemPlace,
    Namespace,
    entry_of,
    namespace_of_entry,
)
from redis_store.integrations.langgraph.records import corrupt

# More than any character that follows a prefix.
_LAST = b"\xff"


class StoredItem(NamedTuple):
    """An item as it was read.

    Attributes:
        place: Where it is.
        key: The key that it was read from.
        value: Its value, as JSON.
        created_us: When it was first stored, in epoch µs.
        updated_us: When it was last stored.
        ttl_ms: How long it lives after it was last used; 0 is for ever.
        vectors: The vectors that were asked for.
    """

    place: ItemPlace
    key: str
    value: bytes
    created_us: int
    updated_us: int
    ttl_ms: int
    vectors: list[bytes]


class Wanted(NamedTuple):
    """An item that is to be read: its place, and the paths of its vectors."""

    place: ItemPlace
    paths: Sequence[str] = ()


class NewItem(NamedTuple):
    """An item that is to be stored.

    Attributes:
        place: Where.
        value: Its value, as JSON.
        ttl_ms: How long it lives after it was last used; 0 is for ever.
        vectors: Path, vector and sign code of each vector.
    """

    place: ItemPlace
    value: bytes
    ttl_ms: int
    vectors: Sequence[tuple[str, bytes, bytes]] = ()


class Items:
    """Reads and stores items.

    Args:
        db: The database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._keys = ItemKeys(db.keys)

    @operation
    async def get(self, wanted: Sequence[Wanted], *, refresh: bool) -> list[StoredItem | None]:
        """Read items, and extend their lifetimes: one round trip."""
        keys = [self._keys.item(each.place) for each in wanted]
        replies = await self._db.send(
            [
                scripts.GET_ITEM.call([key], [int(refresh), *(f"v:{path}" for path in each.paths)])
                for key, each in zip(keys, wanted, strict=True)
            ]
        )
        return [
            None if reply[0] is None else _stored(each.place, key, reply)
            for key, each, reply in zip(keys, wanted, replies, strict=True)
        ]

    @operation
    async def touch(self, items: Sequence[StoredItem]) -> None:
        """Extend the lifetimes of items: one round trip if any has one."""
        await self._db.send([("PEXPIRE", each.key, each.ttl_ms) for each in items if each.ttl_ms])

    @operation
    async def write(self, puts: Sequence[NewItem], deletes: Sequence[ItemPlace]) -> None:
        """Store items, and delete others, each at once or not at all: one round trip.

        Three more in the hash-tagged layout if a namespace is left empty.
        """
        now_us = epoch_us(await clock.now(self._db))
        commands: list[Command] = []
        listed: dict[tuple[str, str], None] = {}
        for at, new in enumerate(puts):
            # A µs apart, so that listings have the order in which they were given.
            args: list[Argument] = [new.place.key, new.value, now_us + at, new.ttl_ms]
            args += (
                entry_of(new.place.namespace),
                *(part for each in new.vectors for part in each),
            )
            commands.append(scripts.PUT_ITEM.call(self._keys.written(new.place), args))
            namespace = new.place.namespace
            listed[self._keys.namespaces(namespace), entry_of(namespace)] = None
        hints: list[Command] = [("ZADD", index, 0, entry) for index, entry in listed]
        if self._keys.in_one_step:
            hints = []
        left = await self._db.send(
            [*hints, *commands, *(self._delete(place, "") for place in deletes)]
        )
        await self._unlist(deletes, left[len(hints) + len(commands) :])

    @operation
    async def drop(
        self, places: Mapping[ItemPlace, Sequence[str]], *, unless_changed_us: int | None = None
    ) -> int:
        """Take items out of listings if they have expired; return how many.

        Args:
            places: The items, and the paths of vectors that they may have had.
            unless_changed_us: If given, delete those which have not changed since then instead.
        """
        only = "gone" if unless_changed_us is None else str(unless_changed_us)
        left = await self._db.send(
            [self._delete(place, only, paths) for place, paths in places.items()]
        )
        await self._unlist(list(places), left)
        return sum(each >= 0 for each in left)

    @operation
    async def namespaces(self, prefix: Namespace) -> list[Namespace]:
        """Return the namespaces that start with these labels, sorted: one round trip."""
        start = entry_of(prefix).encode()
        first, end = (b"[" + start, b"(" + start + _LAST) if start else (b"-", b"+")
        replies = await self._db.send(
            [("ZRANGEBYLEX", index, first, end) for index in self._keys.all_namespaces()]
        )
        return sorted(namespace_of_entry(entry) for reply in replies for entry in reply)

    @operation
    async def newest(
        self, namespaces: Sequence[Namespace], limit: int | None = None
    ) -> list[ItemPlace]:
        """Return the items of namespaces, the latest changed first: one round trip."""
        last = -1 if limit is None else limit - 1
        replies = await self._db.send(
            [
                ("ZREVRANGE", self._keys.listing(namespace), 0, last, "WITHSCORES")
                for namespace in namespaces
            ]
        )
        found = [
            (score, ItemPlace(namespace, key))
            for namespace, reply in zip(namespaces, replies, strict=True)
            for score, key in entries(reply)
        ]
        found.sort(reverse=True)
        return [place for _, place in found[:limit]]

    @operation
    async def codes(
        self, namespaces: Sequence[Namespace], limit: int
    ) -> tuple[int, list[tuple[ItemPlace, str, bytes]]]:
        """Read the sign codes of vectors: one round trip.

        Returns:
            Their number; and, unless those of one namespace are more than the limit, place, path
            and code of each.
        """
        replies = await self._db.send(
            [CODES.call([self._keys.codes(each)], [limit]) for each in namespaces]
        )
        found = list[tuple[ItemPlace, str, bytes]]()
        for namespace, (_, fields) in zip(namespaces, replies, strict=True):
            for field, code in zip(fields[::2], fields[1::2], strict=True):
                key, path = field.decode().split("\0")
                found.append((ItemPlace(namespace, key), path, code))
        return sum(count for count, _ in replies), found

    def _delete(self, place: ItemPlace, only: str, paths: Sequence[str] = ()) -> Command:
        args: list[Argument] = [place.key, entry_of(place.namespace), only, *paths]
        return scripts.DELETE_ITEM.call(self._keys.written(place), args)

    async def _unlist(self, places: Sequence[ItemPlace], left: Sequence[int]) -> None:
        """Take namespaces that are empty out of their index, which is in another slot."""
        empty = {p.namespace for p, count in zip(places, left, strict=True) if not count}
        if self._keys.in_one_step or not empty:
            return
        indexes = [(self._keys.namespaces(each), entry_of(each)) for each in empty]
        await self._db.send([("ZREM", *index) for index in indexes])
        # Another may have put an item there meanwhile.
        counts = await self._db.send([("ZCARD", self._keys.listing(each)) for each in empty])
        await self._db.send(
            [("ZADD", i, 0, e) for (i, e), count in zip(indexes, counts, strict=True) if count]
        )


def _stored(place: ItemPlace, key: str, reply: Reply) -> StoredItem:
    value, created, updated, ttl_ms, *vectors = reply
    with corrupt(key):
        numbers = int(created), int(updated), int(ttl_ms)
    return StoredItem(place, key, value, *numbers, [each for each in vectors if each is not None])
