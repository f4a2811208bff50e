"""An agent of Google's ADK that remembers across runs. Its model is scripted: no network.

pip install 'redis-store[embedded,google-adk]'
python examples/google_adk_agent.py ./memory "My name is Ana"
python examples/google_adk_agent.py ./memory "What is my name?"
"""

import argparse
import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.tools.tool_context import ToolContext
from google.genai import types

from redis_store import RedisStore
from redis_store.integrations.google_adk import RedisSessionService

APP, USER, SESSION = "chat", "user-1", "session-1"


class ScriptedModel(BaseLlm):
    """Stands in for a language model: it notes names, and answers from what it is given."""

    async def generate_content_async(
        self,
        llm_request: LlmRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - what a model is given
    ) -> AsyncGenerator[LlmResponse, None]:
        yield LlmResponse(
            content=types.Content(role="model", parts=[answer(llm_request)]),
            usage_metadata=types.GenerateContentResponseUsageMetadata(prompt_token_count=0),
        )


def answer(request: LlmRequest) -> types.Part:
    parts = [part for content in request.contents for part in content.parts or []]
    said = [part.text for part in parts if part.text and not part.thought]
    name = re.search(r"my name is (\w+)", said[-1], re.IGNORECASE)
    if name and not parts[-1].function_response:
        return types.Part.from_function_call(name="note_name", args={"name": name[1]})
    if "what is my name" in said[-1].lower():
        known = re.search(r"called (\w+)", request.config.model_dump_json())
        return types.Part(text=f"You are {known[1]}." if known else "You have not told me.")
    return types.Part(text=f"The conversation has {len(request.contents)} parts.")


def note_name(name: str, tool_context: ToolContext) -> dict[str, str]:
    """Note the user's name, for all of his sessions."""
    tool_context.state["user:name"] = name
    return {"noted": name}


async def turn(runner: Runner, said: str) -> str:
    content = types.Content(role="user", parts=[types.Part(text=said)])
    answer = ""
    async for event in runner.run_async(user_id=USER, session_id=SESSION, new_message=content):
        parts = event.content.parts if event.content else None
        answer = "".join(part.text or "" for part in parts or [])
    return answer


async def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to an agent that remembers.")
    parser.add_argument("directory", type=Path, help="where the memory is kept")
    parser.add_argument("said", nargs="+", help="what you say, one turn each")
    arguments = parser.parse_args()
    agent = LlmAgent(
        name="agent",
        model=ScriptedModel(model="scripted"),
        instruction="The user is called {user:name?}.",
        tools=[note_name],
    )
    async with RedisStore(f"embedded://{arguments.directory.resolve()}") as store:
        service = RedisSessionService(store)
        runner = Runner(app_name=APP, agent=agent, session_service=service)
        if not await service.get_session(app_name=APP, user_id=USER, session_id=SESSION):
            await service.create_session(app_name=APP, user_id=USER, session_id=SESSION)
        for said in arguments.said:
            print(f"you:   {said}")
            print(f"agent: {await turn(runner, said)}")
        known = await service.get_user_state(app_name=APP, user_id=USER)
        print(f"known of {USER}: {known}")


if __name__ == "__main__":
    asyncio.run(main())
