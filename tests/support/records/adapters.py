"""Every adapter, used in one way: it writes the number n, and finds the numbers that were written.

Frameworks are imported by those who use them, as one may be missing.
"""

# ruff: noqa: PLC0415 - see above

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from redis_store import Memory, RedisStore


class Used(NamedTuple):
    """An adapter on a store.

    Attributes:
        write: Writes a number, beside all others.
        found: Returns the numbers that are found; at least those that this process wrote.
    """

    write: Callable[[int], Awaitable[object]]
    found: Callable[[], Awaitable[set[int]]]


def _memory(store: RedisStore) -> Used:
    async def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, float(text)] for text in texts]

    memory = Memory(store, last_messages=None, embed=embed, semantic_recall=1, working_memory=True)

    async def write(n: int) -> None:
        async with memory.turn(thread="adapters", resource="u", query=str(n)) as turn:
            turn.user(str(n))
            turn.update_working_memory(str(n))

    async def found() -> set[int]:
        async with memory.turn(thread="adapters", resource="u") as turn:
            return {int(message.text) for message in turn.recalled}

    return Used(write, found)


def _langgraph_saver(store: RedisStore) -> Used:
    from langgraph.checkpoint.base import empty_checkpoint
    from langgraph.checkpoint.base.id import uuid6

    from redis_store.integrations.langgraph import RedisSaver

    saver = RedisSaver(store)
    at: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

    async def write(n: int) -> None:
        made = empty_checkpoint()
        version = saver.get_next_version(None, None)
        made["id"], made["channel_values"] = str(uuid6()), {"n": n, "long": [*range(n, n + 500)]}
        made["channel_versions"] = {"n": version, "long": version}
        metadata: Any = {"source": "loop", "step": n, "parents": {}}
        stored = await saver.aput(at, made, metadata, made["channel_versions"])
        await saver.aput_writes(stored, [("n", n)], "task")

    async def found() -> set[int]:
        numbers: set[int] = set()
        async for each in saver.alist(at):
            values = each.checkpoint["channel_values"]
            assert values["long"][0] == values["n"]
            # Written after the checkpoint.
            if each.pending_writes == [("task", "n", values["n"])]:
                numbers.add(values["n"])
        return numbers

    return Used(write, found)


def _langgraph_store(store: RedisStore) -> Used:
    from redis_store.integrations.langgraph import RedisBaseStore

    async def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, float(text)] for text in texts]

    index: Any = {"dims": 2, "embed": embed, "fields": ["text"]}
    memories = RedisBaseStore(store, index=index)

    async def write(n: int) -> None:
        await memories.aput(("a", "b"), f"{n}", {"text": f"{n}"})

    async def found() -> set[int]:
        items = await memories.asearch(("a",), query="7", limit=1000)
        return {int(item.value["text"]) for item in items}

    return Used(write, found)


def _openai_agents(store: RedisStore) -> Used:
    from redis_store.integrations.openai_agents import RedisSession

    session = RedisSession("chat", store, user="u")

    async def write(n: int) -> None:
        await session.add_items([{"role": "user", "content": f"{n}"}])

    async def found() -> set[int]:
        items: list[Any] = await session.get_items()
        return {int(item["content"]) for item in items}

    return Used(write, found)


def _google_adk(store: RedisStore) -> Used:
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.events.event import Event
    from google.adk.events.event_actions import EventActions

    from redis_store.integrations.google_adk import RedisSessionService

    service = RedisSessionService(store)
    names: dict[str, Any] = {"app_name": "app", "user_id": "u", "session_id": "s"}

    async def write(n: int) -> None:
        session = await service.get_session(**names)
        try:
            session = session or await service.create_session(**names)
        except AlreadyExistsError:
            session = await service.get_session(**names)
        assert session is not None
        delta = {f"{n}": n, f"app:{n}": n}
        await service.append_event(
            session, Event(author=f"{n}", actions=EventActions(state_delta=delta))
        )

    async def found() -> set[int]:
        session = await service.get_session(**names)
        assert session is not None
        numbers = {int(event.author) for event in session.events}
        # The app's state follows the event on a cluster.
        return {n for n in numbers if {f"{n}", f"app:{n}"} <= session.state.keys()}

    return Used(write, found)


def _claude_agent_sdk(store: RedisStore) -> Used:
    from redis_store.integrations.claude_agent_sdk import RedisSessionStore

    sessions = RedisSessionStore(store)
    key: Any = {"project_key": "p", "session_id": "s"}

    async def write(n: int) -> None:
        entry: Any = {"type": "user", "uuid": f"{n}"}
        await sessions.append(key, [entry])

    async def found() -> set[int]:
        assert len(await sessions.list_session_summaries("p")) == 1
        entries: list[Any] = await sessions.load(key) or []
        return {int(entry["uuid"]) for entry in entries}

    return Used(write, found)


def _pydantic_ai(store: RedisStore) -> Used:
    from pydantic_ai.conversation import Conversation
    from pydantic_ai.messages import ModelRequest, UserPromptPart

    from redis_store.integrations.pydantic_ai import RedisConversationStore

    conversations = RedisConversationStore(store)

    async def write(n: int) -> None:
        said = ModelRequest(parts=[UserPromptPart(content="hi")])
        await conversations.save(Conversation(conversation_id=f"{n}", messages=[said]), scope="u")

    async def found() -> set[int]:
        listed = await conversations.list_conversations(scope="u", limit=1000)
        return {int(each.conversation_id) for each in listed}

    return Used(write, found)


def _agent_framework_history(store: RedisStore) -> Used:
    from agent_framework import Message

    from redis_store.integrations.agent_framework import RedisHistoryProvider

    history = RedisHistoryProvider(store)

    async def write(n: int) -> None:
        await history.save_messages("s", [Message("user", [f"{n}"], message_id=f"{n}")])

    async def found() -> set[int]:
        return {int(message.text) for message in await history.get_messages("s")}

    return Used(write, found)


def _agent_framework_checkpoints(store: RedisStore) -> Used:
    from agent_framework import WorkflowCheckpoint

    from redis_store.integrations.agent_framework import RedisCheckpointStorage

    storage = RedisCheckpointStorage(store)

    async def write(n: int) -> None:
        made = WorkflowCheckpoint(workflow_name="w", graph_signature_hash="h", checkpoint_id=f"{n}")
        await storage.save(made)

    async def found() -> set[int]:
        return set(map(int, await storage.list_checkpoint_ids(workflow_name="w")))

    return Used(write, found)


def _strands(store: RedisStore) -> Used:
    from redis_store.integrations.strands import RedisStorage

    storage = RedisStorage(store)

    async def write(n: int) -> None:
        await storage.write(f"s/{n}", b"%d" % n)

    async def found() -> set[int]:
        keys = await storage.list("s/")
        for key in keys:
            assert await storage.read(key) == key.removeprefix("s/").encode()
        return {int(key.removeprefix("s/")) for key in keys}

    return Used(write, found)


def _mcp_events(store: RedisStore) -> Used:
    from mcp_types import JSONRPCNotification

    from redis_store.integrations.mcp import RedisEventStore

    events = RedisEventStore(store)
    first: dict[int, str] = {}

    async def write(n: int) -> None:
        first[n] = await events.store_event(f"{n}", None)
        message = JSONRPCNotification(jsonrpc="2.0", method="n", params={"n": n})
        await events.store_event(f"{n}", message)

    async def found() -> set[int]:
        numbers: set[int] = set()

        async def send(event: Any) -> None:
            numbers.add(event.message.params["n"])

        for event_id in list(first.values()):
            await events.replay_events_after(event_id, send)
        return numbers

    return Used(write, found)


def _mcp_key_value(store: RedisStore) -> Used:
    from redis_store.integrations.mcp import RedisKeyValue

    values = RedisKeyValue(store)

    async def write(n: int) -> None:
        await values.put(f"{n}", {"n": n})

    async def found() -> set[int]:
        stored = await values.get_many([f"{n}" for n in range(1000)])
        return {value["n"] for value in stored if value}

    return Used(write, found)


def _a2a_tasks(store: RedisStore) -> Used:
    from a2a.server.context import ServerCallContext
    from a2a.types.a2a_pb2 import ListTasksRequest, Task

    from redis_store.integrations.a2a import RedisTaskStore

    tasks = RedisTaskStore(store)

    async def write(n: int) -> None:
        await tasks.save(Task(id=f"{n}", context_id="c"), ServerCallContext())

    async def found() -> set[int]:
        asked = ListTasksRequest(context_id="c", page_size=100)
        return {int(each.id) for each in (await tasks.list(asked, ServerCallContext())).tasks}

    return Used(write, found)


def _a2a_push_configs(store: RedisStore) -> Used:
    from a2a.server.context import ServerCallContext
    from a2a.types.a2a_pb2 import TaskPushNotificationConfig

    from redis_store.integrations.a2a import RedisPushNotificationConfigStore

    configs = RedisPushNotificationConfigStore(store)

    async def write(n: int) -> None:
        config = TaskPushNotificationConfig(id=f"{n}", url="https://x")
        await configs.set_info("t", config, ServerCallContext())

    async def found() -> set[int]:
        return {int(config.id) for config in await configs.get_info("t", ServerCallContext())}

    return Used(write, found)


class Adapter(NamedTuple):
    """How to build an adapter, and the module of its framework."""

    build: Callable[[RedisStore], Used]
    framework: str = "redis_store"

    @property
    def is_installed(self) -> bool:
        """Whether its framework is."""
        try:
            return find_spec(self.framework) is not None
        except ModuleNotFoundError:  # of the package that it would be in
            return False


ADAPTERS = {
    "memory": Adapter(_memory),
    "langgraph saver": Adapter(_langgraph_saver, "langgraph.checkpoint"),
    "langgraph store": Adapter(_langgraph_store, "langgraph.store"),
    "openai agents": Adapter(_openai_agents),
    "google adk": Adapter(_google_adk, "google.adk"),
    "claude agent sdk": Adapter(_claude_agent_sdk, "claude_agent_sdk"),
    "pydantic ai": Adapter(_pydantic_ai, "pydantic_ai.conversation_store"),
    "agent framework history": Adapter(_agent_framework_history, "agent_framework"),
    "agent framework checkpoints": Adapter(_agent_framework_checkpoints, "agent_framework"),
    "strands": Adapter(_strands, "strands"),
    "mcp events": Adapter(_mcp_events, "mcp"),
    "mcp key value": Adapter(_mcp_key_value, "key_value"),
    "a2a tasks": Adapter(_a2a_tasks, "a2a"),
    "a2a push configs": Adapter(_a2a_push_configs, "a2a"),
}
