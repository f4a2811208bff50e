"""Stores on data of integrations, which leave no key behind."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from redis_store import RedisStore
from redis_store._engine.database import Database
from redis_store._engine.integration_keys import IntegrationKeys
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import Variant
from tests.support.wire.proxies import CountingProxy
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
async def proxy(variant: Variant, servers: dict[str, Server]) -> AsyncIterator[CountingProxy]:
    """What counts the traffic between ``metered`` and the test's server."""
    async with CountingProxy(servers[variant.server].socket) as counting:
        yield counting


@pytest.fixture
async def metered(proxy: CountingProxy, place: Place) -> AsyncIterator[Database]:
    """The database of a connected store behind ``proxy``, on the test's data."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(proxy.url, key_prefix=prefix, hash_tags=hash_tags) as store:
        yield database_of(store)


def database_of(store: RedisStore) -> Database:
    """The database of a store, as an integration takes it."""
    return cast("Database", cast("Any", store)._db)  # noqa: SLF001 - the way in
