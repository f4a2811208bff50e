"""Any program of calls does what ADK's own service in memory does."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.events.event import Event
from google.adk.sessions import InMemorySessionService
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from google.adk.sessions.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store.integrations.google_adk import RedisSessionService
from tests.integrations.google_adk.events import Names, event, seen
from tests.property.model_comparison import place_on
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST

# Services alike do the same; sessions that callers hold are alike too.
Held = dict[Names, Session]
Call = Callable[[BaseSessionService, Held], Awaitable[Any]]

names = st.builds(
    Names, st.just("app"), st.sampled_from("uv"), st.sampled_from(["1", "2", "a:b", "{x}"])
)
VALUES: list[Any] = [1, None, [1, {"a": []}], "é", 2**60, 0.5, {"b": {"c": None}}]
states = st.dictionaries(
    st.sampled_from(["x", "y", "app:x", "user:x", "temp:x", "app:", "a:b"]),
    st.sampled_from(VALUES),
    max_size=3,
)
# Not in order, and some twice.
times = st.integers(1, 30).map(lambda n: 1e9 + n / 4)
events = st.builds(
    event,
    at=times,
    delta=states,
    id=st.uuids().map(str),
    partial=st.sampled_from([None, None, None, True]),
    custom_metadata=st.sampled_from([None, {"a": None}]),
)
configs = st.builds(
    GetSessionConfig,
    num_recent_events=st.none() | st.integers(0, 5),
    after_timestamp=st.none() | times,
)


def _create(where: Names, state: dict[str, Any]) -> Call:
    async def call(service: BaseSessionService, held: Held) -> object:
        try:
            session = await service.create_session(**where.arguments, state=dict(state))
        except AlreadyExistsError:
            return "exists"
        held[where] = session
        return seen(session)

    return call


def _get(where: Names, config: GetSessionConfig, *, keeps: bool) -> Call:
    async def call(service: BaseSessionService, held: Held) -> object:
        session = await service.get_session(**where.arguments, config=config)
        if session is not None and keeps:
            held[where] = session
        return seen(session)

    return call


def _append(where: Names, given_: Event, *, again: bool) -> Call:
    async def call(service: BaseSessionService, held: Held) -> object:
        outcome: list[object] = []
        # It may be held longer than the stored one lives: both services must refuse.
        session = held.get(where)
        # The same object again: the first call takes its temporary state, and ADK's service would
        # take one that still has it for another event.
        delivered = given_.model_copy(deep=True)
        for _ in range(1 + again):
            if session is None:
                return None
            try:
                done = await service.append_event(session, delivered)
            except Exception as error:  # noqa: BLE001 - whichever the other service raises
                outcome.append(type(error).__name__)
            else:
                outcome.append(done.model_dump(mode="json"))
        return outcome, seen(session)

    return call


def _delete(where: Names) -> Call:
    return lambda service, _: service.delete_session(**where.arguments)


def _list(user: str | None) -> Call:
    async def call(service: BaseSessionService, _: Held) -> object:
        listed = (await service.list_sessions(app_name="app", user_id=user)).sessions
        # Those without events are sorted by when they were created, on either service's clock.
        dated = [seen(session) for session in listed if session.last_update_time < 1.5e9]
        return dated, sorted(map(str, map(seen, listed)))

    return call


def _user_state(user: str) -> Call:
    return lambda service, _: service.get_user_state(app_name="app", user_id=user)


appends = st.builds(_append, names, events, again=st.sampled_from([False, False, True]))
calls: st.SearchStrategy[Call] = st.one_of(
    st.builds(_create, names, states),
    appends,
    appends,
    appends,
    st.builds(_get, names, configs, keeps=st.booleans()),
    st.builds(_delete, names),
    st.builds(_list, st.sampled_from(["u", "v", "w", None])),
    st.builds(_user_state, st.sampled_from("uv")),
)


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@given(program=st.lists(calls, max_size=40))
@settings(max_examples=40, deadline=None, print_blob=True)
async def test_any_program_does_what_the_service_in_memory_does(
    program: list[Call], layout: str, servers: dict[str, Server]
) -> None:
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, _),
        place.store() as store,
    ):
        services = InMemorySessionService(), RedisSessionService(store)
        held: tuple[Held, Held] = {}, {}
        for call in program:
            own, ours = [await call(*each) for each in zip(services, held, strict=True)]
            assert own == ours
        for user in "uv":
            for id_ in ("1", "2", "a:b", "{x}"):
                arguments = Names("app", user, id_).arguments
                own, ours = [seen(await each.get_session(**arguments)) for each in services]
                assert own == ours
        assert (await store.verify()).problems.keys() <= {"stale entry"}
        await store.dangerously_clear_integrations()
