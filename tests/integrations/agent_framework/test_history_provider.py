"""RedisHistoryProvider appends what follows, as the framework defines it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, get_args

import pytest
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    Message,
)
from agent_framework._sessions import filter_new_messages
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store import CorruptRecordError, InvalidArgumentError, RedisStore
from redis_store.integrations.agent_framework import RedisHistoryProvider
from tests.property.model_comparison import place_on
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST, on_each_topology, on_one_server
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw


def said(text: str, role: str = "user", id_: str | None = None) -> Message:
    return Message(role, [text], message_id=id_)


def seen(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [each.to_dict() for each in messages]


async def texts(history: RedisHistoryProvider, session: str | None = "s") -> list[str]:
    return [each.text for each in await history.get_messages(session)]


# Few, so that what is given often overlaps with what is stored, and with itself.
MESSAGES = st.builds(
    said,
    st.sampled_from("ab"),
    st.sampled_from(["user", "user", "assistant"]),
    st.sampled_from([None, None, "1"]),
)
# What is given anew, and how much of what is stored comes before it.
CALLS = st.tuples(st.lists(MESSAGES, max_size=5), st.integers(0, 6) | st.none())


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@given(program=st.lists(CALLS, max_size=12))
@settings(max_examples=50, deadline=None, print_blob=True)
async def test_any_program_keeps_what_the_framework_would(
    program: list[tuple[list[Message], int | None]], layout: str, servers: dict[str, Server]
) -> None:
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, _),
        place.store() as store,
    ):
        history, model = RedisHistoryProvider(store), list[Message]()
        for new, repeated in program:
            before = model if repeated is None else model[len(model) - repeated :]
            messages = [*before, *new]
            await history.save_messages("s", messages)
            model += filter_new_messages(model, messages)
            assert seen(await history.get_messages("s")) == seen(model)
        assert (await store.verify()).ok
        await store.dangerously_clear_integrations()


class ScriptedClient(FunctionInvocationLayer, BaseChatClient):
    """Stands in for a model: it counts what it is given."""

    async def _inner_get_response(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        *,
        messages: Sequence[Message],
        **_: Any,
    ) -> ChatResponse:
        return ChatResponse(messages=[said(f"{len(messages)} given", "assistant")])


@on_each_topology
async def test_an_agent_goes_on_in_another_process(opened: RedisStore, place: Place) -> None:
    def agent(store: RedisStore) -> "Agent[Any]":
        history = RedisHistoryProvider(store, load_last=3)
        return Agent(ScriptedClient(), context_providers=[history])

    first = agent(opened)
    assert (await first.run("one", session=first.create_session(session_id="s"))).text == "1 given"
    async with place.store() as other:
        second = agent(other)
        for text, answer in ("two", "3 given"), ("three", "4 given"):
            session = second.create_session(session_id="s")
            assert (await second.run(text, session=session)).text == answer
    history = RedisHistoryProvider(opened)
    assert len(await history.get_messages("s")) == 6
    await history.clear("s")
    assert await history.get_messages("s") == []


async def test_messages_come_back_as_they_were(opened: RedisStore) -> None:
    given = [
        Message("user", ["é\ud800", Content.from_data(b"\xff\x00", "image/png")]),
        Message("assistant", [Content.from_function_call("1", "f", arguments={"a": [1, None]})]),
        Message("tool", [Content.from_function_result("1", result={"b": 2**70})]),
        Message("assistant", ["x"], message_id="7", additional_properties={"k": {"n": 1.5}}),
    ]
    history = RedisHistoryProvider(opened)
    await history.save_messages("s", given)
    assert seen(await history.get_messages("s")) == seen(given)


async def test_any_ids_are_apart(opened: RedisStore) -> None:
    ids = ["{x}", "a:b", "*", "a\0b", "é" * 300, "1:a", "}{", " "]
    for user in "u", "{u}":
        for id_ in ids:
            history = RedisHistoryProvider(opened, user=user, source_id=id_)
            await history.save_messages("s", [said(f"{user}{id_}")])
            history = RedisHistoryProvider(opened, user=user, source_id="s")
            await history.save_messages(id_, [said(f"{user}{id_}")])
    for user in "u", "{u}":
        for id_ in ids:
            for source, session in ("s", id_), (id_, "s"):
                history = RedisHistoryProvider(opened, user=user, source_id=source)
                assert await texts(history, session) == [f"{user}{id_}"]
    history = RedisHistoryProvider(opened)
    await history.save_messages(None, [said("x")])
    assert await texts(history, "default") == ["x"]


async def test_bad_arguments_store_nothing(opened: RedisStore, raw: Raw, place: Place) -> None:
    history = RedisHistoryProvider(opened)
    bad: Any = "no message"
    for session, messages in ("s", [said("y"), bad]), ("", [said("y")]), ("x" * 2000, [said("y")]):
        with pytest.raises(InvalidArgumentError):
            await history.save_messages(session, messages)
    assert await raw.keys(place.keys.prefix) == []
    refused: list[dict[str, Any]] = [
        {"user": ""},
        {"load_last": -1},
        {"ttl": timedelta(0)},
        {"source_id": ""},
    ]
    for arguments in refused:
        with pytest.raises(InvalidArgumentError):
            RedisHistoryProvider(opened, **arguments)


async def test_a_history_expires_as_a_whole(opened: RedisStore, raw: Raw, place: Place) -> None:
    history = RedisHistoryProvider(opened, ttl=timedelta(hours=1))
    await history.save_messages("s", [said("a")])
    found = await raw.keys(place.keys.prefix)
    stored = [key for key in found if ":history:" in key or ":history_items:" in key]
    for use in partial(history.get_messages, "s"), partial(history.save_messages, "s", [said("b")]):
        for key in stored:
            assert await raw("PTTL", key) > 3_500_000
            await raw("PEXPIRE", key, 1_000_000)
        await use()
    for key in stored:
        assert await raw("PTTL", key) > 3_500_000


async def test_what_is_unreadable_names_its_key(opened: RedisStore, raw: Raw, place: Place) -> None:
    history = RedisHistoryProvider(opened)
    await history.save_messages("s", [said("a")])
    (key,) = [key for key in await raw.keys(place.keys.prefix) if ":history_items:" in key]
    for damaged in b"", b"x" * 30:
        await raw("LSET", key, 0, damaged)
        with pytest.raises(CorruptRecordError) as caught:
            await history.get_messages("s")
        assert caught.value.key == key


@on_each_topology
async def test_racing_saves_keep_every_message(opened: RedisStore, place: Place) -> None:
    async with place.store() as other:
        both = RedisHistoryProvider(opened), RedisHistoryProvider(other)
        # The same text each time, by a user without ids: none is taken for a repetition.
        await asyncio.gather(
            *(both[n % 2].save_messages("s", [said("again")]) for n in range(20)),
            *(both[n % 2].save_messages("s", [said(str(n), "assistant")]) for n in range(20)),
        )
        found = await texts(both[0])
    assert found.count("again") == 20
    assert sorted(map(int, {*found} - {"again"})) == [*range(20)]


async def test_a_save_whose_reply_is_lost_counts_once(opened: RedisStore, place: Place) -> None:
    async with place.store() as forgetful:
        history = RedisHistoryProvider(forgetful)
        await history.save_messages("s", [said("again")])
        lost = lose_next_reply(forgetful, of_repeatable=True)
        await history.save_messages("s", [said("again")])
        assert lost
        assert await texts(RedisHistoryProvider(opened)) == ["again", "again"]


@pytest.mark.parametrize("how", get_args(How))
async def test_a_cancelled_save_did_all_or_nothing(
    opened: RedisStore, place: Place, how: How
) -> None:
    direct, lengths = RedisHistoryProvider(opened), set[int]()
    messages = [said("a"), said("b")]
    async with gated_store(place) as (gated, gate):
        for point in count():
            # The server has the script from the first time on.
            await direct.save_messages("s", messages)
            await direct.clear("s")
            save = partial(RedisHistoryProvider(gated).save_messages, "s", messages)
            if not await cancelled_at(point, save, gate, how):
                break
            lengths.add(len(await texts(direct)))
            await direct.clear("s")
    assert lengths == {0, 2}


@on_one_server
@pytest.mark.parametrize("length", [10, 1_000])
async def test_a_call_costs_the_same_at_any_length(
    opened: RedisStore, metered_store: RedisStore, proxy: CountingProxy, place: Place, length: int
) -> None:
    direct = RedisHistoryProvider(opened)
    await direct.save_messages("s", [said(f"{n:04}" + "x" * 400) for n in range(length)])
    await direct.get_messages("s")
    history = RedisHistoryProvider(metered_store, load_last=10)
    await metered_store.memory.list_threads()
    with proxy.measure() as cost:
        await history.save_messages("s", [said("x" * 400), said("y" * 400, "assistant")])
    assert cost.round_trips == 1
    assert cost.bytes_sent <= 2_300
    assert cost.bytes_received <= 50
    with proxy.measure() as cost:
        assert len(await history.get_messages("s")) == 10
    assert cost.round_trips == 1
    assert cost.bytes_received <= 7_500
    with proxy.measure() as cost:
        await history.clear("s")
    assert cost.round_trips == (3 if place.keys.hash_tags else 1)
