"""What a checkpoint costs: round trips, bytes, memory of the server."""

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from langchain_core.messages import HumanMessage

from redis_store import RedisStore
from redis_store.integrations.langgraph import RedisSaver
from tests.integrations.langgraph.states import TEXT, Thread, chat, config, messages
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

KB = 1000


async def test_each_call_costs_its_round_trips(
    metered: RedisStore, proxy: CountingProxy, place: Place, saver: RedisSaver
) -> None:
    tagged = int(place.keys.hash_tags)
    await Thread(saver, "warm").put(run="w", messages=messages(3))
    counted = RedisSaver(metered)
    thread = Thread(counted)
    await _load_scripts(counted)
    costs: dict[str, int] = {}
    with proxy.measure() as cost:
        for at in range(10):
            await thread.put(messages=messages(50 + at), other=at)
    costs["put"] = cost.round_trips // 10
    with proxy.measure() as cost:
        await counted.aput_writes(thread.at, [("messages", 1), ("other", 2)], "task")
    costs["put_writes"] = cost.round_trips
    with proxy.measure() as cost:
        await counted.aget_tuple(config())
    costs["get"] = cost.round_trips
    with proxy.measure() as cost:
        assert len([each async for each in counted.alist(config(), limit=5)]) == 5
    costs["list"] = cost.round_trips
    with proxy.measure() as cost:
        await counted.aget_delta_channel_history(config=config(), channels=["messages"])
    costs["history"] = cost.round_trips
    with proxy.measure() as cost:
        await counted.acopy_thread("t", "u")
    costs["copy"] = cost.round_trips
    with proxy.measure() as cost:
        await counted.aprune(["t", "u"])
    costs["prune"] = cost.round_trips
    with proxy.measure() as cost:
        await counted.adelete_thread("u")
    costs["delete"] = cost.round_trips
    assert costs == {
        "put": 1,
        "put_writes": 1,
        "get": 1,
        "list": 2,
        "history": 1,
        "copy": 1 + tagged,
        "prune": 4,
        "delete": 1,
    }


async def _load_scripts(saver: RedisSaver) -> None:
    """Let the server see each script: the first of each is sent twice."""
    thread = Thread(saver, "warm")
    await thread.put(messages=messages(3))
    await saver.aput_writes(thread.at, [("messages", 1)], "task")
    assert [each async for each in saver.alist(config("warm"))]
    await saver.aget_tuple(config("warm"))
    await saver.aget_delta_channel_history(config=config("warm"), channels=["messages"])
    await saver.acopy_thread("warm", "warm 2")
    await saver.aprune(["warm 2"])
    await saver.adelete_thread("warm")
    await saver.adelete_thread("warm 2")


@on_one_server
async def test_a_turn_costs_what_it_changes(
    metered: RedisStore, proxy: CountingProxy, saver: RedisSaver
) -> None:
    """A turn of three steps on a thread of 1,000 messages."""
    del saver
    counted = RedisSaver(metered)
    graph = chat("model", "tool").compile(checkpointer=counted)
    await graph.aupdate_state(config(), {"messages": messages(1000)}, as_node="tool")

    async def turn() -> None:
        await graph.ainvoke({"messages": [HumanMessage(TEXT)]}, config(), durability="sync")

    await turn()
    with proxy.measure() as cost:
        await turn()
    assert cost.round_trips <= 5
    assert cost.bytes_sent <= 12 * KB
    assert cost.bytes_received <= 2 * KB
    state = await graph.aget_state(config())
    assert len(state.values["messages"]) == 1006


async def test_three_hundred_checkpoints_of_a_long_thread_are_small(
    store: RedisStore, saver: RedisSaver, place: Place, raw: Raw
) -> None:
    thread = Thread(saver)
    for count in range(300):
        await thread.put(messages=messages(1000 + count))
    assert await _memory(raw, place) <= 10 * KB * KB
    await saver.aprune(["t"])
    assert await _memory(raw, place) <= 2 * KB * KB
    found = await RedisSaver(store).aget_tuple(config())
    assert found is not None
    assert found.checkpoint["channel_values"]["messages"] == messages(1299)


async def _memory(raw: Raw, place: Place) -> int:
    """Return how many bytes the test's keys take."""
    script = "return redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', '0')"
    keys = await raw.keys(place.keys.prefix)
    return sum([await raw("EVAL", script, 1, key) for key in keys])


@on_one_server
async def test_a_process_that_knows_a_state_reads_only_what_changed(
    metered: RedisStore, proxy: CountingProxy, saver: RedisSaver
) -> None:
    thread = Thread(saver)
    await thread.put(messages=messages(200))
    counted = RedisSaver(metered)
    await counted.aget_tuple(config())
    await thread.put(messages=messages(201))
    with proxy.measure() as cost:
        found = await counted.aget_tuple(config())
    assert found is not None
    assert found.checkpoint["channel_values"]["messages"] == messages(201)
    assert cost.bytes_received < 3 * KB
