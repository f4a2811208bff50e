"""What a call costs, in a session of any length."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from google.adk.sessions.session import Session

from redis_store import RedisStore
from redis_store.integrations.google_adk import RedisSessionService
from tests.integrations.google_adk.events import Names, created, event, read
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.wire.proxies import CountingProxy

LONG = {"x": 1, "app:y": 1, "user:z": 1}


@dataclass(frozen=True)
class Pinned:
    """What a call may use: round trips in either layout, and bytes at most."""

    call: Callable[[RedisSessionService, Session], Awaitable[object]]
    round_trips: int
    tagged_round_trips: int
    sent: int
    received: int


COSTS: dict[str, Pinned] = {
    "append": Pinned(lambda s, session: s.append_event(session, event("x" * 400)), 1, 1, 2_600, 50),
    "append with all states": Pinned(
        lambda s, session: s.append_event(session, event("x" * 400, delta=LONG)), 1, 2, 3_400, 50
    ),
    "newest 10": Pinned(lambda s, _: read(s, num_recent_events=10), 1, 1, 800, 8_000),
    "create": Pinned(lambda s, _: created(s, Names(session_id="new"), x=1), 2, 3, 3_500, 300),
    "list of a user": Pinned(
        lambda s, _: s.list_sessions(app_name="app", user_id="ana"), 2, 2, 1_000, 1_000
    ),
    "list of an app": Pinned(lambda s, _: s.list_sessions(app_name="app"), 3, 3, 1_200, 1_200),
    "user state": Pinned(
        lambda s, _: s.get_user_state(app_name="app", user_id="ana"), 1, 1, 200, 100
    ),
    "delete": Pinned(
        lambda s, _: s.delete_session(**Names(session_id="new").arguments), 1, 3, 1_800, 50
    ),
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
    direct, service = RedisSessionService(opened), RedisSessionService(metered_store)
    session = await created(direct, app_y=1, user_z=1)
    for n in range(length):
        await direct.append_event(session, event(f"{n:04}" + "x" * 400, 1e9 + n))
    held = await read(service, num_recent_events=0)
    for name, pinned in COSTS.items():
        with proxy.measure() as cost:
            await pinned.call(service, held)
        if place.keys.hash_tags:
            assert cost.round_trips == pinned.tagged_round_trips, name
        else:
            assert cost.round_trips == pinned.round_trips, name
            assert cost.bytes_sent <= pinned.sent, name
            assert cost.bytes_received <= pinned.received, name
