"""What a call costs, in a session of any length."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore
from tests.integrations.claude_agent_sdk.entries import AGENT, KEY, entries, entry, session
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.wire.proxies import CountingProxy

ELSEWHERE = session("s", "q")
TEXT = {"role": "assistant", "content": "x" * 400}


@dataclass(frozen=True)
class Pinned:
    """What a call may use: round trips in either layout, and bytes at most."""

    call: Callable[[RedisSessionStore], Awaitable[object]]
    round_trips: int
    tagged_round_trips: int
    sent: int
    received: int


COSTS: dict[str, Pinned] = {
    "the first append to what others began": Pinned(
        lambda s: s.append(KEY, [entry("first", message=TEXT)]), 2, 2, 2_500, 1_000
    ),
    "append": Pinned(
        lambda s: s.append(KEY, [entry(uuid, message=TEXT) for uuid in ("x", "y")]), 1, 1, 2_500, 60
    ),
    "append, repeated": Pinned(
        lambda s: s.append(KEY, [entry(uuid, message=TEXT) for uuid in ("x", "y")]),
        1,
        1,
        2_500,
        400,
    ),
    "append to an agent's": Pinned(lambda s: s.append(AGENT, entries("z")), 1, 1, 1_200, 30),
    "list": Pinned(lambda s: s.list_sessions("p"), 2, 2, 400, 200),
    "summaries": Pinned(lambda s: s.list_session_summaries("p"), 2, 2, 600, 500),
    "subkeys": Pinned(lambda s: s.list_subkeys(KEY), 1, 1, 150, 150),
    "delete of an agent's": Pinned(lambda s: s.delete(AGENT), 1, 1, 700, 30),
    "delete": Pinned(lambda s: s.delete(KEY), 1, 3, 1_000, 30),
}


@on_one_server
@pytest.mark.parametrize("length", [10, 1_000])
async def test_a_call_costs_the_same_at_any_length(
    opened: RedisStore,
    metered_store: RedisStore,
    proxy: CountingProxy,
    place: Place,
    length: int,
) -> None:
    direct, sessions = RedisSessionStore(opened), RedisSessionStore(metered_store)
    await direct.append(KEY, [entry(str(n), message=TEXT) for n in range(length)])
    # The scripts are there.
    for key in ELSEWHERE, AGENT:
        await direct.append(key, entries("a"))
        await direct.append(key, entries("b"))
        await direct.delete(key)
    await RedisSessionStore(opened).append(ELSEWHERE, entries("c"))
    await RedisSessionStore(opened).append(ELSEWHERE, entries("d"))
    await metered_store.memory.list_threads()
    for name, pinned in COSTS.items():
        with proxy.measure() as cost:
            await pinned.call(sessions)
        if place.keys.hash_tags:
            assert cost.round_trips == pinned.tagged_round_trips, name
        else:
            assert cost.round_trips == pinned.round_trips, name
            assert cost.bytes_sent <= pinned.sent, name
            assert cost.bytes_received <= pinned.received, name


@on_one_server
async def test_a_new_session_is_begun_and_loaded_in_one_round_trip(
    opened: RedisStore, metered_store: RedisStore, proxy: CountingProxy
) -> None:
    await RedisSessionStore(opened).append(AGENT, entries("a"))
    sessions = RedisSessionStore(metered_store)
    assert await sessions.load(KEY) is None
    with proxy.measure() as cost:
        await sessions.append({**KEY, "session_id": "new"}, entries("a"))
    assert cost.round_trips == 1
    with proxy.measure() as cost:
        assert await sessions.load({**KEY, "session_id": "new"}) == entries("a")
    assert cost.round_trips == 1
