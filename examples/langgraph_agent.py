"""A LangGraph agent that forgets nothing. The model is scripted: no network is needed.

It asks before it orders, and may be answered by another process; what it learns of its user, it
knows in every thread. Needs redis-store[embedded,langgraph] and langgraph.

python examples/langgraph_agent.py ./memory monday "My name is Ana. Order tea!"
python examples/langgraph_agent.py ./memory monday yes
python examples/langgraph_agent.py ./memory tuesday "Who am I?"
"""

import argparse
import asyncio
import re
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import (  # pyright: ignore[reportMissingTypeStubs]
    END,
    START,
    MessagesState,
    StateGraph,
)
from langgraph.store.base import BaseStore
from langgraph.types import Command, interrupt

from redis_store import RedisStore
from redis_store.integrations.langgraph import RedisBaseStore, RedisSaver

USER = ("users", "1")


async def learn(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
    """Remember the user's name, for every thread."""
    if name := re.search(r"my name is (\w+)", said(state), re.IGNORECASE):
        await store.aput(USER, "name", {"text": name[1]})
    return {}


async def reply(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
    """Stand in for a language model that can order things, if it may."""
    known = await store.aget(USER, "name")
    name = known.value["text"] if known else "stranger"
    if order := re.search(r"order (\w+)", said(state), re.IGNORECASE):
        answer = interrupt(f"Shall I order {order[1]}, {name}?")
        return {"messages": [AIMessage("Ordered." if answer == "yes" else "Not ordered.")]}
    return {"messages": [AIMessage(f"You are {name}. You said {len(state['messages'])} things.")]}


def said(state: MessagesState) -> str:
    return str(state["messages"][-1].content)


def build(store: RedisStore) -> Any:
    graph: Any = StateGraph(MessagesState)
    graph.add_node("learn", learn)
    graph.add_node("reply", reply)
    graph.add_edge(START, "learn")
    graph.add_edge("learn", "reply")
    graph.add_edge("reply", END)
    return graph.compile(checkpointer=RedisSaver(store), store=RedisBaseStore(store))


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to a graph that remembers.")
    parser.add_argument("directory", type=Path, help="where its memory is kept")
    parser.add_argument("thread", help="the conversation")
    parser.add_argument("said", help="what you say, or the answer to what it asks")
    arguments = parser.parse_args()
    config = {"configurable": {"thread_id": arguments.thread}}
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        agent = build(store)
        given: Any = {"messages": [HumanMessage(arguments.said)]}
        if (await agent.aget_state(config)).interrupts:
            given = Command(resume=arguments.said)
        result = await agent.ainvoke(given, config)
        if questions := result.get("__interrupt__"):
            print(f"agent asks: {questions[0].value}")
        else:
            print(f"agent: {result['messages'][-1].content}")


if __name__ == "__main__":
    asyncio.run(main())
