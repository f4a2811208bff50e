"""RedisSessionService: sessions, events and states as ADK's own services have them."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions, EventCompaction
from google.adk.sessions.base_session_service import BaseSessionService
from google.genai import types

from redis_store import (
    BackendUnavailableError,
    CorruptRecordError,
    InvalidArgumentError,
    RedisStore,
)
from redis_store.integrations.google_adk import RedisSessionService
from tests.integrations.google_adk.events import Names, created, event, read, seen, texts
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.records.messages import snapshot
from tests.support.wire.raw import Raw

S, OTHER = Names(), Names(session_id="s2")
HALF = "cut \ud83d"


def test_it_is_a_session_service() -> None:
    assert isinstance(RedisSessionService(RedisStore("redis://127.0.0.1:1")), BaseSessionService)


def test_without_adk_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['google.adk.errors.already_exists_error'] = None\n"
        f"import {RedisSessionService.__module__}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(("ImportError", "ModuleNotFoundError"))
    assert "pip install --upgrade 'redis-store[google-adk]'" in last


@on_each_topology
async def test_events_come_back_in_order(service: RedisSessionService) -> None:
    session = await created(service)
    for n in range(5):
        given = event(str(n), 1e9 + n)
        assert await service.append_event(session, given) is given
    assert texts(session) == ["0", "1", "2", "3", "4"]
    assert session.last_update_time == 1e9 + 4
    assert seen(await read(service)) == seen(session)
    assert await service.get_session(**OTHER.arguments) is None


async def test_a_session_is_created_once(service: RedisSessionService) -> None:
    session = await created(service, S, x=1, app_y=2, user_z=3, temp_t=4)
    assert session.state == {"x": 1, "app:y": 2, "user:z": 3}
    with pytest.raises(AlreadyExistsError, match="s already exists"):
        await created(service, S, x=5, app_y=5, user_z=5)
    assert (await read(service)).state == session.state
    spaced = await service.create_session(app_name="app", user_id="ana", session_id=" \t s2 ")
    assert spaced.id == "s2"
    assert (await read(service, Names(session_id=" s2 "))).id == "s2"
    blank = [
        await service.create_session(app_name="app", user_id="ana", session_id=id_)
        for id_ in (None, "", "  ")
    ]
    assert len({session.id for session in blank}) == 3


async def test_states_are_shared_by_what_their_prefix_says(service: RedisSessionService) -> None:
    session = await created(service, S, x=1, app_y=2, user_z=3)
    delta: dict[str, Any] = {
        "x": None,
        "n": [1, {"a": []}],
        "app:y": 2**70,
        "user:w": "é",
        "temp:t": 1,
    }
    given = event(delta=delta)
    await service.append_event(session, given)
    assert given.actions.state_delta == {k: v for k, v in delta.items() if k != "temp:t"}
    shared = {"app:y": 2**70, "user:z": 3, "user:w": "é"}
    assert session.state == {"x": None, "n": [1, {"a": []}], "temp:t": 1, **shared}
    assert (await read(service)).state == {"x": None, "n": [1, {"a": []}], **shared}
    same_user = await created(service, OTHER)
    assert same_user.state == shared
    other_user = await created(service, Names(user_id="bob"))
    assert other_user.state == {"app:y": 2**70}
    assert (await created(service, Names("app2"))).state == {}
    assert await service.get_user_state(app_name="app", user_id="ana") == {"z": 3, "w": "é"}
    assert await service.get_user_state(app_name="app", user_id="bob") == {}


async def test_a_partial_event_is_not_stored(service: RedisSessionService) -> None:
    session = await created(service)
    given = event(delta={"x": 1}, partial=True)
    assert await service.append_event(session, given) is given
    assert (session.events, session.state) == ([], {})
    assert seen(await read(service)) == seen(session)


async def test_the_newest_events_and_those_after_a_time(service: RedisSessionService) -> None:
    session = await created(service)
    # Times need not rise: those from the newest one that is too old on are left out.
    for n, at in enumerate([1, 5, 2, 7, 7, 9]):
        await service.append_event(session, event(str(n), at))

    async def chosen(**config: Any) -> str:
        return "".join(str(text) for text in texts(await read(service, S, **config)))

    assert [await chosen(num_recent_events=n) for n in (0, 1, 4, 99)] == ["", "5", "2345", "012345"]
    times = {0.0: "012345", 1.5: "12345", 3.0: "345", 7.0: "345", 7.5: "5", 10.0: ""}
    assert {at: await chosen(after_timestamp=at) for at in times} == times
    assert await chosen(num_recent_events=2, after_timestamp=3.0) == "45"
    assert await chosen(num_recent_events=4, after_timestamp=3.0) == "345"
    assert await chosen(num_recent_events=3, after_timestamp=0.0) == "345"


async def test_sessions_are_listed_without_events(service: RedisSessionService) -> None:
    names = [S, OTHER, Names(user_id="bob"), Names("app2")]
    for at, each in zip([3.0, 1.0, 2.0, 4.0], names, strict=True):
        session = await created(service, each, n=at, user_u=each.user_id)
        await service.append_event(session, event(at=at))
    listed = (await service.list_sessions(app_name="app")).sessions
    assert [(each.id, each.user_id) for each in listed] == [
        ("s2", "ana"),
        ("s", "bob"),
        ("s", "ana"),
    ]
    assert [each.state for each in listed] == [
        {"n": 1.0, "user:u": "ana"},
        {"n": 2.0, "user:u": "bob"},
        {"n": 3.0, "user:u": "ana"},
    ]
    assert [each.events for each in listed] == [[]] * 3
    mine = (await service.list_sessions(app_name="app", user_id="ana")).sessions
    assert mine == [listed[0], listed[2]]
    for missing in ({"app_name": "none"}, {"app_name": "app", "user_id": "none"}):
        assert (await service.list_sessions(**missing)).sessions == []


async def test_a_deleted_session_is_gone_but_not_what_others_share(
    service: RedisSessionService,
) -> None:
    session = await created(service, S, x=1, app_y=2, user_z=3)
    await service.append_event(session, event())
    await created(service, OTHER)
    for _ in range(2):
        await service.delete_session(**S.arguments)
    assert await service.get_session(**S.arguments) is None
    listed = (await service.list_sessions(app_name="app")).sessions
    assert [each.id for each in listed] == ["s2"]
    again = await created(service)
    assert (again.state, again.events) == ({"app:y": 2, "user:z": 3}, [])


async def test_an_event_of_no_session_is_refused_before_anything_changes(
    service: RedisSessionService, raw: Raw, place: Place
) -> None:
    session = await created(service)
    await service.delete_session(**S.arguments)
    before = await snapshot(raw, place.keys.prefix)
    given = event(delta={"x": 1, "app:y": 2, "temp:t": 3})
    with pytest.raises(SessionNotFoundError, match="Session s not found"):
        await service.append_event(session, given)
    # In other slots it may be listed until somebody looks.
    assert (await service.list_sessions(app_name="app")).sessions == []
    assert (await service.list_sessions(app_name="app", user_id="ana")).sessions == []
    assert await snapshot(raw, place.keys.prefix) == before
    assert (session.state, session.events) == ({}, [])
    assert given.actions.state_delta == {"x": 1, "app:y": 2, "temp:t": 3}


async def test_a_session_that_others_appended_to_is_appended_to(
    service: RedisSessionService,
) -> None:
    await created(service)
    mine, theirs = await read(service), await read(service)
    await service.append_event(theirs, event("theirs", delta={"a": 1, "b": 1}))
    await service.append_event(mine, event("mine", delta={"b": 2}))
    found = await read(service)
    assert (texts(found), found.state) == (["theirs", "mine"], {"a": 1, "b": 2})
    partly = await read(service, S, num_recent_events=0)
    await service.append_event(partly, event("more"))
    assert texts(await read(service)) == ["theirs", "mine", "more"]


async def test_an_event_that_is_delivered_again_is_stored_once(
    service: RedisSessionService,
) -> None:
    session = await created(service)
    given = event("a", delta={"x": 1, "temp:t": 1}, id="e1")
    untouched = given.model_copy(deep=True)
    await service.append_event(session, given)
    await service.append_event(session, event("b", delta={"x": 2}))
    await service.append_event(session, given)
    await service.append_event(await read(service), given.model_copy(deep=True))
    await service.append_event(session, untouched)
    assert texts(session) == ["a", "b"]
    assert (texts(await read(service)), session.state) == (["a", "b"], {"x": 2, "temp:t": 1})
    # Another event of the same id is another event.
    await service.append_event(session, event("c", id="e1"))
    assert texts(await read(service)) == ["a", "b", "c"]
    # As is an equal one of another session, or of one that was made again.
    await service.append_event(await created(service, OTHER), given)
    assert texts(await read(service, OTHER)) == ["a"]
    await service.delete_session(**S.arguments)
    await service.append_event(await created(service), given)
    assert texts(await read(service)) == ["a"]


EVENTS = {
    "call": event(
        content=types.Content(
            role="model",
            parts=[types.Part.from_function_call(name="f", args={"a": None, "b": [1.5, {}, []]})],
        ),
        long_running_tool_ids={"c1"},
        branch="a.b",
    ),
    "blob": event(
        content=types.Content(
            parts=[
                types.Part.from_bytes(data=b"\0\xff", mime_type="image/png"),
                types.Part(text=""),
            ]
        )
    ),
    "actions": Event(
        author="agent",
        invocation_id="i1",
        actions=EventActions(
            escalate=True,
            artifact_delta={"f": 1},
            transfer_to_agent="b",
            state_delta={"none": None, "deep": {"a": [None]}},
            compaction=EventCompaction(
                start_timestamp=1.0,
                end_timestamp=2.0,
                compacted_content=types.Content(parts=[types.Part(text="x")]),
            ),
        ),
    ),
    "metadata": event(custom_metadata={"a": None, "é": [1]}, error_code="1", turn_complete=True),
    "nothing": Event(),
    "time": event(at=1700000000.123456789),
    "output": event(output={"a": None, "b": [1, 2.5, "x"]}),
}


@pytest.mark.parametrize("name", EVENTS)
async def test_any_event_comes_back_as_given(service: RedisSessionService, name: str) -> None:
    given = EVENTS[name].model_copy(deep=True)
    session = await created(service)
    await service.append_event(session, given)
    assert (await read(service)).events == [EVENTS[name]]
    assert (await read(service)).last_update_time == EVENTS[name].timestamp


HOSTILE = ["*", "a:b", "1:a", "{x}", "}", "a\x00b", "🙂", "x" * 500, "[a]?", " ' \\"]


async def test_any_name_is_a_name(service: RedisSessionService) -> None:
    """Each reaches its own session and states, and those of no other."""
    names = [Names(a, b, "s") for a in HOSTILE for b in HOSTILE[:4]]
    for n, each in enumerate(names):
        await created(service, each, n=n, user_n=n)
    for n, each in enumerate(names):
        found = await read(service, each)
        assert (found.app_name, found.user_id) == each[:2]
        assert (found.state["n"], found.state["user:n"]) == (n, n)
    for app in HOSTILE:
        listed = (await service.list_sessions(app_name=app)).sessions
        assert {each.user_id for each in listed} == {*HOSTILE[:4]}
    keys = {key: n for n, key in enumerate(["", "*", "a:b", "state:x", "updated", "time", "é\0"])}
    session = await service.create_session(app_name="k", user_id="ana", state=keys)
    assert session.state == keys


class _Opaque:
    def __str__(self) -> str:
        return "opaque"


async def test_values_that_json_does_not_have_are_stored_as_adk_stores_them(
    service: RedisSessionService,
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    values: dict[str, Any] = {"date": moment, "set": {1}, "half": HALF, "object": _Opaque()}
    assert (await created(service, S, **values)).state == {
        "date": "2026-01-01T00:00:00Z",
        "set": [1],
        "half": HALF,
        "object": "opaque",
    }


Call = Callable[[RedisSessionService], Awaitable[object]]
BAD: dict[str, Call] = {
    "app_name must": lambda s: s.create_session(app_name="", user_id="u"),
    "user_id must": lambda s: s.get_user_state(app_name="a", user_id=""),
    "session_id must": lambda s: s.get_session(app_name="a", user_id="u", session_id=" "),
    "session_id has": lambda s: s.delete_session(app_name="a", user_id="u", session_id="\ud800"),
    "app_name has": lambda s: s.list_sessions(app_name="\ud800"),
    "user_id has": lambda s: s.list_sessions(app_name="a", user_id="\ud800"),
    "state has no JSON form.*surrogates": lambda s: s.create_session(
        app_name="a", user_id="u", state={HALF: 1}
    ),
    "state has no JSON form.*utf": lambda s: s.create_session(
        app_name="a", user_id="u", state={"x": b"\xff"}
    ),
}


@pytest.mark.parametrize("message", BAD)
async def test_bad_arguments_are_refused_before_anything_is_sent(message: str) -> None:
    """No server is there: whatever is sent raises another error."""
    store = RedisStore("redis://127.0.0.1:1", operation_timeout=timedelta(seconds=0.1))
    with pytest.raises(InvalidArgumentError, match=message):
        await BAD[message](RedisSessionService(store))
    await store.close()


def test_bad_settings_are_refused_at_once() -> None:
    store: Any = "redis://localhost"
    ttl: Any = 60
    with pytest.raises(InvalidArgumentError, match="store must be a RedisStore"):
        RedisSessionService(store)
    with pytest.raises(InvalidArgumentError, match="ttl must be a timedelta"):
        RedisSessionService(RedisStore("redis://127.0.0.1:1"), ttl=ttl)
    with pytest.raises(InvalidArgumentError, match="ttl must be a millisecond or more"):
        RedisSessionService(RedisStore("redis://127.0.0.1:1"), ttl=timedelta())


NAN = float("nan")
UNREADABLE = {
    "event.timestamp would not come back": event(at=NAN),
    "event.actions.compaction.start_timestamp would": Event(
        actions=EventActions(
            compaction=EventCompaction(
                start_timestamp=NAN, end_timestamp=1.0, compacted_content=types.Content()
            )
        )
    ),
    "has no JSON form": event(HALF),
}


@pytest.mark.parametrize("message", UNREADABLE)
async def test_an_event_that_would_not_come_back_is_refused(
    service: RedisSessionService, message: str
) -> None:
    """It would make the whole session unreadable."""
    session = await created(service)
    with pytest.raises(InvalidArgumentError, match=f"append_event: .*{message}"):
        await service.append_event(session, UNREADABLE[message])
    assert session.events == (await read(service)).events == []


async def test_an_error_of_the_server_passes_through(service: RedisSessionService) -> None:
    session = await created(service)
    store = RedisStore("redis://127.0.0.1:1", operation_timeout=timedelta(seconds=0.1))
    away = RedisSessionService(store)
    with pytest.raises(BackendUnavailableError) as caught:
        await away.append_event(session, event(delta={"x": 1}))
    assert caught.value.code.startswith("APPEND_EVENT_")
    assert (session.events, session.state) == ([], {})
    with pytest.raises(BackendUnavailableError):
        await away.get_session(**S.arguments)
    await store.close()


@pytest.mark.parametrize("part", ["session", "session_items", "app_state", "user_state"])
async def test_a_corrupt_record_says_its_key(
    service: RedisSessionService, raw: Raw, place: Place, part: str
) -> None:
    session = await created(service, S, x=1, app_y=1, user_z=1)
    await service.append_event(session, event())
    (key,) = [key for key in await raw.keys(place.keys.prefix) if f":{part}:" in key]
    if part == "session_items":
        await raw("LSET", key, 0, b"12345678{")
    else:
        await raw("HSET", key, "=state:x" if part == "session" else "y", "{")
    with pytest.raises(CorruptRecordError) as caught:
        await read(service)
    assert caught.value.key == key


async def test_a_session_that_is_not_used_expires(
    opened: RedisStore, raw: Raw, place: Place
) -> None:
    service = RedisSessionService(opened, ttl=timedelta(seconds=90))
    session = await created(service, S, app_y=1)
    await service.append_event(session, event())
    keys = [key for key in await raw.keys(place.keys.prefix) if ":session" in key]
    own = [key for key in keys if ":session:" in key or ":session_items:" in key]
    assert len(own) == 2
    for key in own:
        assert 80_000 < await raw("PTTL", key) <= 90_000
        await raw("PEXPIRE", key, 50_000)
    await read(service)
    for key in own:
        assert 80_000 < await raw("PTTL", key) <= 90_000
    for key in own:
        await raw("DEL", key)
    assert (await service.list_sessions(app_name="app")).sessions == []
    assert await service.get_session(**S.arguments) is None
