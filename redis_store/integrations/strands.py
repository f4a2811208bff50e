"""Strands Agents: ``RedisStorage``, where a ``SnapshotSessionManager`` keeps agents.

The SDK's protocol is structural, so nothing of ``strands`` is imported before it is needed.
"""

import builtins
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from redis_store._engine import clock
from redis_store._engine.arguments import check_instance, check_ttl
from redis_store._engine.database import Database
from redis_store._engine.documents import Documents
from redis_store._engine.hash_indexes import IndexEntry
from redis_store._engine.integration_keys import IntegrationKeys, check_field
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.timestamps import epoch_us
from redis_store._parts import database_of
from redis_store.errors import InvalidArgumentError, RedisStoreError
from redis_store.integrations._document_maintenance import UPDATED, Kind, integration
from redis_store.integrations._extras import requires
from redis_store.maintenance import register
from redis_store.store import RedisStore

if TYPE_CHECKING:
    from strands.storage.storage import StorageSearchResult

NAME = "strands"
# The index of all keys, by text.
_KEYS = ("keys",)


def _documents(db: Database, ttl: timedelta | None = None) -> Documents:
    return Documents(db, IntegrationKeys(db.keys, NAME), "value", ttl=ttl)


register(integration(NAME, [Kind("value", _documents)]))


class RedisStorage(Repository):
    """Bytes under keys, for whatever of Strands takes a ``Storage``.

    ::

        storage = RedisStorage(store)
        agent = Agent(session_manager=SnapshotSessionManager("s1", storage=storage))

    It works in any event loop, also in those of its own on which Strands restores an agent while it
    blocks the caller's. Keys are opaque: they come back as they are, and ``/`` and ``..`` mean
    nothing here.

    What the protocol makes impossible: two writers of one key are not noticed, the last one wins;
    and a snapshot is sent whole at each write, as it is opaque. No owner is known, so
    ``erase_resource`` finds nothing: delete what is listed under a session's prefix.

    Args:
        store: An open store. It is not closed here.
        ttl: How long a value lives after it was last written or read; ``None`` is for ever.
    """

    def __init__(self, store: RedisStore, *, ttl: timedelta | None = None) -> None:
        check_ttl("ttl", ttl)
        super().__init__(database_of(check_instance("store", store, RedisStore)))
        self._values = _documents(self._db, ttl)

    async def write(self, key: str, data: bytes) -> None:
        """Store bytes under a key; they replace others. One round trip.

        Raises:
            StorageError: The key is empty or has a NUL, or the store failed.
        """
        with _storage_errors():
            await self._write(key, data)

    async def read(self, key: str) -> bytes | None:
        """Return the bytes under a key; ``None`` if there are none. One round trip.

        Raises:
            StorageError: The store failed.
        """
        with _storage_errors():
            return await self._read(key)

    async def delete(self, key: str) -> None:
        """Delete what is under a key, if anything is. Two round trips, four with ``hash_tags``.

        Raises:
            StorageError: The store failed.
        """
        with _storage_errors():
            await self._delete(key)

    async def list(self, query: str = "") -> builtins.list[str]:
        """List the keys that start with a prefix, sorted. Two round trips.

        Raises:
            StorageError: The store failed.
        """
        with _storage_errors():
            return await self._list(query)

    async def search(self, query: str) -> "builtins.list[StorageSearchResult]":
        """Search all values by Strands' ``KeywordSearchStrategy``, which reads each of them.

        Raises:
            StorageError: The store failed.
        """
        with requires("strands-agents"):
            from strands.storage.search.keyword import (  # noqa: PLC0415
                KeywordSearchStrategy,
            )
        return await KeywordSearchStrategy().search(self, query)

    @operation
    async def _write(self, key: str, data: bytes) -> None:
        if not check_field("key", check_instance("key", key, str)):
            raise InvalidArgumentError("key", "must not be empty", key)
        entries = [
            IndexEntry(_KEYS, text=key),
            IndexEntry((UPDATED,), epoch_us(await clock.now(self._db))),
        ]
        await self._values.put((key,), _bytes_of(data), entries)

    @query
    async def _read(self, key: str) -> bytes | None:
        document = await self._values.get((check_instance("key", key, str),))
        return None if document is None else document.body

    @operation
    async def _delete(self, key: str) -> None:
        await self._values.delete((check_instance("key", key, str),))

    @query
    async def _list(self, prefix: str) -> builtins.list[str]:
        indexes = self._values.indexes
        listed = await indexes.page_by_text(_KEYS, check_field("query", prefix))
        stored = await indexes.read([entry.id for entry in listed])
        valid = await indexes.current(_KEYS, listed, stored)
        return [entry.text for entry, is_there in zip(listed, valid, strict=True) if is_there]


def _bytes_of(data: object) -> bytes:
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    raise InvalidArgumentError("data", "must be bytes", data)


@contextmanager
def _storage_errors() -> Generator[None]:
    """Raise the errors of the store as Strands' ``StorageError``, as its protocol asks."""
    try:
        yield
    except RedisStoreError as exc:
        with requires("strands-agents"):
            from strands.types.exceptions import StorageError  # noqa: PLC0415
        raise StorageError(str(exc)) from exc
