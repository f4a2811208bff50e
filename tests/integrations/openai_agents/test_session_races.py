"""Many processes on one session: nothing is lost, parted or taken twice, whoever is cancelled."""

import asyncio
from functools import partial
from itertools import count
from typing import Any, get_args

import pytest
from agents.items import TResponseInputItem

from redis_store import RedisStore
from redis_store.integrations.openai_agents import RedisSession
from tests.integrations.openai_agents.items import said
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.inspection.invariants import check_settled
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

pytestmark = pytest.mark.races


def _texts(items: list[TResponseInputItem]) -> list[str]:
    return [str(dict(item)["content"]) for item in items]


async def test_racing_adds_lose_nothing_and_part_nothing(store: RedisStore, place: Place) -> None:
    async with place.store() as other:
        sessions = [RedisSession("t", (store, other)[n % 2], user=f"u{n % 3}") for n in range(20)]
        turns = [
            [f"{n}-{turn}-{part}" for part in range(3)] for turn in range(3) for n in range(20)
        ]
        await asyncio.gather(
            *(sessions[n % 20].add_items([*map(said, turn)]) for n, turn in enumerate(turns))
        )
    found = _texts(await RedisSession("t", store).get_items())
    assert sorted(found) == sorted(text for turn in turns for text in turn)
    assert sorted(found[at : at + 3] for at in range(0, len(found), 3)) == sorted(turns)
    for n in range(20):
        own = [text for text in found if text.startswith(f"{n}-")]
        assert own == sorted(own), "a session's own items keep their order"


async def test_each_item_goes_to_one_of_racing_pops(store: RedisStore, place: Place) -> None:
    async with place.store() as other:
        sessions = [RedisSession("t", (store, other)[n % 2]) for n in range(2)]
        await sessions[0].add_items([said(f"{n:02}") for n in range(15)])
        adds = [sessions[n % 2].add_items([said(f"{n:02}")]) for n in range(15, 25)]
        pops = [sessions[n % 2].pop_item() for n in range(20)]
        _, taken = await asyncio.gather(asyncio.gather(*adds), asyncio.gather(*pops))
    left = await RedisSession("t", store).get_items()
    popped = [item for item in taken if item is not None]
    assert sorted(_texts([*popped, *left])) == [f"{n:02}" for n in range(25)]


async def test_clears_race_adds(store: RedisStore, place: Place, raw: Raw) -> None:
    """A session is cleared as a whole: of each batch all is left, or none."""
    async with place.store() as other:
        for _ in range(5):
            sessions = [RedisSession("t", (store, other)[n % 2]) for n in range(8)]
            clears: list[Any] = [session.clear_session() for session in sessions[:3]]
            adds = [s.add_items([said(f"{n}")] * 2) for n, s in enumerate(sessions)]
            await asyncio.gather(*clears, *adds)
            found = _texts(await sessions[0].get_items())
            assert all(found.count(text) == 2 for text in found)
            await check_settled(store, raw, place.keys)


@on_one_server
@pytest.mark.parametrize("how", get_args(How))
async def test_a_cancelled_write_is_applied_when_it_ends(
    store: RedisStore, place: Place, how: How
) -> None:
    """So whoever handles the cancellation reads what there will be, as with the SDK's sessions."""
    direct = RedisSession("t", store)
    async with gated_store(place) as (gated, gate):
        session = RedisSession("t", gated)
        add, pop = partial(session.add_items, [said("b"), said("c")]), session.pop_item
        for call, expected in (add, "abc"), (pop, "a"), (session.clear_session, ""):
            for point in count():
                await direct.clear_session()
                await direct.add_items([said("a"), *([] if call is add else [said("b")])])
                if not await cancelled_at(point, call, gate, how):
                    assert point > 1
                    break
                assert "".join(_texts(await direct.get_items())) == expected, (call, point)
