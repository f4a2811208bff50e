"""OpenAI Agents: the calls of a session."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from agents.extensions.memory import RedisSession as OwnSession
from agents.memory import Session
from redis.asyncio import Redis

from benchmarks.contenders.frameworks.steps import LENGTH, Open, Steps, giving, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.openai_agents import RedisSession

_ID: Final = "session"
_CLEARED: Final = "session that is cleared"
_LAST: Final = 10


def _steps(session: Session, cleared: Session) -> Steps:
    numbers = count()

    def items(length: int) -> list[Any]:
        return [{"role": "user", "content": text(next(numbers))} for _ in range(length)]

    async def fill() -> None:
        await session.add_items(items(LENGTH))

    async def fill_cleared() -> None:
        await cleared.add_items(items(LENGTH))

    async def last() -> int:
        return len(await session.get_items(_LAST))

    async def pop() -> int:
        return int(await session.pop_item() is not None)

    calls: dict[str, Callable[[], Call]] = {
        "add 2": lambda: giving(2, partial(session.add_items, items(2))),
        "last 10": lambda: last,
        "pop": lambda: pop,
        "clear": lambda: giving(LENGTH, cleared.clear_session),
    }
    return Steps(fill, calls, {"clear": fill_cleared})


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(RedisSession(_ID, store), RedisSession(_CLEARED, store))


@asynccontextmanager
async def _own(url: str, _: Path) -> AsyncGenerator[Steps]:
    client: Any = cast("Any", Redis).from_url(url)
    sessions = (OwnSession(each, redis_client=client) for each in (_ID, _CLEARED))
    yield _steps(*sessions)
    await client.aclose()


STORES: Final[dict[str, Open]] = {"": _library, "openai-agents": _own}
