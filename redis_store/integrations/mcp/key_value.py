"""RedisKeyValue: py-key-value's ``AsyncKeyValue``, which FastMCP and others take as storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from redis_store._connections.commands import Command
from redis_store._engine.arguments import check_instance
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError
from redis_store.integrations._extras import requires
from redis_store.store import RedisStore

with requires("mcp"):
    from key_value.aio.errors import DeserializationError
    from key_value.aio.stores.base import BaseStore, ManagedEntry

NAME = "key_value"


class RedisKeyValue(BaseStore):
    """Dicts under keys, in collections; each is a string of py-key-value's JSON, and expires.

    What it adds to py-key-value's own Redis store: Sentinel, Cluster, retries, one connection for
    all that a program stores, and values that any key may have. Every call takes one round trip,
    also for many keys; those of one ``put_many`` are stored one by one, each whole.

    Wrap it as any ``AsyncKeyValue``, for instance to encrypt tokens: they are stored as given.

    Args:
        store: An open store. It is not closed here.
        default_collection: The collection of calls that name none.
    """

    def __init__(self, store: RedisStore, *, default_collection: str | None = None) -> None:
        self._db = database_of(check_instance("store", store, RedisStore))
        self._names = IntegrationKeys(self._db.keys, NAME)
        super().__init__(default_collection=default_collection, stable_api=True)

    async def _get_managed_entry(self, *, collection: str, key: str) -> ManagedEntry | None:
        (found,) = await self._get_managed_entries(collection=collection, keys=[key])
        return found

    async def _get_managed_entries(
        self, *, collection: str, keys: Sequence[str]
    ) -> list[ManagedEntry | None]:
        names = [self._name(collection, key) for key in keys]
        found = await self._db.get(names)
        return [self._entry(name, found[name]) for name in names]

    async def _put_managed_entry(
        self, *, collection: str, key: str, managed_entry: ManagedEntry
    ) -> None:
        await self._db.send([self._set(collection, key, managed_entry)])

    async def _put_managed_entries(
        self,
        *,
        collection: str,
        keys: Sequence[str],
        managed_entries: Sequence[ManagedEntry],
        ttl: float | None,  # noqa: ARG002 - each entry has its own
        created_at: datetime,  # noqa: ARG002
        expires_at: datetime | None,  # noqa: ARG002
    ) -> None:
        pairs = zip(keys, managed_entries, strict=True)
        await self._db.send([self._set(collection, key, entry) for key, entry in pairs])

    async def _delete_managed_entry(self, *, key: str, collection: str) -> bool:
        return await self._delete_managed_entries(keys=[key], collection=collection) == 1

    async def _delete_managed_entries(self, *, keys: Sequence[str], collection: str) -> int:
        deletions: list[Command] = [("UNLINK", self._name(collection, key)) for key in keys]
        return sum(await self._db.send(deletions))

    def _set(self, collection: str, key: str, entry: ManagedEntry) -> Command:
        json = self._serialization_adapter.dump_json(entry=entry, key=key, collection=collection)
        name, ttl = self._name(collection, key), entry.ttl
        if ttl is None:
            return ("SET", name, json)
        return ("SET", name, json, "PX", max(1, int(ttl * 1000)))

    def _entry(self, name: str, stored: Any) -> ManagedEntry | None:
        if stored is None:
            return None
        try:
            return self._serialization_adapter.load_json(json_str=stored.decode())
        except (DeserializationError, UnicodeDecodeError) as exc:
            raise CorruptRecordError(name, "it is no entry of py-key-value") from exc

    def _name(self, collection: str, key: str) -> str:
        return self._names.key("value", collection, key)
