"""Sessions under ADK's own runner, with a scripted model."""

import asyncio
from collections.abc import AsyncGenerator

from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.tools.tool_context import ToolContext
from google.genai import types

from redis_store import RedisStore
from redis_store.integrations.google_adk import RedisSessionService
from tests.integrations.google_adk.events import Names, created, read
from tests.support.deployments.place import Place


class ScriptedModel(BaseLlm):
    """Calls the tool where there is one and it was not called since; else counts what it sees."""

    async def generate_content_async(
        self,
        llm_request: LlmRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the model's interface
    ) -> AsyncGenerator[LlmResponse, None]:
        last = llm_request.contents[-1].parts or []
        text = types.Part(text=f"{len(llm_request.contents)} so far")
        call = types.Part.from_function_call(name="note", args={"said": last[0].text})
        is_asked = bool(llm_request.tools_dict) and last[0].function_response is None
        yield LlmResponse(content=types.Content(role="model", parts=[call if is_asked else text]))


def note(said: str, tool_context: ToolContext) -> dict[str, str]:
    """Note what was said."""
    state = tool_context.state
    state["said"] = said
    state["user:count"] = state.get("user:count", 0) + 1
    state["temp:secret"] = "x"
    return {"noted": said}


def _runner(store: RedisStore, *, tools: bool = False) -> Runner:
    agent = LlmAgent(
        name="agent", model=ScriptedModel(model="scripted"), tools=[note] if tools else []
    )
    return Runner(app_name="app", agent=agent, session_service=RedisSessionService(store))


async def _say(runner: Runner, text: str, names: Names) -> str:
    said = types.Content(role="user", parts=[types.Part(text=text)])
    replies = [
        event
        async for event in runner.run_async(
            user_id=names.user_id, session_id=names.session_id, new_message=said
        )
    ]
    content = replies[-1].content
    assert content is not None
    assert content.parts is not None
    return str(content.parts[0].text)


async def test_a_run_goes_on_where_the_last_one_ended(opened: RedisStore, place: Place) -> None:
    names = Names()
    await created(RedisSessionService(opened), names)
    assert await _say(_runner(opened), "one", names) == "1 so far"
    async with place.store() as other:
        assert await _say(_runner(other), "two", names) == "3 so far"
    session = await read(RedisSessionService(opened), names)
    assert [event.author for event in session.events] == ["user", "agent", "user", "agent"]


async def test_tools_change_the_states(opened: RedisStore) -> None:
    runner, names = _runner(opened, tools=True), Names()
    await created(RedisSessionService(opened), names)
    for text in "one", "two":
        await _say(runner, text, names)
    session = await read(RedisSessionService(opened), names)
    assert session.state == {"said": "two", "user:count": 2}
    assert len(session.events) == 8


async def test_many_sessions_run_at_once(opened: RedisStore) -> None:
    service, runner = RedisSessionService(opened), _runner(opened)
    every = [Names("app", f"u{n % 3}", str(n)) for n in range(12)]

    async def talk(names: Names) -> str:
        await created(service, names)
        await _say(runner, "one", names)
        return await _say(runner, "two", names)

    assert await asyncio.gather(*map(talk, every)) == ["3 so far"] * 12
    assert len((await service.list_sessions(app_name="app", user_id="u1")).sessions) == 4
