"""Parts of a store that adapters and ``Memory`` work with, as the store's own domains do."""

from typing import Any, cast

from redis_store._engine.database import Database
from redis_store._portal import Portal
from redis_store.store import RedisStore


def database_of(store: RedisStore) -> Database:
    """Return a store's database."""
    return cast("Database", cast("Any", store)._db)  # noqa: SLF001 - one library


def portal_of(store: RedisStore) -> Portal:
    """Return the thread with an event loop in which a store's blocking calls run."""
    return cast("Portal", cast("Any", store)._portal)  # noqa: SLF001 - one library
