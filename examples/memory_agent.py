"""An agent on a model's SDK that remembers its user. The model is scripted: no network is needed.

python examples/memory_agent.py ./memory monday "My name is Ana"
python examples/memory_agent.py ./memory tuesday "What is my name?"
"""

import argparse
import asyncio
import json
import re
from pathlib import Path
from typing import Any

from redis_store import Memory, RedisStore, Turn


async def scripted_model(
    messages: list[dict[str, Any]], system: str, tools: list[dict[str, Any]]
) -> dict[str, Any]:
    """Stand in for a language model; its messages are those of OpenAI's chat completions."""
    last = messages[-1]
    if last["role"] == "tool":
        return {"role": "assistant", "content": "Nice to meet you!"}
    if said := re.search(r"my name is (\w+)", last["content"], re.IGNORECASE):
        arguments = json.dumps({"memory": f"- Name: {said[1]}"})
        call = {"name": tools[0]["function"]["name"], "arguments": arguments}
        calls = [{"id": f"call-{len(messages)}", "type": "function", "function": call}]
        return {"role": "assistant", "content": None, "tool_calls": calls}
    known = re.search(r"- Name: (\w+)", system)
    answer = f"You are {known[1]}." if known else "You have not told me."
    return {"role": "assistant", "content": answer}


async def answer(memory: Memory, turn: Turn, question: str) -> str:
    """Ask the model, and call the tools that it wants, until it answers."""
    turn.user(question)
    tools = [{"type": "function", "function": memory.tool}]
    while True:
        reply = await scripted_model(turn.messages, turn.instructions, tools)
        turn.add(reply)
        for call in reply.get("tool_calls", []):
            result = turn.update_working_memory(**json.loads(call["function"]["arguments"]))
            turn.add({"role": "tool", "tool_call_id": call["id"], "content": result})
        if reply["content"]:
            return str(reply["content"])


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("thread", help="the conversation")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        memory = Memory(store, last_messages=10, working_memory=True)
        for said in arguments.said:
            async with memory.turn(thread=arguments.thread, resource="ana") as turn:
                print(f"you:   {said}")
                print(f"agent: {await answer(memory, turn, said)}")
        messages = await store.memory.list_messages(arguments.thread)
        print(f"{arguments.thread} has {messages.total} messages")


if __name__ == "__main__":
    asyncio.run(main())
