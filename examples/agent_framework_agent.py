"""An agent of Microsoft's Agent Framework that remembers across runs. Its model is scripted.

pip install 'redis-store[embedded,agent-framework]'
python examples/agent_framework_agent.py ./memory "My name is Ana"
python examples/agent_framework_agent.py ./memory "What is my name?"
"""

import argparse
import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent_framework import Agent, BaseChatClient, ChatResponse, FunctionInvocationLayer, Message

from redis_store import RedisStore
from redis_store.integrations.agent_framework import RedisHistoryProvider

USER, SESSION = "user-1", "session-1"


class ScriptedClient(FunctionInvocationLayer, BaseChatClient):
    """Stands in for a language model: it answers from what it is given."""

    async def _inner_get_response(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, messages: Sequence[Message], **_: Any
    ) -> ChatResponse:
        said = [each.text for each in messages if each.role == "user"]
        return ChatResponse(messages=[Message("assistant", [answer(said)])])


def answer(said: list[str]) -> str:
    found = [re.search(r"my name is (\w+)", text, re.IGNORECASE) for text in said]
    names = [name[1] for name in found if name]
    if "what is my name" in said[-1].lower():
        return f"You are {names[-1]}." if names else "You have not told me."
    return f"You have said {len(said)} things."


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        history = RedisHistoryProvider(store, user=USER, load_last=40)
        agent = Agent(ScriptedClient(), context_providers=[history])
        session = agent.create_session(session_id=SESSION)
        for said in arguments.said:
            print(f"you:   {said}")
            print(f"agent: {(await agent.run(said, session=session)).text}")
        print(f"history of {USER}: {len(await history.get_messages(SESSION))} messages")


if __name__ == "__main__":
    asyncio.run(main())
