"""Sessions under the SDK's own runner: in any way to run it, from any loop, by many at once."""

import asyncio
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.items import TResponseInputItem, TResponseOutputItem
from agents.memory import SessionSettings

from redis_store import RedisStore
from redis_store.integrations.openai_agents import RedisSession
from redis_store.json_values import is_array
from tests.integrations.openai_agents.scripted_model import ScriptedModel, calls, says, thinks
from tests.support.deployments.place import Place

# It would send traces over the network.
CONFIG = RunConfig(tracing_disabled=True)


def _texts(items: list[TResponseInputItem]) -> list[str]:
    return [_text(dict(item)) for item in items]


def _text(item: dict[str, Any]) -> str:
    content = item.get("content")
    if is_array(content):
        return str(content[0]["text"])
    return str(content or item.get("output") or item.get("name") or item["type"])


def _counts(items: list[TResponseInputItem]) -> list[TResponseOutputItem]:
    return [says(f"{len(items)} so far")]


def _agent() -> tuple[Agent[None], ScriptedModel]:
    model = ScriptedModel(_counts)
    return Agent[None](name="agent", model=model), model


async def test_a_run_goes_on_where_the_last_one_ended(store: RedisStore) -> None:
    agent, model = _agent()
    for said, expected in ("one", "1 so far"), ("two", "3 so far"):
        session = RedisSession("t", store, user="ana")
        done = await Runner.run(agent, said, session=session, run_config=CONFIG)
        assert done.final_output == expected
    assert _texts(model.seen[1]) == ["one", "1 so far", "two"]
    items = await RedisSession("t", store).get_items()
    assert _texts(items) == ["one", "1 so far", "two", "3 so far"]
    assert [m.text for m in await store.memory.list_messages("t")] == _texts(items)


async def test_a_streamed_run_is_remembered(store: RedisStore) -> None:
    agent, _ = _agent()
    session = RedisSession("t", store)
    for said in "one", "two":
        streamed = Runner.run_streamed(agent, said, session=session, run_config=CONFIG)
        assert [event async for event in streamed.stream_events()]
    assert _texts(await session.get_items()) == ["one", "1 so far", "two", "3 so far"]


async def test_a_run_in_another_loop_is_remembered(store: RedisStore, place: Place) -> None:
    """``run_sync`` uses a loop of its own, in whichever thread."""
    agent, _ = _agent()

    def run_twice(opened: RedisStore) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            session = RedisSession("t", opened)
            for said in "two", "three":
                Runner.run_sync(agent, said, session=session, run_config=CONFIG)
            loop.run_until_complete(opened.close())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    session = RedisSession("t", store)
    await Runner.run(agent, "one", session=session, run_config=CONFIG)
    await asyncio.to_thread(run_twice, place.store())
    assert _texts(await session.get_items())[::2] == ["one", "two", "three"]


async def test_tool_calls_and_thoughts_keep_their_order(store: RedisStore) -> None:
    """A model refuses a thought that is not followed by what it led to."""

    def script(items: list[TResponseInputItem]) -> list[TResponseOutputItem]:
        if dict(items[-1]).get("type") == "function_call_output":
            return [thinks("so it is"), says("rainy")]
        return [thinks("look it up"), calls("weather", '{"city":"Lisbon"}', f"c{len(items)}")]

    @function_tool
    def weather(city: str) -> str:
        return f"rain in {city}"

    agent = Agent[None](name="agent", model=ScriptedModel(script), tools=[weather])
    session = RedisSession("t", store)
    for _ in range(2):
        await Runner.run(agent, "weather?", session=session, run_config=CONFIG)
    turn = ["weather?", "reasoning", "weather", "rain in Lisbon", "reasoning", "rainy"]
    assert _texts(await session.get_items()) == [*turn, *turn]
    roles = [message.role for message in await store.memory.list_messages("t", per_page=6)]
    assert roles == ["user", "assistant", "assistant", "tool", "assistant", "assistant"]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_limit_is_what_the_model_gets(store: RedisStore, *, streams: bool) -> None:
    agent, model = _agent()
    session = RedisSession("t", store, session_settings=SessionSettings(limit=3))
    for said in "one", "two", "three":
        if streams:
            streamed = Runner.run_streamed(agent, said, session=session, run_config=CONFIG)
            _ = [event async for event in streamed.stream_events()]
        else:
            await Runner.run(agent, said, session=session, run_config=CONFIG)
    assert _texts(model.seen[-1]) == ["1 so far", "two", "3 so far", "three"]
    assert len(await session.get_items(10)) == 6


async def test_many_sessions_run_at_once(store: RedisStore) -> None:
    agent, _ = _agent()

    async def talk(n: int) -> None:
        session = RedisSession(f"t{n}", store, user=f"u{n % 3}")
        for _ in range(3):
            await Runner.run(agent, f"I am {n}", session=session, run_config=CONFIG)

    await asyncio.gather(*(talk(n) for n in range(12)))
    for n in range(12):
        items = await RedisSession(f"t{n}", store).get_items()
        assert _texts(items)[::2] == [f"I am {n}"] * 3
    assert (await store.memory.list_threads(resource_id="u1")).total == 4
