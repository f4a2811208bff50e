"""Claude Agent SDK: the calls of a session store."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from claude_agent_sdk import InMemorySessionStore, SessionKey, SessionStore, SessionStoreEntry

from benchmarks.contenders.frameworks.steps import LENGTH, Open, Steps, giving, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore

_PROJECT: Final = "project"
_KEY: Final[SessionKey] = {"project_key": _PROJECT, "session_id": "session"}


def _entry(number: int) -> SessionStoreEntry:
    entry: dict[str, Any] = {
        "type": "user",
        "uuid": f"{number:032x}",
        "sessionId": "session",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "message": {"role": "user", "content": text(number)},
    }
    return cast("SessionStoreEntry", entry)


def _steps(sessions: SessionStore) -> Steps:
    numbers = count()

    def entries(length: int) -> list[SessionStoreEntry]:
        return [_entry(next(numbers)) for _ in range(length)]

    async def load() -> int:
        return len(await sessions.load(_KEY) or ())

    async def summaries() -> int:
        return len(await sessions.list_session_summaries(_PROJECT))

    calls: dict[str, Callable[[], Call]] = {
        "append 2": lambda: giving(2, partial(sessions.append, _KEY, entries(2))),
        "load all": lambda: load,
        "list summaries": lambda: summaries,
    }
    return Steps(lambda: sessions.append(_KEY, entries(LENGTH)), calls)


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(RedisSessionStore(store))


@asynccontextmanager
async def _memory(_: str, __: Path) -> AsyncGenerator[Steps]:
    yield _steps(InMemorySessionStore())


STORES: Final[dict[str, Open]] = {"": _library, "claude-agent-sdk": _memory}
