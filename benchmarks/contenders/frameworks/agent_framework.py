"""Microsoft Agent Framework: the calls of a history provider."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Final

from agent_framework import HistoryProvider, Message

from benchmarks.contenders.frameworks.steps import LENGTH, Open, Steps, giving, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.agent_framework import RedisHistoryProvider

_ID: Final = "session"
_LAST: Final = 10


def _steps(history: HistoryProvider) -> Steps:
    numbers = count()

    def messages(length: int) -> list[Message]:
        # With ids, as equal ones without would be taken for repeated ones.
        return [
            Message("user", [text(number)], message_id=f"message-{number}")
            for number in (next(numbers) for _ in range(length))
        ]

    async def load() -> int:
        return len((await history.get_messages(_ID))[-_LAST:])

    calls: dict[str, Callable[[], Call]] = {
        "save 2": lambda: giving(2, partial(history.save_messages, _ID, messages(2))),
        "load the last 10": lambda: load,
    }
    return Steps(lambda: history.save_messages(_ID, messages(LENGTH)), calls)


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(RedisHistoryProvider(store, load_last=_LAST))


@asynccontextmanager
async def _own(url: str, _: Path) -> AsyncGenerator[Steps]:
    """It can read only all messages."""
    # By name: it is installed where the study runs only.
    provider: Any = import_module("agent_framework_redis").RedisHistoryProvider
    client: Any = import_module("redis.asyncio").Redis.from_url(url, decode_responses=True)
    yield _steps(provider(redis_client=client, application_id="benchmark"))
    await client.aclose()


STORES: Final[dict[str, Open]] = {"": _library, "agent-framework-redis": _own}
