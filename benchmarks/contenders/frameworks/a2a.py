"""A2A: the calls of a task store."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Final

from a2a.server.context import ServerCallContext
from a2a.server.tasks.task_store import TaskStore
from a2a.types.a2a_pb2 import ListTasksRequest, Message, Part, Task, TaskState, TaskStatus

from benchmarks.contenders.frameworks.steps import Open, Steps, giving, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.a2a import RedisTaskStore

_TASKS: Final = 100
_CONTEXT: Final = "context"
_PAGE: Final = 50


def _task(number: int, said: int) -> Task:
    message = Message(message_id=f"message-{said}", parts=[Part(text=text(said))])
    task = Task(id=f"task-{number}", context_id=_CONTEXT, history=[message])
    task.status.CopyFrom(TaskStatus(state=TaskState.TASK_STATE_WORKING))
    task.status.timestamp.GetCurrentTime()
    return task


def _steps(tasks: TaskStore) -> Steps:
    numbers, caller = count(), ServerCallContext()

    async def fill() -> None:
        for number in range(_TASKS):
            await tasks.save(_task(number, next(numbers)), caller)

    def save() -> Call:
        return giving(1, partial(tasks.save, _task(0, next(numbers)), caller))

    async def get() -> int:
        return int(await tasks.get("task-0", caller) is not None)

    async def list_page() -> int:
        page = ListTasksRequest(context_id=_CONTEXT, page_size=_PAGE)
        return len((await tasks.list(page, caller)).tasks)

    calls: dict[str, Callable[[], Call]] = {
        "save": save,
        "get": lambda: get,
        "list 50": lambda: list_page,
    }
    return Steps(fill, calls)


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(RedisTaskStore(store))


@asynccontextmanager
async def _sqlite(_: str, directory: Path) -> AsyncGenerator[Steps]:
    # By name: SQLAlchemy is installed where the study runs only.
    engine: Any = import_module("sqlalchemy.ext.asyncio").create_async_engine(
        f"sqlite+aiosqlite:///{directory / 'data'}"
    )
    tasks: Any = import_module("a2a.server.tasks").DatabaseTaskStore(engine)
    await tasks.initialize()
    yield _steps(tasks)
    await engine.dispose()


STORES: Final[dict[str, Open]] = {"": _library, "a2a-sdk": _sqlite}
