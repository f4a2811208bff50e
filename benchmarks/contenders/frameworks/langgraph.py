"""LangGraph: a turn of a graph of two nodes, and reading its state."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import (  # pyright: ignore[reportMissingTypeStubs]
    END,
    START,
    MessagesState,
    StateGraph,
)

from benchmarks.contenders.frameworks.steps import LENGTH, Open, Steps, text
from benchmarks.contenders.serving import Call
from redis_store import RedisStore
from redis_store.integrations.langgraph import RedisSaver

_CONFIG: Final[RunnableConfig] = {"configurable": {"thread_id": "thread"}}
_HISTORY: Final = 10
_Saver = BaseCheckpointSaver[Any]


def _graph(saver: _Saver, numbers: "count[int]") -> Any:
    """Compile a graph of which a turn is three steps: its input, a model, and a tool."""

    async def answer(state: MessagesState) -> dict[str, list[AIMessage]]:
        del state
        return {"messages": [AIMessage(text(next(numbers)))]}

    builder: Any = StateGraph(MessagesState)
    builder.add_node("model", answer)
    builder.add_node("tool", answer)
    builder.add_edge(START, "model")
    builder.add_edge("model", "tool")
    builder.add_edge("tool", END)
    return builder.compile(checkpointer=saver)


def _steps(savers: Callable[[], _Saver]) -> Steps:
    """Build the steps on savers, of which each is as another process would have it."""
    numbers = count()
    graph = _graph(savers(), numbers)

    async def fill() -> None:
        messages = [HumanMessage(text(next(numbers))) for _ in range(LENGTH)]
        await graph.aupdate_state(_CONFIG, {"messages": messages}, as_node="tool")

    def turn() -> Call:
        asked = {"messages": [HumanMessage(text(next(numbers)))]}

        async def run() -> int:
            state = await graph.ainvoke(asked, _CONFIG, durability="sync")
            return len(state["messages"])

        return run

    def read(of: Any) -> Call:
        async def run() -> int:
            return len((await of.aget_state(_CONFIG)).values["messages"])

        return run

    async def history() -> int:
        return len([each async for each in graph.aget_state_history(_CONFIG, limit=_HISTORY)])

    return Steps(
        fill,
        {
            "turn of 3 steps, durability sync": turn,
            "history of 10": lambda: history,
            "get_state": lambda: read(graph),
            "get_state, first in a process": lambda: read(_graph(savers(), numbers)),
        },
    )


@asynccontextmanager
async def _library(url: str, _: Path) -> AsyncGenerator[Steps]:
    async with RedisStore(url) as store:
        yield _steps(lambda: RedisSaver(store))


@asynccontextmanager
async def _aws(url: str, _: Path) -> AsyncGenerator[Steps]:
    # By name, as the others here: they are installed where the study runs only.
    saver: Any = import_module("langgraph_checkpoint_aws.checkpoint.valkey").AsyncValkeySaver
    client: Any = import_module("valkey.asyncio").Valkey.from_url(url)
    yield _steps(lambda: saver(client))
    await client.aclose()


@asynccontextmanager
async def _plainredis(url: str, _: Path) -> AsyncGenerator[Steps]:
    saver: Any = import_module("langgraph_checkpoint_plainredis").AsyncRedisSaver
    client: Any = import_module("redis.asyncio").Redis.from_url(url)
    yield _steps(lambda: saver(client))
    await client.aclose()


@asynccontextmanager
async def _sqlite(_: str, directory: Path) -> AsyncGenerator[Steps]:
    module: Any = import_module("langgraph.checkpoint.sqlite.aio")
    async with module.AsyncSqliteSaver.from_conn_string(str(directory / "data")) as saver:
        yield _steps(lambda: saver)


@asynccontextmanager
async def _memory(_: str, __: Path) -> AsyncGenerator[Steps]:
    saver = InMemorySaver()
    yield _steps(lambda: saver)


STORES: Final[dict[str, Open]] = {
    "": _library,
    "langgraph-checkpoint-aws": _aws,
    "langgraph-checkpoint-plainredis": _plainredis,
    "langgraph-checkpoint-sqlite": _sqlite,
    "langgraph": _memory,
}
