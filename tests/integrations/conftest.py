"""Stores on data of integrations, which leave no key behind."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from redis_store import RedisStore
from redis_store._engine.database import Database
from redis_store._engine.integration_keys import IntegrationKeys
from tests.support.deployments.place import Place
from tests.support.wire.raw import Raw


@pytest.fixture
async def opened(place: Place, raw: Raw) -> AsyncIterator[RedisStore]:
    """A store on data of its own."""
    async with place.store() as store:
        yield store
        await store.dangerously_clear_integrations()
        assert await raw.keys(place.keys.prefix) == []


@pytest.fixture
def db(opened: RedisStore) -> Database:
    """Its database."""
    return database_of(opened)


@pytest.fixture
def keys(db: Database) -> IntegrationKeys:
    """The keys of an integration of its own."""
    return IntegrationKeys(db.keys, "toy")


@pytest.fixture
def metered(metered_store: RedisStore) -> Database:
    """The database of a connected store behind ``proxy``, on the test's data."""
    return database_of(metered_store)


def database_of(store: RedisStore) -> Database:
    """The database of a store, as an integration takes it."""
    return cast("Database", cast("Any", store)._db)  # noqa: SLF001 - the way in
