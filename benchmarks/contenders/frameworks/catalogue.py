"""The frameworks, the stores that each is measured with, and the steps.

Imports only the standard library: it is read before anything is installed.
"""

from dataclasses import dataclass
from typing import Final

from benchmarks.contenders.peers.catalogue import FRAMEWORKS as _OF_FRAMEWORKS
from benchmarks.contenders.peers.catalogue import PEERS, Environment

_ENVIRONMENTS: Final[dict[str, Environment]] = {each.name: each for each in PEERS} | {
    each.name: each for each in _OF_FRAMEWORKS
}
_CALLS: Final = 20
_LONG: Final = 5  # calls of some store that take long
_NO_MODULES: Final = (
    "langgraph-checkpoint-redis 0.5.2 needs RedisJSON and RediSearch, which are modules before "
    "Redis 8"
)
_IN_PROCESS: Final = "in the process"
_NONE_LASTS: Final = "no published store outlives its process"


@dataclass(frozen=True)
class Store:
    """A store of a framework.

    Attributes:
        name: The name of its class.
        package: The package that it is from; empty for this library.
        where: Where it keeps its data, if that is not the server.
    """

    name: str
    package: str = ""
    where: str = ""

    @property
    def title(self) -> str:
        """Its name in reports."""
        place = f", {self.where}" if self.where else ""
        return f"{self.name} of {self.package}{place}" if self.package else self.name

    @property
    def outlives_process(self) -> bool:
        """Whether another process finds what one has stored."""
        return self.where != _IN_PROCESS


@dataclass(frozen=True)
class Step:
    """What an agent does with a store.

    Attributes:
        name: Its name.
        calls: How many calls are timed one after the other.
        adds: Whether the growth of the server's memory per call is measured.
    """

    name: str
    calls: int = _CALLS
    adds: bool = False


@dataclass(frozen=True)
class Framework:
    """An agent framework.

    Attributes:
        name: Its name.
        module: The module here that measures it.
        environment: Where it is installed, with the packages of all its stores.
        stores: This library's first, then the best of the others.
        steps: In the order in which they are measured.
        missing: What is not measured, and why.
        unit: What the server's memory is measured per, once the data is stored.
        units: How many of them are stored.
    """

    name: str
    module: str
    environment: Environment
    stores: tuple[Store, ...]
    steps: tuple[Step, ...]
    missing: tuple[str, ...] = ()
    unit: str = ""
    units: int = 1_000

    @property
    def best_other(self) -> Store | None:
        """The best other store, if there is one that outlives its process."""
        return next((each for each in self.stores[1:] if each.outlives_process), None)


FRAMEWORKS: Final = (
    Framework(
        "LangGraph",
        "langgraph",
        _ENVIRONMENTS["langgraph"],
        (
            Store("RedisSaver"),
            Store("AsyncValkeySaver", "langgraph-checkpoint-aws"),
            Store("AsyncRedisSaver", "langgraph-checkpoint-plainredis"),
            Store("AsyncSqliteSaver", "langgraph-checkpoint-sqlite", "in a file"),
            Store("InMemorySaver", "langgraph", _IN_PROCESS),
        ),
        (
            Step("turn of 3 steps, durability sync", _LONG, adds=True),
            Step("history of 10", 1),
            Step("get_state", _LONG),
            Step("get_state, first in a process", _LONG),
        ),
        missing=(_NO_MODULES,),
    ),
    Framework(
        "OpenAI Agents",
        "openai_agents",
        _ENVIRONMENTS["openai-agents"],
        (Store("RedisSession"), Store("RedisSession", "openai-agents")),
        (Step("add 2"), Step("last 10"), Step("pop"), Step("clear", 1)),
        unit="item",
    ),
    Framework(
        "Google ADK",
        "google_adk",
        _ENVIRONMENTS["google-adk"],
        (Store("RedisSessionService"), Store("RedisSessionService", "google-adk")),
        (Step("append an event", _LONG), Step("last 10", _LONG), Step("list 21 sessions", _LONG)),
        unit="event",
    ),
    Framework(
        "Claude Agent SDK",
        "claude_agent_sdk",
        _ENVIRONMENTS["claude-agent-sdk"],
        (
            Store("RedisSessionStore"),
            Store("InMemorySessionStore", "claude-agent-sdk", _IN_PROCESS),
        ),
        (Step("append 2"), Step("load all", _LONG), Step("list summaries")),
        missing=(_NONE_LASTS,),
        unit="entry",
    ),
    Framework(
        "Pydantic AI",
        "pydantic_ai",
        _ENVIRONMENTS["pydantic-ai"],
        (
            Store("RedisConversationStore"),
            Store("InMemoryConversationStore", "pydantic-ai-slim", _IN_PROCESS),
        ),
        (Step("load the last 10"), Step("save 2")),
        missing=(_NONE_LASTS,),
        unit="message",
    ),
    Framework(
        "Agent Framework",
        "agent_framework",
        _ENVIRONMENTS["agent-framework-redis"],
        (
            Store("RedisHistoryProvider"),
            Store("RedisHistoryProvider", "agent-framework-redis"),
        ),
        (Step("save 2", _LONG), Step("load the last 10", _LONG)),
        unit="message",
    ),
    Framework(
        "Strands",
        "strands",
        _ENVIRONMENTS["strands-agents"],
        (
            Store("RedisStorage"),
            Store("LocalFileStorage", "strands-agents", "in files"),
        ),
        (Step("write 50 kB"), Step("read 50 kB"), Step("list 100 keys")),
    ),
    Framework(
        "MCP",
        "mcp",
        _ENVIRONMENTS["fastmcp"],
        (
            Store("RedisEventStore, RedisKeyValue"),
            Store("EventStore on RedisStore", "fastmcp and py-key-value-aio"),
        ),
        (Step("store an event"), Step("replay 10"), Step("put"), Step("get")),
    ),
    Framework(
        "A2A",
        "a2a",
        _ENVIRONMENTS["a2a-sdk"],
        (
            Store("RedisTaskStore"),
            Store("DatabaseTaskStore", "a2a-sdk", "in a SQLite file"),
        ),
        (Step("save"), Step("get"), Step("list 50")),
        missing=("a2a-redis 0.2.1 cannot be imported with a2a-sdk 1",),
        unit="task",
        units=100,
    ),
)
