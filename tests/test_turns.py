"""``Memory``: turns of a conversation, for agents that call a model's SDK directly."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from redis_store import (
    BackendError,
    InvalidArgumentError,
    Memory,
    Message,
    RedisStore,
    Thread,
    ThreadNotFoundError,
)
from redis_store.models import now
from redis_store.turns import TEMPLATE
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import Variant, on_each_topology, on_one_server
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.proxies import CountingProxy, metered_store
from tests.support.wire.raw import Raw

ANA = {"thread": "t", "resource": "ana"}


async def say(memory: Memory, text: str, answer: str = "Yes.") -> list[dict[str, Any]]:
    """Take a turn; return what the model was given."""
    async with memory.turn(**ANA) as turn:
        turn.user(text)
        given = list(turn.messages)
        turn.assistant(answer)
    return given


async def texts(store: RedisStore, thread_id: str = "t") -> list[str]:
    return [message.text for message in await store.memory.list_messages(thread_id, per_page=None)]


@on_each_topology
async def test_a_turn_recalls_what_earlier_turns_added(store: RedisStore) -> None:
    memory = Memory(store, last_messages=3)
    assert await say(memory, "1") == [{"role": "user", "content": "1"}]
    await say(memory, "2", "No.")
    assert await say(memory, "3") == [
        {"role": "user", "content": "2"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "3"},
    ]
    async with memory.turn(**ANA) as turn:
        assert [message.text for message in turn.recalled] == ["No.", "3", "Yes."]
        assert turn.thread.resource_id == "ana"
    listed = await store.memory.list_threads(resource_id="ana")
    assert [thread.id for thread in listed] == ["t"]
    assert await texts(store) == ["1", "Yes.", "2", "No.", "3", "Yes."]
    owners = {message.resource_id for message in await store.memory.list_messages("t")}
    assert owners == {"ana"}


@pytest.mark.parametrize(("last", "recalled"), [(0, 0), (1, 1), (None, 6)])
async def test_last_messages_bounds_what_is_recalled(
    store: RedisStore, last: int | None, recalled: int
) -> None:
    for text in "123":
        await say(Memory(store), text)
    async with Memory(store, last_messages=last).turn(**ANA) as turn:
        assert len(turn.recalled) == recalled


class Reply(BaseModel):
    role: str
    content: str | None
    tool_calls: list[dict[str, Any]]


async def test_what_sdks_give_comes_back_as_it_was(store: RedisStore) -> None:
    memory = Memory(store)
    reply = Reply(role="assistant", content=None, tool_calls=[{"id": "c", "type": "function"}])
    parts = [{"type": "text", "text": "Done."}]
    async with memory.turn(**ANA) as turn:
        turn.user("Order tea")
        turn.add(reply, {"role": "tool", "tool_call_id": "c", "content": "ok"})
        turn.assistant(parts)
        parts.append({"type": "text", "text": "changed after it was added"})
        said = list(turn.messages)
    async with memory.turn(**ANA) as turn:
        assert turn.messages == [*said[:3], {"role": "assistant", "content": parts[:1]}]
        assert turn.messages[1] == reply.model_dump()
    assert await texts(store) == ["Order tea", "", "ok", "Done."]


@on_each_topology
async def test_a_turn_that_fails_saves_what_it_added(store: RedisStore) -> None:
    memory = Memory(store)

    async def fail() -> None:
        async with memory.turn(**ANA) as turn:
            turn.user("Order tea")
            turn.add({"role": "assistant", "tool_calls": [{"id": "c"}], "content": None})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await texts(store) == ["Order tea", ""]
    # A model would refuse a call without a result.
    assert await say(memory, "Well?") == [
        {"role": "user", "content": "Order tea"},
        {"role": "user", "content": "Well?"},
    ]


async def test_a_turn_that_is_cancelled_saves_what_it_added(store: RedisStore) -> None:
    async def stall() -> None:
        async with Memory(store, working_memory=True).turn(**ANA) as turn:
            turn.user("Hello")
            turn.update_working_memory("x")
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stall(), 0.5)
    assert await texts(store) == ["Hello"]
    resource = await store.memory.get_resource_by_id("ana")
    assert resource is not None
    assert resource.working_memory == "x"


@on_one_server
@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancelled_end_saves_all_or_nothing(
    store: RedisStore, place: Place, how: How
) -> None:
    """As cancellation comes before the end or during it, at each wait for the server."""
    async with gated_store(place) as (other, gate):
        memory, point = Memory(other), 0
        while await cancelled_at(point, lambda: say(memory, "Hi"), gate, how):
            assert len(await texts(store)) in (0, 2)
            await store.memory.delete_thread("t")
            point += 1
        assert point > 2
        assert await texts(store) == ["Hi", "Yes."]


@pytest.mark.damages
async def test_the_error_of_the_block_is_raised_though_saving_fails(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    timeline = place.keys.timeline("t")

    async def take(*, fail: bool) -> None:
        async with Memory(store).turn(**ANA) as turn:
            turn.user("Hello")
            await raw("SET", timeline, "no sorted set")
            if fail:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await take(fail=True)
    assert "was not saved: BackendError" in caught.value.__notes__[0]
    await raw("DEL", timeline)
    with pytest.raises(BackendError) as failed:
        await take(fail=False)
    await raw("DEL", timeline)
    assert failed.value.code == "SAVE_MESSAGES_BACKEND_WRONGTYPE"


@on_one_server
async def test_a_lost_reply_saves_a_turn_once(store: RedisStore) -> None:
    memory = Memory(store)
    await say(memory, "1")
    async with memory.turn(**ANA) as turn:
        turn.user("2")
        turn.assistant("Yes.")
        lost = lose_next_reply(store)
    assert lost
    assert await texts(store) == ["1", "Yes.", "2", "Yes."]


async def test_turns_in_other_loops(store: RedisStore) -> None:
    memory = Memory(store)
    for text in "12":
        await asyncio.to_thread(asyncio.run, say(memory, text))
    assert await texts(store) == ["1", "Yes.", "2", "Yes."]


@on_each_topology
@pytest.mark.races
async def test_racing_turns_stay_together(store: RedisStore) -> None:
    memory = Memory(store)

    async def turn(name: str) -> None:
        async with memory.turn(**ANA) as turn:
            turn.user(name)
            await asyncio.sleep(0)
            turn.assistant(f"{name}!")

    await asyncio.gather(*(turn(f"{n}") for n in range(10)))
    said = await texts(store)
    assert sorted(said[::2], key=int) == [f"{n}" for n in range(10)]
    assert [f"{text}!" for text in said[::2]] == said[1::2]


async def test_a_turn_comes_after_what_it_recalled_whatever_the_clocks_say(
    store: RedisStore,
) -> None:
    await store.memory.save_thread(Thread(id="t", resource_id="ana"))
    ahead = now() + timedelta(hours=1)
    early = Message.from_text("user", "1", thread_id="t", resource_id="ana", created_at=ahead)
    await store.memory.save_messages([early])
    await say(Memory(store), "2")
    await say(Memory(store), "3")
    assert await texts(store) == ["1", "2", "Yes.", "3", "Yes."]


async def test_the_servers_clock_dates_a_turn(place: Place, store: RedisStore) -> None:
    async with place.store(clock="server") as other:
        await say(Memory(other), "1")
    messages = list(await store.memory.list_messages("t"))
    assert len({message.created_at for message in messages}) == 1
    assert await texts(store) == ["1", "Yes."]


async def test_anothers_thread_is_not_opened(store: RedisStore) -> None:
    memory = Memory(store)
    await say(memory, "1")
    with pytest.raises(ThreadNotFoundError):
        async with memory.turn(thread="t", resource="bob"):
            pytest.fail("the turn began")
    assert await texts(store) == ["1", "Yes."]


async def test_a_thread_that_is_deleted_meanwhile_is_made_again(store: RedisStore) -> None:
    async with Memory(store).turn(**ANA) as turn:
        turn.user("1")
        await store.memory.delete_thread("t")
    assert await texts(store) == ["1"]


@pytest.mark.parametrize("id", ["}{:*", "t\0:é", "日本" * 20])
async def test_any_id(store: RedisStore, id: str) -> None:
    memory = Memory(store, working_memory=True)
    for _ in range(2):
        async with memory.turn(thread=id, resource=id) as turn:
            turn.user("1")
            turn.update_working_memory("x")
    assert await texts(store, id) == ["1", "1"]


@on_each_topology
async def test_a_model_fills_in_the_template_of_the_working_memory(store: RedisStore) -> None:
    memory = Memory(store, working_memory=True)
    async with memory.turn(**ANA) as turn:
        assert turn.working_memory == TEMPLATE
        assert TEMPLATE.strip() in turn.instructions
        assert turn.update_working_memory(memory="- Name: Ana {}") == "Updated."
        assert "- Name: Ana {}" in turn.instructions
        turn.user("I am Ana")
    async with memory.turn(thread="another", resource="ana") as turn:
        assert turn.working_memory == "- Name: Ana {}"
    async with memory.turn(thread="of another", resource="bob") as turn:
        assert turn.working_memory == TEMPLATE
    assert await store.memory.get_resource_by_id("bob") is None
    async with Memory(store).turn(**ANA) as turn:
        assert turn.working_memory is None
        assert turn.instructions == ""
        with pytest.raises(RuntimeError, match="working_memory=True"):
            turn.update_working_memory("x")


async def test_metadata_of_the_resource_stays(store: RedisStore) -> None:
    await store.memory.update_resource("ana", metadata={"plan": "free"})
    async with Memory(store, working_memory=True, template="# Ana").turn(**ANA) as turn:
        assert turn.working_memory == "# Ana"
        turn.update_working_memory("x")
    resource = await store.memory.get_resource_by_id("ana")
    assert resource is not None
    assert (resource.working_memory, resource.metadata) == ("x", {"plan": "free"})


async def test_the_tool_is_the_function(store: RedisStore) -> None:
    memory = Memory(store, working_memory=True)
    tool = memory.tool
    async with memory.turn(**ANA) as turn:
        function = getattr(turn, tool["name"])
        required = tool["parameters"]["required"]
        assert list(tool["parameters"]["properties"]) == required
        function(**dict.fromkeys(required, "x"))
        assert turn.working_memory == "x"
    tool.clear()
    assert memory.tool["name"] == "update_working_memory"


async def test_bad_input_is_refused_and_the_turn_goes_on(store: RedisStore) -> None:
    memory = Memory(store, working_memory=True)
    async with memory.turn(**ANA) as turn:
        turn.user("1")
        odd: list[Any] = [{1}, [], "text", {"content": "no role"}, None, {"role": b""}]
        for bad in odd:
            with pytest.raises(InvalidArgumentError) as caught:
                turn.add(bad)
            assert caught.value.code.startswith("TURN_")
        for add in (turn.user, turn.assistant):
            with pytest.raises(InvalidArgumentError, match="content"):
                add({1})
        for none in (None, 5):
            with pytest.raises(InvalidArgumentError, match="memory"):
                turn.update_working_memory(none)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        nested: Any = "x"
        for _ in range(199):
            nested = [nested]
        with pytest.raises(InvalidArgumentError, match="200"):
            turn.user(nested)
        turn.user(nested[0])
        assert len(turn.messages) == 2
    assert len(await texts(store)) == 2
    wrong: list[dict[str, Any]] = [{"last_messages": -1}, {"last_messages": "5"}, {"template": 5}]
    for options in wrong:
        with pytest.raises(InvalidArgumentError):
            Memory(store, **options)
    with pytest.raises(InvalidArgumentError):
        Memory("redis://localhost")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    for thread, resource in (("", "ana"), ("t", ""), ("a:id:b", "ana")):
        with pytest.raises(InvalidArgumentError):
            await _enter(memory, thread, resource)


async def _enter(memory: Memory, thread: str, resource: str) -> None:
    async with memory.turn(thread=thread, resource=resource):
        pytest.fail("the turn began")


async def test_nothing_can_be_added_to_a_turn_that_has_ended(store: RedisStore) -> None:
    async with Memory(store, working_memory=True).turn(**ANA) as turn:
        pass
    for add in (turn.user, turn.assistant, turn.update_working_memory):
        with pytest.raises(RuntimeError, match="ended"):
            add("late")
    assert await texts(store) == []


@pytest.fixture
async def proxy(variant: Variant, servers: dict[str, Server]) -> AsyncIterator[CountingProxy]:
    """What counts the traffic between a store and the test's server."""
    async with CountingProxy(servers[variant.server].socket) as counting:
        yield counting


async def test_a_turn_takes_two_round_trips(
    store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    for n in range(50):
        await say(Memory(store), f"{n}")
    steps = [("new", "new", "1", ""), ("known", "t", "1", "")]
    # Without messages: of two calls at once, bursts on the wire cannot be told apart.
    steps += [("learned", "t", "", "x"), ("nothing added", "t", "", "")]
    found: dict[str, tuple[int, int]] = {}
    async with metered_store(proxy, place) as opened:
        memory = Memory(opened, working_memory=True)
        await opened.memory.get_thread_by_id("t")
        for name, thread, said, learned in steps:
            context = memory.turn(thread=thread, resource="ana")
            with proxy.measure() as recall:
                turn = await context.__aenter__()
            if said:
                turn.user(said)
                turn.assistant(said)
            if learned:
                turn.update_working_memory(learned)
            with proxy.measure() as save:
                await context.__aexit__(None, None, None)
            found[name] = recall.round_trips, save.round_trips
    plain = {"new": (1, 1), "known": (1, 1), "learned": (1, 2), "nothing added": (1, 0)}
    tagged = {"new": (3, 2), "known": (1, 2), "learned": (1, 3), "nothing added": (1, 0)}
    assert found == (tagged if place.keys.hash_tags else plain)
