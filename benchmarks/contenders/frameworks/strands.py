"""Strands: the calls of the storage under a session manager."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from strands.storage import LocalFileStorage

from benchmarks.contenders.frameworks.steps import Open, Steps, giving, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.strands import RedisStorage

_KEYS: Final = [f"session/agents/agent/{i:03}" for i in range(100)]
_SNAPSHOT: Final = 50_000


def _snapshot(number: int) -> bytes:
    return "".join(text(number + i) for i in range(-(-_SNAPSHOT // 480))).encode()[:_SNAPSHOT]


def _steps(storage: Any) -> Steps:
    numbers = count()

    async def fill() -> None:
        for key in _KEYS:
            await storage.write(key, _snapshot(next(numbers)))

    def write() -> Call:
        return giving(_SNAPSHOT, partial(storage.write, _KEYS[0], _snapshot(next(numbers))))

    async def read() -> int:
        return len(await storage.read(_KEYS[0]))

    async def list_all() -> int:
        return len(await storage.list("session/agents/agent"))

    calls: dict[str, Callable[[], Call]] = {
        "write 50 kB": write,
        "read 50 kB": lambda: read,
        "list 100 keys": lambda: list_all,
    }
    return Steps(fill, calls)


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(RedisStorage(store))


@asynccontextmanager
async def _files(_: str, directory: Path) -> AsyncGenerator[Steps]:
    yield _steps(LocalFileStorage(str(directory)))


STORES: Final[dict[str, Open]] = {"": _library, "strands-agents": _files}
