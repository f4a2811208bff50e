"""Real graphs do on Redis what they do in LangGraph's memory."""

import operator
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypedDict

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from langchain_core.messages import HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel  # pyright: ignore[reportMissingTypeStubs]
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.types import Command, Send, interrupt

from redis_store import RedisStore
from redis_store.integrations.langgraph import RedisSaver
from tests.integrations.langgraph.states import TEXT, chat, config, messages
from tests.support.schedules.waiting import until

Saver = BaseCheckpointSaver[str]
Durability = Literal["sync", "async", "exit"]


class Words(TypedDict):
    words: Annotated[list[str], operator.add]


def _say(word: str) -> Any:
    def say(_: Words) -> dict[str, list[str]]:
        return {"words": [word]}

    return say


def _asking() -> Any:
    """Two questions in one node, between two plain ones."""

    def ask(_: Words) -> dict[str, list[str]]:
        first = interrupt("first?")
        return {"words": [first, interrupt("second?")]}

    graph: Any = StateGraph(Words)
    graph.add_node("before", _say("before"))
    graph.add_node("ask", ask)
    graph.add_node("after", _say("after"))
    for edge in ((START, "before"), ("before", "ask"), ("ask", "after"), ("after", END)):
        graph.add_edge(*edge)
    return graph


def _parallel() -> Any:
    """A branch for each of many sends, beside two static ones, which meet again."""

    def send(_: Words) -> list[Send]:
        return [Send("sent", {"words": []})] * 5

    graph: Any = StateGraph(Words)
    graph.add_node("start", _say("start"))
    for name in ("left", "right", "sent", "end"):
        graph.add_node(name, _say(name))
    graph.add_edge(START, "start")
    graph.add_edge("start", "left")
    graph.add_edge("start", "right")
    graph.add_conditional_edges("start", send)
    graph.add_edge(["left", "right"], "end")
    graph.add_edge("end", END)
    return graph


def _nested(saver: Saver | None) -> Any:
    """A subgraph that asks, within a graph."""
    outer: Any = StateGraph(Words)
    outer.add_node("inner", _asking().compile())
    outer.add_node("last", _say("last"))
    outer.add_edge(START, "inner")
    outer.add_edge("inner", "last")
    outer.add_edge("last", END)
    return outer.compile(checkpointer=saver)


async def _answer(graph: Any, durability: Durability = "async") -> list[Any]:
    """Run a graph that asks twice, and return all that a user sees of it."""

    async def run(asked: Any) -> dict[str, Any]:
        return _plain(await graph.ainvoke(asked, config(), durability=durability))

    seen: list[Any] = [await run({"words": ["hi"]})]
    for answer in ("one", "two"):
        state = await graph.aget_state(config(), subgraphs=True)
        seen += [state.next, [each.value for each in state.interrupts]]
        seen.append(await run(Command(resume=answer)))
    return seen


def _plain(result: dict[str, Any]) -> dict[str, Any]:
    """Leave out the ids of interrupts, which differ from run to run."""
    asked = result.get("__interrupt__", ())
    return {**result, "__interrupt__": [each.value for each in asked]}


async def _history(graph: Any, where: RunnableConfig | None = None) -> list[Any]:
    found = graph.aget_state_history(where or config())
    return [(each.values, each.next, each.metadata["step"]) async for each in found]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_an_interrupted_graph_resumes(durability: Durability, saver: RedisSaver) -> None:
    ours = _asking().compile(checkpointer=saver)
    memory = _asking().compile(checkpointer=InMemorySaver())
    assert await _answer(ours, durability) == await _answer(memory, durability)
    assert await _history(ours) == await _history(memory)


async def test_a_subgraph_resumes(saver: RedisSaver) -> None:
    assert await _answer(_nested(saver)) == await _answer(_nested(InMemorySaver()))


async def test_another_process_resumes(store: RedisStore, saver: RedisSaver) -> None:
    """Each call by a saver that has seen nothing yet."""

    def fresh() -> Any:
        return _asking().compile(checkpointer=RedisSaver(store))

    del saver
    await fresh().ainvoke({"words": ["hi"]}, config())
    await fresh().ainvoke(Command(resume="one"), config())
    done = await fresh().ainvoke(Command(resume="two"), config())
    assert done["words"] == ["hi", "before", "one", "two", "after"]


async def test_parallel_branches_keep_their_order(saver: RedisSaver) -> None:
    results = [
        await _parallel().compile(checkpointer=each).ainvoke({"words": []}, config())
        for each in (saver, InMemorySaver())
    ]
    assert results[0] == results[1]


async def test_a_branch_that_fails_keeps_the_writes_of_the_others(saver: RedisSaver) -> None:
    """The next run repeats only what failed."""

    async def run(checkpointer: Saver) -> tuple[dict[str, Any], list[str]]:
        calls: list[str] = []

        async def fails(_: Words) -> dict[str, list[str]]:
            calls.append("fails")
            if calls.count("fails") == 1:
                await until(works_is_stored, "the write of the other branch")
                raise RuntimeError("fails")
            return {"words": ["fails"]}

        async def works(_: Words) -> dict[str, list[str]]:
            calls.append("works")
            return {"words": ["works"]}

        async def works_is_stored() -> bool:
            found = await checkpointer.aget_tuple(config())
            return found is not None and bool(found.pending_writes)

        graph: Any = StateGraph(Words)
        for node in (fails, works):
            graph.add_node(node)
            graph.add_edge(START, node.__name__)
        compiled = graph.compile(checkpointer=checkpointer)
        with pytest.raises(RuntimeError, match="fails"):
            await compiled.ainvoke({"words": []}, config(), durability="sync")
        return await compiled.ainvoke(None, config()), sorted(calls)

    assert await run(saver) == await run(InMemorySaver())


async def test_time_travel_forks_a_thread(saver: RedisSaver) -> None:
    async def travel(checkpointer: Saver) -> list[Any]:
        graph = chat("model", "tool").compile(checkpointer=checkpointer)
        for turn in range(3):
            said = HumanMessage(f"{turn} {TEXT}", id=f"h{turn}")
            await graph.ainvoke({"messages": [said]}, config())
        past = [each async for each in graph.aget_state_history(config())][4]
        edited = await graph.aupdate_state(
            past.config, {"messages": [HumanMessage("instead", id="h1")]}, as_node="model"
        )
        result = await graph.ainvoke(None, edited)
        await graph.ainvoke({"messages": [RemoveMessage("h0")]}, config())
        texts = [[m.content for m in result["messages"]]]
        return texts + [
            ([m.content for m in state.values["messages"]], state.next)
            async for state in graph.aget_state_history(config())
        ]

    assert await travel(saver) == await travel(InMemorySaver())


async def test_a_delta_channel_is_put_together(store: RedisStore, saver: RedisSaver) -> None:
    """From snapshots and writes, by any process, before and after pruning."""

    def extend(known: list[str], new: Sequence[list[str]]) -> list[str]:
        return [*known, *(word for words in new for word in words)]

    class State(TypedDict):
        words: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=3)]

    def say_more(_: State) -> dict[str, list[str]]:
        return {"words": ["more"]}

    def compiled(checkpointer: Saver) -> Any:
        graph: Any = StateGraph(State)
        for name in ("a", "b"):
            graph.add_node(name, say_more)
        graph.add_edge(START, "a")
        graph.add_edge("a", "b")
        return graph.compile(checkpointer=checkpointer)

    memory = InMemorySaver()
    for turn in range(5):
        asked = {"words": [f"turn {turn}"]}
        ours = await compiled(RedisSaver(store)).ainvoke(asked, config())
        assert ours == await compiled(memory).ainvoke(asked, config())
    assert await _history(compiled(saver)) == await _history(compiled(memory))
    await saver.aprune(["t"])
    state = await compiled(saver).aget_state(config())
    assert state.values == (await compiled(memory).aget_state(config())).values


async def test_an_encrypted_state_is_stored_whole_and_unreadable(
    store: RedisStore, saver: RedisSaver
) -> None:
    serde = EncryptedSerializer.from_pycryptodome_aes(key=b"k" * 16)
    del saver
    secret = RedisSaver(store, serde=serde)
    graph = chat("model").compile(checkpointer=secret)
    for turn in range(3):
        said = HumanMessage(f"{turn} {TEXT}", id=f"h{turn}")
        await graph.ainvoke({"messages": [said]}, config())
    cold = chat("model").compile(checkpointer=RedisSaver(store, serde=serde))
    for each in (graph, cold):
        state = await each.aget_state(config())
        assert [m.content[:5] for m in state.values["messages"]] == [
            text[:5] for turn in range(3) for text in (f"{turn} {TEXT}", TEXT)
        ]
    with pytest.raises(NotImplementedError, match=r"msgpack\+aes"):
        await RedisSaver(store).aget_tuple(config())
    await secret.adelete_thread("t")


async def test_invoke_and_ainvoke_share_a_saver(saver: RedisSaver) -> None:
    graph = chat("model").compile(checkpointer=saver)
    graph.invoke({"messages": messages(2)}, config())
    assert len(graph.get_state(config()).values["messages"]) == 3
    assert len(list(graph.get_state_history(config()))) == 3


async def test_a_long_state_of_other_values_is_put_together(saver: RedisSaver) -> None:
    """Sets, dicts, dates and messages in one state, edited at any place."""

    class State(TypedDict):
        files: dict[str, str]
        seen: set[str]
        count: int

    def edit(state: State) -> dict[str, Any]:
        count = state["count"] + 1
        files = {**state["files"], f"f{count}": TEXT, "f1": str(count)}
        return {"files": files, "seen": state["seen"] | {str(count)}, "count": count}

    def following(state: State) -> str:
        return END if state["count"] > 15 else "edit"

    results: list[Any] = []
    for each in (saver, InMemorySaver()):
        graph: Any = StateGraph(State)
        graph.add_node("edit", edit)
        graph.add_edge(START, "edit")
        graph.add_conditional_edges("edit", following)
        compiled = graph.compile(checkpointer=each)
        await compiled.ainvoke({"files": {}, "seen": set(), "count": 0}, config())
        results.append(await _history(compiled))
    assert results[0] == results[1]
