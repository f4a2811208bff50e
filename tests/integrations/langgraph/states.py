"""Checkpoints and graphs for tests: few lines to make them, fixed texts in them."""

from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.graph.message import add_messages  # pyright: ignore[reportMissingTypeStubs]

from redis_store.integrations.langgraph import RedisSaver

TEXT = ("The quick brown fox jumps over the lazy dog. " * 12)[:500]


def config(thread: str = "t", namespace: str = "", id: str | None = None) -> RunnableConfig:
    at = {"checkpoint_id": id} if id else {}
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, **at}}


def messages(count: int, start: int = 0) -> list[AnyMessage]:
    return [HumanMessage(f"{at} {TEXT}", id=f"m{at}") for at in range(start, start + count)]


class Thread:
    """Puts one checkpoint after another, as a graph does."""

    def __init__(self, saver: RedisSaver, thread: str = "t", namespace: str = "") -> None:
        self.saver = saver
        self.values: dict[str, Any] = {}
        self.versions: ChannelVersions = {}
        self.at = config(thread, namespace)

    def checkpoint(self, **changed: Any) -> tuple[Checkpoint, ChannelVersions]:
        """Make the next checkpoint, and the versions that are new."""
        self.values.update(changed)
        new: ChannelVersions = {}
        for channel in changed:
            current: Any = self.versions.get(channel)
            new[channel] = self.saver.get_next_version(current, None)
        self.versions |= new
        made = empty_checkpoint()
        made["id"] = str(uuid6())
        made["channel_values"] = dict(self.values)
        made["channel_versions"] = dict(self.versions)
        return made, new

    async def put(self, *, run: str = "", **changed: Any) -> str:
        """Put the next checkpoint, and return its id."""
        made, new = self.checkpoint(**changed)
        metadata: Any = {
            "source": "loop",
            "step": 1,
            "parents": {},
            **({"run_id": run} if run else {}),
        }
        self.at = await self.saver.aput(self.at, made, metadata, new)
        return made["id"]


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def chat(*nodes: str) -> Any:
    """A graph whose nodes, one after another, each add a message."""

    def reply(_: Chat) -> dict[str, list[AnyMessage]]:
        return {"messages": [AIMessage(TEXT)]}

    graph: Any = StateGraph(Chat)
    for name in nodes:
        graph.add_node(name, reply)
    for before, after in zip((START, *nodes), (*nodes, END), strict=True):
        graph.add_edge(before, after)
    return graph
