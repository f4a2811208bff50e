"""Clients and event loops that a store cannot use: each is refused in one sentence."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import redis
import redis.asyncio as aioredis

from redis_store import ConfigurationError, RedisStore

_ASYNC, _SYNC = cast("Any", aioredis), cast("Any", redis)
CLIENTS: dict[str, tuple[Callable[[], object], str]] = {
    "synchronous": (redis.Redis, "client is synchronous: pass a client of redis.asyncio"),
    "a pipeline": (
        lambda: _ASYNC.Redis().pipeline(),
        "client is a pipeline: pass the client that made it",
    ),
    "a cluster's pipeline": (
        lambda: _ASYNC.RedisCluster(host="h").pipeline(),
        "client is a pipeline: pass the client that made it",
    ),
    "a synchronous pipeline": (
        lambda: _SYNC.Redis().pipeline(),
        "client is a pipeline: pass the client that made it",
    ),
    "a pool": (
        aioredis.ConnectionPool,
        "client must be a redis.asyncio.Redis or RedisCluster",
    ),
}


def _refusal(client: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        RedisStore(client=client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert caught.value.code == "CONFIGURATION_INVALID_CLIENT"
    return str(caught.value)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_of_another_kind_is_refused(kind: str) -> None:
    """ST-01: in one sentence, when the store is constructed."""
    make, sentence = CLIENTS[kind]
    assert _refusal(make()) == sentence


@pytest.mark.parametrize("kind", ["FakeAsyncRedis", "FakeRedis", "FakeConnection"])
def test_a_client_of_fakeredis_is_refused(kind: str) -> None:
    """ST-01: it has no connection; a private real server is at hand."""
    fake: Any = pytest.importorskip("fakeredis")
    if kind == "FakeConnection":
        pool: Any = aioredis.ConnectionPool(connection_class=fake.FakeAsyncConnection)
        client: Any = aioredis.Redis(connection_pool=pool)
    else:
        client = getattr(fake, kind)()
    expected = "client is a fakeredis one, which has no server: use embedded:// in tests"
    assert _refusal(client) == expected


@pytest.mark.parametrize("url", ["redis://h", "redis+sentinel://h/s", "redis+cluster://h"])
def test_another_event_loop_is_refused(url: str) -> None:
    """ST-01: with trio every way in says so, and nothing is left."""
    trio: Any = pytest.importorskip("trio")
    store = RedisStore(url)
    for call in (store.init, store.__aenter__, store.ping, store.memory.list_threads, store.close):
        with pytest.raises(ConfigurationError, match="asyncio only") as caught:
            trio.run(call)
        assert caught.value.code.endswith("CONFIGURATION_INVALID_EVENT_LOOP")


def test_no_event_loop_is_refused() -> None:
    """ST-01: the embedded server is not started for it either."""
    for url in ("redis://h", "embedded://"):
        with pytest.raises(ConfigurationError, match="asyncio only"):
            RedisStore(url).init().send(None)
