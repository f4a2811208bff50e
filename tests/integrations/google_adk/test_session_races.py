"""Many processes on one session: no event and no state key is lost, whoever is cancelled."""

import asyncio
from functools import partial
from itertools import count
from typing import get_args

import pytest
from google.adk.errors.already_exists_error import AlreadyExistsError

from redis_store import RedisStore
from redis_store.integrations.google_adk import RedisSessionService
from tests.integrations.google_adk.events import Names, created, event, read, seen, texts
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store


@on_each_topology
async def test_racing_appends_keep_every_event_and_state_key(
    opened: RedisStore, place: Place
) -> None:
    async with place.store() as other:
        services = [RedisSessionService((opened, other)[n % 2]) for n in range(20)]
        await created(services[0])
        sessions = await asyncio.gather(*map(read, services))
        appends = [
            service.append_event(
                session, event(str(n), delta={f"k{n}": n, f"app:k{n}": n, f"user:k{n}": n})
            )
            for n, (service, session) in enumerate(zip(services, sessions, strict=True))
        ]
        await asyncio.gather(*appends)
        found = await read(services[1])
    assert sorted(map(int, map(str, texts(found)))) == [*range(20)]
    expected = {f"{scope}k{n}": n for scope in ("", "app:", "user:") for n in range(20)}
    assert found.state == expected


async def test_of_racing_creations_one_wins(opened: RedisStore, place: Place) -> None:
    async with place.store() as other:
        services = [RedisSessionService((opened, other)[n % 2]) for n in range(10)]
        done = await asyncio.gather(
            *(created(service, n=n, app_n=n) for n, service in enumerate(services)),
            return_exceptions=True,
        )
    losers = [each for each in done if isinstance(each, AlreadyExistsError)]
    (winner,) = [each for each in done if not isinstance(each, BaseException)]
    assert len(losers) == 9
    assert seen(await read(services[0])) == seen(winner)
    assert winner.state["n"] == winner.state["app:n"], "a loser changes no shared state"


async def test_an_event_whose_reply_is_lost_counts_once(opened: RedisStore, place: Place) -> None:
    await created(RedisSessionService(opened))
    async with place.store() as forgetful:
        service = RedisSessionService(forgetful)
        session = await read(service)
        lost = lose_next_reply(forgetful)
        await service.append_event(session, event("a", delta={"x": 1, "app:y": 2}))
        assert lost
    found = await read(RedisSessionService(opened))
    assert (texts(found), found.state) == (["a"], {"x": 1, "app:y": 2})
    assert seen(session) == seen(found)


@pytest.mark.parametrize("how", get_args(How))
async def test_a_cancelled_append_did_all_or_nothing(
    opened: RedisStore, place: Place, how: How
) -> None:
    direct = RedisSessionService(opened)
    outcomes: set[str] = set()
    async with gated_store(place) as (gated, gate):
        service = RedisSessionService(gated)
        for point in count():
            names = Names(session_id=str(point))
            session = await created(direct, names)
            append = partial(service.append_event, session, event("a", delta={"x": 1}))
            if not await cancelled_at(point, append, gate, how):
                break
            found = await read(direct, names)
            assert (texts(found), found.state) in ((["a"], {"x": 1}), ([], {}))
            outcomes.add(str(found.events and "done"))
            # Whoever repeats it stores it once.
            await service.append_event(await read(direct, names), event("a", delta={"x": 1}))
    assert "done" in outcomes


async def test_deletions_race_appends(opened: RedisStore, place: Place) -> None:
    """A session is there with all, or gone with all."""
    async with place.store() as other:
        mine, theirs = RedisSessionService(opened), RedisSessionService(other)
        for n in range(10):
            session = await created(mine, Names(session_id=str(n)))
            append = theirs.append_event(session.model_copy(deep=True), event(delta={"x": 1}))
            delete = mine.delete_session(**Names(session_id=str(n)).arguments)
            await asyncio.gather(append, delete, return_exceptions=True)
            assert await mine.get_session(**Names(session_id=str(n)).arguments) is None
    assert (await mine.list_sessions(app_name="app")).sessions == []
