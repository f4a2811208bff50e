"""``RedisEventStore``, as MCP's transport uses it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("mcp", reason="needs redis-store[frameworks]")

from mcp.server.streamable_http import EventMessage
from mcp_types import JSONRPCMessage, JSONRPCNotification, JSONRPCResponse

from redis_store import CorruptRecordError, InvalidArgumentError, RedisStore
from redis_store._engine.database import Database
from redis_store.integrations.mcp import RedisEventStore
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology, on_one_server
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw


@pytest.fixture
def events(opened: RedisStore) -> RedisEventStore:
    return RedisEventStore(opened)


def progress(n: int) -> JSONRPCMessage:
    return JSONRPCNotification(
        jsonrpc="2.0", method="notifications/x", params={"n": n, "none": None}
    )


ANSWER = JSONRPCResponse(jsonrpc="2.0", id=1, result={"ok": True})


async def replay(events: RedisEventStore, last: str) -> tuple[str | None, list[EventMessage]]:
    found: list[EventMessage] = []

    async def send(event: EventMessage) -> None:
        found.append(event)

    return await events.replay_events_after(last, send), found


@on_each_topology
async def test_what_follows_an_event_is_replayed(events: RedisEventStore) -> None:
    ids = [await events.store_event("s", None)]
    ids += [await events.store_event("s", progress(n)) for n in range(5)]
    await events.store_event("other", progress(9))
    for at, last in enumerate(ids):
        stream, found = await replay(events, last)
        assert stream == "s"
        assert [each.event_id for each in found] == ids[max(at + 1, 1) :]
        assert [each.message for each in found] == [progress(n) for n in range(5)][at:]


async def test_a_replay_ends_with_the_answer(events: RedisEventStore) -> None:
    """What follows is another session's, whose request has the same id."""
    first = await events.store_event("1", progress(0))
    await events.store_event("1", ANSWER)
    await events.store_event("1", progress(1))
    _, found = await replay(events, first)
    assert [each.message for each in found] == [ANSWER]


async def test_unknown_events_replay_nothing(events: RedisEventStore, opened: RedisStore) -> None:
    last = await events.store_event("s", progress(0))
    await events.store_event("s", progress(1))
    entry, token, stream = last.split(".")
    guesses = [f"{entry}.x.{stream}", f"{entry}..{stream}", f"0-1.{token}.{stream}"]
    guesses += ["", "x", "1-1", f"{entry}.{token}.é", f"{entry}.{token}.!", f"-.{token}.{stream}"]
    guesses += [f"{entry}.{token}.b3RoZXI"]
    for guess in guesses:
        assert await replay(events, guess) == (None, [])
    assert await replay(RedisEventStore(opened, scope="another"), last) == (None, [])


async def test_a_stream_keeps_the_newest_and_expires(
    opened: RedisStore, raw: Raw, db: Database
) -> None:
    events = RedisEventStore(opened, max_events=100, ttl=timedelta(minutes=1))
    first = await events.store_event("s", progress(0))
    for n in range(400):
        await events.store_event("s", progress(n))
    (key,) = [key for key in await raw.keys(db.keys.prefix) if ":events:" in key]
    assert 100 <= await raw("XLEN", key) < 300
    assert 50_000 < await raw("PTTL", key) <= 60_000
    assert await replay(events, first) == (None, []), "it cannot be told what is missing"


@pytest.mark.parametrize("stream", ["}{", "a\0\r\nb", "2:ab", "日本", "", "a.b"])
async def test_any_stream(events: RedisEventStore, stream: str) -> None:
    first = await events.store_event(stream, None)
    assert first.isascii()
    assert first.isprintable()
    second = await events.store_event(stream, progress(1))
    assert await replay(events, first) == (stream, [EventMessage(progress(1), second)])


@on_one_server
async def test_a_lost_reply_stores_an_event_once(
    events: RedisEventStore, opened: RedisStore
) -> None:
    first = await events.store_event("s", None)
    lost = lose_next_reply(opened, of_repeatable=True)
    second = await events.store_event("s", progress(1))
    assert lost
    assert await replay(events, first) == ("s", [EventMessage(progress(1), second)])


@on_one_server
@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancelled_call_stores_an_event_or_not(
    events: RedisEventStore, place: Place, how: How
) -> None:
    first = await events.store_event("s", None)
    async with gated_store(place) as (other, gate):
        point, writer = 0, RedisEventStore(other)
        while await cancelled_at(point, lambda: writer.store_event("s", progress(1)), gate, how):
            point += 1
        assert point > 1
    _, found = await replay(events, first)
    assert 1 <= len(found) <= point + 1


@on_each_topology
async def test_racing_writers_lose_nothing(events: RedisEventStore) -> None:
    first = await events.store_event("s", None)
    ids = await asyncio.gather(*(events.store_event("s", progress(n)) for n in range(50)))
    _, found = await replay(events, first)
    assert sorted(each.event_id or "" for each in found) == sorted(ids)


async def test_bad_input_and_corrupt_records(
    events: RedisEventStore, opened: RedisStore, raw: Raw, db: Database
) -> None:
    bad: list[dict[str, Any]] = [
        {"ttl": timedelta(0)},
        {"ttl": 5},
        {"max_events": -1},
        {"scope": ""},
    ]
    for options in bad:
        with pytest.raises(InvalidArgumentError):
            RedisEventStore(opened, **options)
    last = await events.store_event("s", None)
    (key,) = [key for key in await raw.keys(db.keys.prefix) if ":events:" in key]
    await raw("XADD", key, "*", "token", "t", "body", "{}")
    with pytest.raises(CorruptRecordError) as caught:
        await replay(events, last)
    assert caught.value.key == key


async def test_costs(
    events: RedisEventStore, metered_store: RedisStore, proxy: CountingProxy
) -> None:
    ids = [await events.store_event("s", progress(n)) for n in range(50)]
    metered = RedisEventStore(metered_store)
    await metered.store_event("s", progress(0))
    with proxy.measure() as storing:
        await metered.store_event("s", progress(0))
    with proxy.measure() as replaying:
        await replay(metered, ids[40])
    assert (storing.round_trips, replaying.round_trips) == (1, 1)
