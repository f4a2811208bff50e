"""An agent of Pydantic AI that remembers across runs. Its model is scripted: no network.

pip install 'redis-store[embedded,pydantic-ai]'
python examples/pydantic_ai_agent.py ./memory "My name is Ana"
python examples/pydantic_ai_agent.py ./memory "What is my name?"
"""

import argparse
import asyncio
import re
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from redis_store import RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore

USER, CONVERSATION = "user-1", "chat-1"


def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Stands in for a language model: it answers from what it is given."""
    parts = [part for each in messages for part in each.parts if isinstance(part, UserPromptPart)]
    said = [str(part.content) for part in parts]
    names = [
        name[1] for text in said if (name := re.search(r"my name is (\w+)", text, re.IGNORECASE))
    ]
    reply = f"You have said {len(said)} things."
    if "what is my name" in said[-1].lower():
        reply = f"You are {names[-1]}." if names else "You have not told me."
    return ModelResponse(parts=[TextPart(content=reply)])


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    agent = Agent(FunctionModel(answer))
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        conversations = RedisConversationStore(store)
        conversation = await conversations.load(CONVERSATION, limit=20, scope=USER)
        conversation = conversation or Conversation(conversation_id=CONVERSATION)
        for said in arguments.said:
            result = await agent.run(said, conversation=conversation)
            await conversations.save(result, scope=USER)
            conversation = result.conversation
            print(f"you:   {said}")
            print(f"agent: {result.output}")
        for record in await conversations.list_conversations(scope=USER):
            print(f"{record.conversation_id} of {USER}: {record.usage.requests} requests")


if __name__ == "__main__":
    asyncio.run(main())
