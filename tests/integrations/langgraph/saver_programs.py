"""Programs of a saver: few threads, namespaces and channels, so that forks and edits meet."""

from collections.abc import Sequence
from random import Random
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    CheckpointTuple,
    empty_checkpoint,
)
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.memory import InMemorySaver

from redis_store.integrations.langgraph import RedisSaver

CHANNELS = ("messages", "window", "files", "scalar", "gone")
WRITTEN = ("messages", "scalar", "__error__", "__interrupt__", "__resume__", "__pregel_tasks")
NAMESPACES = ("", "", "sub:1", "sub:1|deep:2")
FILTERS: list[dict[str, Any] | None] = [
    None,
    {"source": "loop"},
    {"run_id": "p", "source": "input"},
    {"nope": 1},
]


def config(thread: str, namespace: str, id_: str | None = None) -> RunnableConfig:
    at = {"checkpoint_id": id_} if id_ else {}
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, **at}}


def facts(found: CheckpointTuple | None) -> tuple[Any, ...] | None:
    """What two savers must agree on."""
    if found is None:
        return None
    parent = (found.parent_config or {}).get("configurable")
    here = found.config.get("configurable")
    return here, found.checkpoint, found.metadata, parent, found.pending_writes


class Program:
    """Does the same to a model and, each time by one of them, to savers that share their data."""

    def __init__(self, seed: int, savers: Sequence[RedisSaver]) -> None:
        self._random = Random(seed)  # noqa: S311 - a program that can be repeated
        self._model = InMemorySaver()
        self._savers = savers
        self._heads: dict[tuple[str, str], list[str]] = {}
        self._step = 0

    async def run(self, steps: int) -> None:
        """Do so many steps, then compare all that is left, in copies too, and pruned."""
        for self._step in range(steps):
            saver = self._random.choice(self._savers)
            thread, namespace = self._random.choice("ab"), self._random.choice(NAMESPACES)
            step = self._random.choices(
                [self._put, self._put_writes, self._get, self._list, self._history, self._delete],
                [50, 15, 12, 12, 7, 4],
            )[0]
            await step(saver, thread, namespace)
        for (thread, namespace), ids in self._heads.items():
            if ids:
                await self._compare_copy(thread, namespace)

    async def _put(self, saver: RedisSaver, thread: str, namespace: str) -> None:
        parent = self._known_id(thread, namespace, newest=4)
        where = config(thread, namespace, parent)
        before = self._model.get_tuple(where) if parent else None
        if before is None:
            where = config(thread, namespace)
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6())
        if before is not None:
            checkpoint["channel_values"] = dict(before.checkpoint["channel_values"])
            checkpoint["channel_versions"] = dict(before.checkpoint["channel_versions"])
        versions = checkpoint["channel_versions"]
        new: ChannelVersions = {}
        for channel in self._random.sample(CHANNELS, self._random.randint(0, 3)):
            current: Any = versions.get(channel)
            new[channel] = versions[channel] = saver.get_next_version(current, None)
            self._change(channel, checkpoint["channel_values"])
        metadata: Any = {
            "source": self._random.choice(["loop", "input"]),
            "step": self._step,
            "parents": {},
            "run_id": self._random.choice("pq"),
        }
        expected = self._model.put(where, checkpoint, metadata, new)
        assert await saver.aput(where, checkpoint, metadata, new) == expected
        self._heads.setdefault((thread, namespace), []).append(checkpoint["id"])

    def _change(self, channel: str, values: dict[str, Any]) -> None:
        now: Any = values.get(channel)
        if channel == "messages":
            values[channel] = self._changed(list(now or ()))
        elif channel == "window":
            values[channel] = [*(now or ()), *self._messages(self._random.randint(1, 4))][-12:]
        elif channel == "files":
            name, text = str(self._random.random()), "y" * self._random.randint(0, 900)
            values[channel] = {**(now or {}), name: text}
        elif channel == "scalar":
            values[channel] = self._random.choice([1, None, "s", b"\0\xff", 2.5, "é" * 400])
        else:
            values.pop(channel, None)

    def _changed(self, messages: list[AnyMessage]) -> list[AnyMessage]:
        kind = self._random.random()
        if kind < 0.7:
            return [*messages, *self._messages(self._random.randint(1, 20))]
        if kind < 0.85:
            return messages[-3:]
        if messages:
            edited = AIMessage("edited" * 50, id="e")
            messages[self._random.randrange(len(messages))] = edited
        return messages

    def _messages(self, count: int) -> list[AnyMessage]:
        kinds = [HumanMessage, AIMessage]
        return [
            self._random.choice(kinds)(
                f"{self._random.random()}" * self._random.randint(1, 60),
                id=str(self._random.random()),
            )
            for _ in range(count)
        ]

    async def _put_writes(self, saver: RedisSaver, thread: str, namespace: str) -> None:
        id_ = self._known_id(thread, namespace, newest=3)
        if id_ is None:
            return
        writes = [
            (self._random.choice(WRITTEN), self._random.random())
            for _ in range(self._random.randint(1, 3))
        ]
        task, path = self._random.choice("uv"), self._random.choice(["", "~1", "~2"])
        self._model.put_writes(config(thread, namespace, id_), writes, task, path)
        await saver.aput_writes(config(thread, namespace, id_), writes, task, path)

    async def _get(self, saver: RedisSaver, thread: str, namespace: str) -> None:
        id_ = self._known_id(thread, namespace) if self._random.random() < 0.5 else None
        where = config(thread, namespace, id_)
        assert facts(await saver.aget_tuple(where)) == facts(self._model.get_tuple(where))

    async def _list(self, saver: RedisSaver, thread: str, namespace: str) -> None:
        before = self._known_id(thread, namespace) if self._random.random() < 0.4 else None
        await _compare_lists(
            saver,
            self._model,
            config(thread, namespace),
            filter=self._random.choice(FILTERS),
            limit=self._random.choice([None, 0, 1, 3]),
            before={"configurable": {"checkpoint_id": before}} if before else None,
        )

    async def _history(self, saver: RedisSaver, thread: str, namespace: str) -> None:
        where = config(thread, namespace, self._known_id(thread, namespace))
        channels = self._random.sample([*CHANNELS, "none"], self._random.randint(0, 4))
        expected = self._model.get_delta_channel_history(config=where, channels=channels)
        found = await saver.aget_delta_channel_history(config=where, channels=channels)
        assert found == expected

    async def _delete(self, saver: RedisSaver, thread: str, namespace: str) -> None:
        if namespace:
            return
        self._model.delete_thread(thread)
        await saver.adelete_thread(thread)
        self._heads = {key: ids for key, ids in self._heads.items() if key[0] != thread}

    async def _compare_copy(self, thread: str, namespace: str) -> None:
        first, second, *_ = self._savers
        await first.acopy_thread(thread, "copy")
        expected = [facts(each) for each in self._model.list(config(thread, namespace))]
        expected = [each and each[1:3] for each in expected]
        copied = await _listed(second, config("copy", namespace))
        assert [each and each[1:3] for each in copied] == expected
        await second.aprune(["copy"])
        left = await _listed(first, config("copy", namespace))
        assert [each and each[1:3] for each in left] == expected[:1]

    def _known_id(self, thread: str, namespace: str, newest: int = 0) -> str | None:
        ids = self._heads.get((thread, namespace), [])[-newest:]
        return self._random.choice(ids) if ids and self._random.random() < 0.9 else None


async def _listed(
    saver: RedisSaver, where: RunnableConfig, **options: Any
) -> list[tuple[Any, ...] | None]:
    return [facts(each) async for each in saver.alist(where, **options)]


async def _compare_lists(
    saver: RedisSaver, model: BaseCheckpointSaver[str], where: RunnableConfig, **options: Any
) -> None:
    expected = [facts(each) for each in model.list(where, **options)]
    assert await _listed(saver, where, **options) == expected
