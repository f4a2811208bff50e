"""A small agent loop that remembers across runs. The model is scripted: no network is needed.

python examples/chat_agent.py ./memory "My name is Ana"
python examples/chat_agent.py ./memory "What is my name?"
"""

import argparse
import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from redis_store import Message, RedisStore, Thread

USER = "user-1"
THREAD = "chat"


def scripted_model(history: Sequence[Message], memory: str | None) -> str:
    """Stand in for a language model: answer from the last message and the working memory."""
    said = history[-1].text
    if re.search(r"my name is (\w+)", said, re.IGNORECASE):
        return "Nice to meet you!"
    if "name" in said.lower():
        name = re.search(r"^name: (\w+)$", memory or "", re.MULTILINE)
        return f"You are {name[1]}." if name else "You have not told me."
    turns = sum(message.role == "user" for message in history)
    return f"I remember {turns} of your messages."


def learn(memory: str | None, said: str) -> str:
    """Write down what the user tells of himself."""
    name = re.search(r"my name is (\w+)", said, re.IGNORECASE)
    return f"name: {name[1]}" if name else memory or ""


async def turn(store: RedisStore, said: str) -> str:
    """Take one turn: remember the question, read the context, answer, remember the answer."""
    memory = store.memory
    if await memory.get_thread_by_id(THREAD) is None:
        await memory.save_thread(Thread(id=THREAD, resource_id=USER))
    question = Message.from_text("user", said, thread_id=THREAD, resource_id=USER)
    await memory.save_messages([question])
    resource = await memory.merge_working_memory(USER, lambda known: learn(known, said))
    newest = await memory.list_messages(THREAD, per_page=10, direction="desc")
    answer = scripted_model(newest.items[::-1], resource.working_memory)
    reply = Message.from_text("assistant", answer, thread_id=THREAD, resource_id=USER)
    await memory.save_messages([reply])
    return answer


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        for said in arguments.said:
            print(f"you:   {said}")
            print(f"agent: {await turn(store, said)}")


if __name__ == "__main__":
    asyncio.run(main())
