"""Mastra's server cache: JSON values, lists and counters that expire."""

from datetime import timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from redis_store._connections.commands import Argument
from redis_store._engine import prepared_values, raw_fields
from redis_store._engine.arguments import check_dict, check_id, check_int, check_ttl
from redis_store._engine.database import Database
from redis_store._engine.operations import Repository, operation, query, unbounded
from redis_store._engine.scripts import CACHE_INCREMENT, CACHE_PUSH, CACHE_PUSH_INDEXED, CACHE_RAISE
from redis_store._engine.timestamps import MILLISECOND
from redis_store.errors import InvalidArgumentError

PREFIX = "mastra:cache:"
TTL = timedelta(seconds=300)


class CacheStore(Repository):
    """Values under a separate prefix. Every call except ``clear`` is one round trip.

    A push or increment is not repeated if the connection breaks before the reply: the error says
    that it may have been applied.

    Args:
        db: The way to the server.
        prefix: The prefix of every key, after the store's ``key_prefix``.
        ttl: How long values without a ``ttl`` of their own live, and lists and counters after each
            write. ``None``, zero or less is for ever; less than a second counts as one second.
    """

    def __init__(self, db: Database, prefix: str = PREFIX, ttl: timedelta | None = TTL) -> None:
        super().__init__(db)
        self._prefix = prefix
        self._ttl_ms = _milliseconds(ttl)

    @query
    async def get(self, key: str) -> Any:
        """Read a value; ``None`` if unknown. A value that is not JSON is returned as text."""
        name = self._key("key", key)
        stored = await self._db.command("GET", name)
        return None if stored is None else raw_fields.decode_value(name, stored)

    @operation
    async def set(self, key: str, value: Any, *, ttl: timedelta | UnsetType | None = UNSET) -> None:
        """Store a JSON value.

        Args:
            key: The key.
            value: Any JSON value.
            ttl: How long it lives; ``None``, zero or less is for ever. The store's by default.
        """
        name = self._key("key", key)
        check_ttl("ttl", ttl)
        ttl_ms = self._ttl_ms if isinstance(ttl, UnsetType) else _milliseconds(ttl)
        expiry: tuple[Argument, ...] = ("PX", ttl_ms) if ttl_ms else ()
        await self._db.command("SET", name, prepared_values.encode("value", value), *expiry)

    @operation
    async def list_push(self, key: str, value: Any) -> int:
        """Append a JSON value to a list and refresh its time to live, in one step.

        Returns:
            The new length.
        """
        name = self._key("key", key)
        json = prepared_values.encode("value", value)
        return int(await self._db.run(CACHE_PUSH, [name], [json, self._ttl_ms], repeatable=False))

    @query
    async def list_length(self, key: str) -> int:
        """Count a list's values; 0 if unknown."""
        return int(await self._db.command("LLEN", self._key("key", key)))

    @query
    async def list_from_to(self, key: str, start: int, stop: int = -1) -> list[Any]:
        """Read the values from ``start`` to ``stop``, inclusive; negative counts from the end."""
        for argument, position in (("start", start), ("stop", stop)):
            check_int(argument, position)
        name = self._key("key", key)
        stored = await self._db.command("LRANGE", name, start, stop)
        return [raw_fields.decode_value(name, value) for value in stored]

    @operation
    async def delete(self, key: str) -> None:
        """Delete a value, list or counter; no-op for an unknown key."""
        await self._db.command("DEL", self._key("key", key))

    @unbounded
    async def clear(self) -> None:
        """Remove everything under the prefix. Scans the whole keyspace of every node."""
        await self._db.clear(self._keys.everything_under(self._prefix))

    @operation
    async def increment(self, key: str) -> int:
        """Add one to a counter and refresh its time to live, in one step; return its value."""
        name = self._key("key", key)
        return int(await self._db.run(CACHE_INCREMENT, [name], [self._ttl_ms], repeatable=False))

    @operation
    async def list_push_indexed(
        self, list_key: str, counter_key: str, value: dict[str, Any]
    ) -> int:
        """Append an object to a list with its position as ``index``, in one step.

        The counter is raised too, for other writers who allocate positions by it. If it is in
        another slot of a cluster, that takes a second round trip.

        Args:
            list_key: The list.
            counter_key: The counter of the list's positions; must not be ``list_key``.
            value: The object; an ``index`` in it is discarded.

        Returns:
            The index, from 0.
        """
        keys = [self._key("list_key", list_key), self._key("counter_key", counter_key)]
        if keys[0] == keys[1]:
            raise InvalidArgumentError("counter_key", "must not be the list's", counter_key)
        check_dict("value", value)
        body = {field: item for field, item in value.items() if field != "index"}
        args: list[Argument] = [prepared_values.encode("value", body), self._ttl_ms]
        if self._keys.slot(keys[0]) == self._keys.slot(keys[1]):
            return int(await self._db.run(CACHE_PUSH_INDEXED, keys, args, repeatable=False))
        index = int(await self._db.run(CACHE_PUSH_INDEXED, keys[:1], args, repeatable=False))
        await self._db.run(CACHE_RAISE, keys[1:], [index + 1, self._ttl_ms])
        return index

    def _key(self, argument: str, key: object) -> str:
        return self._keys.under(self._prefix, check_id(argument, key))


def _milliseconds(ttl: timedelta | None) -> int:
    """Convert a time to live to ms, at least a second; 0 is for ever."""
    if ttl is None or ttl <= timedelta(0):
        return 0
    return max(1000, ttl // MILLISECOND)
