"""MCP: the calls of an event store, and of what FastMCP keeps its clients' tokens in."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Final

from key_value.aio.protocols import AsyncKeyValue
from mcp.server.streamable_http import EventMessage, EventStore
from mcp_types import JSONRPCMessage, JSONRPCNotification

from benchmarks.contenders.frameworks.steps import Open, Steps, giving, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.mcp import RedisEventStore, RedisKeyValue

_STREAM: Final = "request-1"
_REPLAYED: Final = "request-2"
_TTL: Final = 3600


def _message(number: int) -> JSONRPCMessage:
    params = {"message": text(number)}
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/message", params=params)


def _steps(events: EventStore, values: AsyncKeyValue) -> Steps:
    numbers, first = count(), list[str]()

    async def fill() -> None:
        for _ in range(50):
            await events.store_event(_STREAM, _message(next(numbers)))
        ids = [await events.store_event(_REPLAYED, _message(next(numbers))) for _ in range(11)]
        first[:] = ids[:1]

    def store() -> Call:
        return giving(1, partial(events.store_event, _STREAM, _message(next(numbers))))

    async def replay() -> int:
        sent: list[EventMessage] = []

        async def send(event: EventMessage) -> None:
            sent.append(event)

        await events.replay_events_after(first[0], send)
        return len(sent)

    def put() -> Call:
        return giving(1, partial(values.put, "token", {"token": text(next(numbers))}, ttl=_TTL))

    async def get() -> int:
        return int(await values.get("token") is not None)

    calls: dict[str, Callable[[], Call]] = {
        "store an event": store,
        "replay 10": lambda: replay,
        "put": put,
        "get": lambda: get,
    }
    return Steps(fill, calls)


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(RedisEventStore(store), RedisKeyValue(store))


@asynccontextmanager
async def _fastmcp(url: str, _: Path) -> AsyncGenerator[Steps]:
    # By name: fastmcp is installed where the study runs only.
    client: Any = import_module("redis.asyncio").Redis.from_url(url, decode_responses=True)
    values: Any = import_module("key_value.aio.stores.redis").RedisStore(client=client)
    event_store: Any = import_module("fastmcp.server.event_store").EventStore
    # As many as this library's keeps: it would drop the oldest one by one.
    yield _steps(event_store(storage=values, max_events_per_stream=1_000), values)
    await client.aclose()


STORES: Final[dict[str, Open]] = {"": _library, "fastmcp and py-key-value-aio": _fastmcp}
