"""Pydantic AI: the calls of a conversation store."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore, InMemoryConversationStore
from pydantic_ai.messages import ModelMessage, ModelRequest, UserPromptPart

from benchmarks.contenders.frameworks.steps import LENGTH, Open, Steps, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore

_ID: Final = "conversation"
_SCOPE: Final = "user"
_LAST: Final = 10


def _steps(store: ConversationStore) -> Steps:
    numbers, loaded = count(), list[Conversation]()

    def messages(length: int) -> list[ModelMessage]:
        return [
            ModelRequest(parts=[UserPromptPart(content=text(next(numbers)))]) for _ in range(length)
        ]

    async def fill() -> None:
        conversation = Conversation(conversation_id=_ID, messages=messages(LENGTH))
        await store.save(conversation, scope=_SCOPE)

    async def load() -> int:
        found = await store.load(_ID, limit=_LAST, scope=_SCOPE)
        loaded[:] = [found] if found else []
        return len(loaded[0].messages)

    def save() -> Call:
        two = messages(2)

        async def run() -> int:
            loaded[0].messages += two
            await store.save(loaded[0], scope=_SCOPE)
            return len(two)

        return run

    calls: dict[str, Callable[[], Call]] = {"load the last 10": lambda: load, "save 2": save}
    return Steps(fill, calls, {"save 2": load})


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(RedisConversationStore(store))


@asynccontextmanager
async def _memory(_: str, __: Path) -> AsyncGenerator[Steps]:
    yield _steps(InMemoryConversationStore())


STORES: Final[dict[str, Open]] = {"": _library, "pydantic-ai-slim": _memory}
