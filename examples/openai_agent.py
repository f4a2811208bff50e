"""An agent of the OpenAI Agents SDK that remembers across runs. Its model is scripted: no network.

pip install 'redis-store[embedded,openai-agents]'
python examples/openai_agent.py ./memory "My name is Ana"
python examples/openai_agent.py ./memory "What is my name?"
"""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage
from agents.items import TResponseInputItem, TResponseStreamEvent
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from redis_store import RedisStore
from redis_store.integrations.openai_agents import RedisSession

USER = "user-1"
SESSION = "chat"


class ScriptedModel(Model):
    """Stands in for a language model: it answers from the conversation that it is given."""

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - what a model is given
        input: str | list[TResponseInputItem],  # noqa: A002 - what a model is given
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        items = [input] if isinstance(input, str) else [dict(item) for item in input]
        text = ResponseOutputText(type="output_text", text=answer(items), annotations=[])
        message = ResponseOutputMessage(
            id="m", type="message", role="assistant", content=[text], status="completed"
        )
        return ModelResponse([message], Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:
        raise NotImplementedError


def answer(items: list[Any]) -> str:
    said = [str(item["content"]) for item in items if item.get("role") == "user"]
    names = re.findall(r"my name is (\w+)", "\n".join(said), re.IGNORECASE)
    if "what is my name" in said[-1].lower():
        return f"You are {names[-1]}." if names else "You have not told me."
    return f"I remember {len(said)} of your messages."


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    agent = Agent[None](name="agent", model=ScriptedModel())
    config = RunConfig(tracing_disabled=True)  # traces would be sent to OpenAI
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        session = RedisSession(SESSION, store, user=USER)
        for said in arguments.said:
            result = await Runner.run(agent, said, session=session, run_config=config)
            print(f"you:   {said}")
            print(f"agent: {result.final_output}")
        (chat,) = await store.memory.list_threads(resource_id=USER)
        messages = await store.memory.list_messages(chat.id)
        print(f"{chat.id} of {chat.resource_id} has {messages.total} messages")


if __name__ == "__main__":
    asyncio.run(main())
