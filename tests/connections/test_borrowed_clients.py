"""A client that belongs to the caller: it is used as it is, and never closed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import redis.asyncio as aioredis

from redis_store import BackendUnavailableError, RedisStore, Resource
from tests.support.deployments.servers import Server, server_binaries
from tests.support.records.builders import message
from tests.support.records.memory_calls import every_call, furnish

KINDS: list[dict[str, Any]] = [
    {"protocol": 2},
    {"protocol": 3},
    {"decode_responses": True, "protocol": 2},
    {"decode_responses": True, "protocol": 3},
    {"single_connection_client": True},
    {"health_check_interval": 1},
]


@pytest.fixture(params=KINDS, ids=str)
async def client(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Any]:
    from_url = cast("Any", aioredis.Redis).from_url
    async with from_url(server.url, **request.param) as opened:
        yield opened


@pytest.fixture
async def store(client: Any) -> AsyncIterator[RedisStore]:
    async with RedisStore(client=client, key_prefix=f"{uuid4().hex}:") as opened:
        yield opened
        await opened.memory.dangerously_clear_all()


async def test_every_call_works_on_a_borrowed_client(store: RedisStore) -> None:
    """ST-01: whatever the client's protocol is and whether it decodes."""
    for call in every_call().values():
        await furnish(store.memory)
        await call(store.memory)
    await furnish(store.memory)
    page = await store.memory.list_messages("t", per_page=2, direction="desc")
    assert page.items == [message("d", 3), message("c", 2)]
    assert page.total == 4
    assert {each.id for each in await store.memory.list_threads(resource_id="u")} == {"t", "t2"}


async def test_a_borrowed_client_is_not_closed(client: Any) -> None:
    """ST-03: its one connection is the same before, during and after."""
    connection = await client.client_id()
    async with RedisStore(client=client, key_prefix=f"{uuid4().hex}:") as opened:
        await opened.memory.save_resource(Resource(id="é"))
        found = await opened.memory.get_resource_by_id("é")
        assert found is not None
        await opened.memory.dangerously_clear_all()
    assert await client.client_id() == connection


async def test_a_borrowed_client_is_not_closed_when_init_fails(tmp_path: Path) -> None:
    """ST-03: the client works on once its server answers."""
    binary = next(iter(server_binaries().values()))
    async with await Server.start(binary, workdir=tmp_path) as own:
        client: Any = cast("Any", aioredis.Redis).from_url(own.url)
        await own.stop()
        with pytest.raises(BackendUnavailableError):
            await RedisStore(client=client).__aenter__()
        await own.restart()
        async with client, RedisStore(client=client) as store:
            assert await store.ping()


async def test_two_stores_share_a_client(client: Any) -> None:
    """ST-03: closing one store leaves the client to the other."""
    async with RedisStore(client=client) as one:
        async with RedisStore(client=client):
            pass
        assert await one.ping()
