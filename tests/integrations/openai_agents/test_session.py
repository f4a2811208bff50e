"""RedisSession: items come back as given, and sessions are threads like any other."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import pytest
from agents.extensions.memory import EncryptedSession
from agents.memory import Session, SessionSettings
from pydantic import BaseModel

from redis_store import (
    BackendUnavailableError,
    CorruptRecordError,
    InvalidArgumentError,
    Message,
    RedisStore,
    Thread,
)
from redis_store.integrations import openai_agents
from redis_store.integrations.openai_agents import RedisSession
from tests.integrations.openai_agents.items import ODD, item, said
from tests.support.deployments.place import Place
from tests.support.records.messages import snapshot
from tests.support.wire.raw import Raw


@pytest.fixture
def session(store: RedisStore) -> RedisSession:
    return RedisSession("t", store, user="ana")


def test_it_is_what_the_sdk_calls_a_session() -> None:
    session: Session = RedisSession("t", RedisStore("redis://127.0.0.1:1"))
    assert isinstance(session, Session)
    assert (session.session_id, session.session_settings) == ("t", None)


def test_the_sdk_is_not_imported() -> None:
    code = f"import sys, {openai_agents.__name__}; print('agents' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


async def test_items_come_back_as_given_and_in_order(session: RedisSession) -> None:
    assert await session.get_items() == []
    await session.add_items([item(each) for each in ODD[:5]])
    for each in ODD[5:]:
        await session.add_items([item(each)])
    items = await session.get_items()
    assert items == ODD
    assert [[*each] for each in items] == [[*each] for each in ODD], "keys keep their order"
    await session.add_items([item(each) for each in ODD])
    assert await session.get_items() == [*ODD, *ODD]
    assert [await session.pop_item() for _ in ODD] == ODD[::-1]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 17, 10**6, 2**31, 2**70])
async def test_a_limit_is_the_newest_items(session: RedisSession, n: int) -> None:
    await session.add_items([item(each) for each in ODD])
    assert await session.get_items(n) == ODD[-n:]


async def test_the_settings_have_the_default_limit(store: RedisStore) -> None:
    session = RedisSession("t", store, session_settings=SessionSettings(limit=2))
    await session.add_items([said(text) for text in "abc"])
    assert await session.get_items() == [said("b"), said("c")]
    assert await session.get_items(1) == [said("c")]
    assert await session.get_items(3) == [said("a"), said("b"), said("c")]
    for none in (0, -1):
        assert await session.get_items(none) == []
    session.session_settings = SessionSettings(limit=0)
    assert await session.get_items() == []
    session.session_settings = SessionSettings()
    assert len(await session.get_items()) == 3


async def test_pop_takes_the_newest(session: RedisSession) -> None:
    assert await session.pop_item() is None
    await session.add_items([said("a"), said("b")])
    await session.add_items([said("c")])
    assert [await session.pop_item() for _ in range(2)] == [said("c"), said("b")]
    await session.add_items([said("d")])
    assert await session.get_items() == [said("a"), said("d")]
    assert [await session.pop_item() for _ in range(3)] == [said("d"), said("a"), None]


async def test_clear_deletes_the_session_and_no_other(
    store: RedisStore, session: RedisSession, raw: Raw, place: Place
) -> None:
    await session.clear_session()
    other = RedisSession("t2", store)
    await other.add_items([said("kept")])
    before = await snapshot(raw, place.keys.prefix)
    await session.add_items([said("a"), said("b")])
    await store.memory.update_thread("t", title="title")
    await session.clear_session()
    assert await session.get_items() == []
    assert await store.memory.get_thread_by_id("t") is None
    after = await snapshot(raw, place.keys.prefix)
    assert after.keys() == before.keys()
    await session.add_items([said("again")])
    assert await session.get_items() == [said("again")]
    assert await other.get_items() == [said("kept")]


async def test_adding_nothing_makes_no_session(
    session: RedisSession, raw: Raw, place: Place
) -> None:
    before = await snapshot(raw, place.keys.prefix)
    await session.add_items([])
    assert await snapshot(raw, place.keys.prefix) == before


async def test_a_session_is_a_thread_of_its_user(store: RedisStore, session: RedisSession) -> None:
    """It is listed, paged, cloned, exported and erased by the calls for threads."""
    await session.add_items([said("Hello"), item(ODD[5]), item(ODD[6])])
    await RedisSession("b", store, user="bob").add_items([said("Hi")])
    memory = store.memory
    (mine,) = await memory.list_threads(resource_id="ana")
    assert (mine.id, mine.resource_id, mine.title) == ("t", "ana", None)
    page = await memory.list_messages("t", per_page=2)
    assert [(m.role, m.text, m.resource_id) for m in page] == [
        ("user", "Hello", "ana"),
        ("assistant", "", "ana"),
    ]
    assert (page.total, page.has_more) == (3, True)
    clone = (await memory.clone_thread("t")).thread
    assert await RedisSession(clone.id, store).get_items() == await session.get_items()
    exported = [record async for record in store.export_resource("ana")]
    assert sum(isinstance(record, Message) for record in exported) == 6
    await store.erase_resource("ana")
    assert await session.get_items() == []
    assert await RedisSession("b", store).get_items() == [said("Hi")]


async def test_a_thread_that_exists_keeps_its_owner_and_title(
    store: RedisStore, session: RedisSession
) -> None:
    await store.memory.save_thread(Thread(id="t", resource_id="bob", title="Ours"))
    await session.add_items([said("a")])
    thread = await store.memory.get_thread_by_id("t")
    assert thread is not None
    assert (thread.resource_id, thread.title) == ("bob", "Ours")
    (message,) = await store.memory.list_messages("t")
    assert message.resource_id == "ana"
    assert (await store.verify()).ok


async def test_the_sdk_can_encrypt_what_a_session_keeps(
    store: RedisStore, session: RedisSession, raw: Raw, place: Place
) -> None:
    # It takes any session, but its signature says SessionABC.
    encrypted = EncryptedSession("t", cast("Any", session), encryption_key="secret key")
    await encrypted.add_items([said("Hello"), item(ODD[5])])
    assert await encrypted.get_items() == [said("Hello"), ODD[5]]
    assert await encrypted.get_items(1) == [ODD[5]]
    stored = await snapshot(raw, place.keys.prefix)
    assert not any(b"Hello" in value for value in stored.values())
    assert await encrypted.pop_item() == ODD[5]
    assert [m.text for m in await store.memory.list_messages("t")] == [""]


async def test_messages_of_others_read_as_items(store: RedisStore, session: RedisSession) -> None:
    await session.add_items([said("a")])
    others = [
        Message(thread_id="t", resource_id="ana", role=role, content=content)
        for role, content in [
            ("user", {"format": 2, "parts": [{"type": "text", "text": "b"}]}),
            ("system", "c"),
            ("tool", [{"type": "text", "text": "d"}]),
            ("assistant", {"item": "none"}),
        ]
    ]
    await store.memory.save_messages(others)
    expected = [("user", "a"), ("user", "b"), ("system", "c"), ("assistant", "d")]
    items = [dict(each) for each in await session.get_items()]
    assert [(i["role"], i["content"]) for i in items] == [*expected, ("assistant", "")]
    assert await session.pop_item() == {"role": "assistant", "content": ""}
    assert await session.pop_item() == {"role": "assistant", "content": "d"}


async def test_items_follow_what_was_read_whatever_the_clock_says(
    store: RedisStore, session: RedisSession
) -> None:
    """Another process, whose clock is ahead, has the last word only if it spoke last."""
    ahead = datetime.now(UTC) + timedelta(hours=1)
    message = Message.from_text("user", "a", thread_id="t", resource_id="ana", created_at=ahead)
    await store.memory.save_messages([message], create_thread=True)
    assert len(await session.get_items(1)) == 1
    await session.add_items([said("b")])
    await session.add_items([said("c")])
    assert await session.get_items() == [said("a"), said("b"), said("c")]
    assert await session.pop_item() == said("c")


async def test_the_servers_clock_dates_items_too(place: Place) -> None:
    async with place.store(clock="server") as opened:
        session = RedisSession("t", opened)
        for text in "abc":
            await session.add_items([said(text), said(text)])
        assert [dict(each)["content"] for each in await session.get_items()] == [*"aabbcc"]
        dates = [each.created_at for each in await opened.memory.list_messages("t")]
        assert dates[::2] == dates[1::2] == sorted(set(dates))
        await session.clear_session()


async def test_a_session_that_is_not_used_expires(place: Place, raw: Raw) -> None:
    async with place.store(thread_ttl=timedelta(seconds=90)) as expiring:
        session = RedisSession("t", expiring)
        await session.add_items([said("a")])
        assert 80_000 < await raw("PTTL", place.keys.thread("t")) <= 90_000
        assert await session.get_items() == [said("a")]
        await session.clear_session()
        await expiring.memory.dangerously_clear_all()


class Model(BaseModel):
    role: str = "user"
    content: str = "x"


async def test_items_that_are_no_dicts_are_stored_as_their_json(session: RedisSession) -> None:
    given: Any = (Model(), {"role": "user", "content": ("y",)})
    await session.add_items(given)
    assert await session.get_items() == [said("x"), {"role": "user", "content": ["y"]}]


Call = Callable[[RedisSession], Awaitable[object]]


class Wrong(NamedTuple):
    call: Call
    message: str


def _add_all(items: Any) -> Call:
    return lambda session: session.add_items(items)


def _add(*items: object) -> Call:
    return _add_all([*items])


def _deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def _get(limit: Any) -> Call:
    return lambda session: session.get_items(limit)


WRONG: dict[str, Wrong] = {
    "a set": Wrong(_add(said("a"), {"role": "user", "a": {1}}), r"^add_items: items\[1\].a has no"),
    "NaN": Wrong(_add({"x": [float("nan")]}), r"items\[0\].x\[0\] has no JSON form"),
    "no dict": Wrong(_add(said("a"), "b"), r"items\[1\] must be a dict"),
    "None": Wrong(_add(None), r"items\[0\] must be a dict"),
    "too deep": Wrong(_add({"x": _deep(300)}), "has no JSON form: more than 200"),
    "no list": Wrong(_add_all("abc"), "items must be a list"),
    "a dict": Wrong(_add_all({}), "items must be a list"),
    "limit": Wrong(_get("3"), "get_items: limit must be an int"),
    "bool": Wrong(_get(limit=True), "limit must be an int"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_bad_arguments_are_refused_before_anything_is_sent(name: str) -> None:
    """No server is there: whatever is sent raises another error."""
    store = RedisStore("redis://127.0.0.1:1", operation_timeout=timedelta(seconds=0.1))
    with pytest.raises(InvalidArgumentError, match=WRONG[name].message):
        await WRONG[name].call(RedisSession("t", store))
    await store.close()


@pytest.mark.parametrize("depth", [197, 198, 199])
async def test_an_item_may_be_as_deep_as_any_content(session: RedisSession, depth: int) -> None:
    given = item({"x": _deep(depth)})
    if depth > 198:
        with pytest.raises(InvalidArgumentError, match="nested"):
            await session.add_items([given])
        assert await session.get_items() == []
    else:
        await session.add_items([given])
        assert await session.get_items() == [given]


BAD_SETTINGS: dict[str, dict[str, Any]] = {
    "session_id": {"session_id": ""},
    "session_id must neither": {"session_id": "a:id:b"},
    "user": {"user": ""},
    "store": {"store": "redis://localhost"},
    "session_settings": {"session_settings": {"limit": 1}},
}


@pytest.mark.parametrize("expected", BAD_SETTINGS)
def test_bad_settings_are_refused_at_once(expected: str) -> None:
    settings: dict[str, Any] = {"session_id": "t", "store": RedisStore("redis://127.0.0.1:1")}
    with pytest.raises(InvalidArgumentError, match=f"^{expected}"):
        RedisSession(**(settings | BAD_SETTINGS[expected]))


@pytest.mark.damages
async def test_a_corrupt_item_says_its_key(session: RedisSession, raw: Raw, place: Place) -> None:
    await session.add_items([said("a")])
    (key,) = [key for key in await raw.keys(place.keys.prefix) if "mastra_messages" in key]
    await raw("SET", key, "{")
    calls: list[Callable[[], Awaitable[object]]] = [session.get_items, session.pop_item]
    for call in calls:
        with pytest.raises(CorruptRecordError) as caught:
            await call()
        assert caught.value.key == key


async def test_an_error_of_the_store_passes_through() -> None:
    store = RedisStore("redis://127.0.0.1:1", operation_timeout=timedelta(seconds=0.1))
    session = RedisSession("t", store)
    calls: list[Callable[[], Awaitable[object]]] = [
        session.get_items,
        lambda: session.add_items([said("a")]),
        session.pop_item,
        session.clear_session,
    ]
    for call in calls:
        with pytest.raises(BackendUnavailableError):
            await call()
    await store.close()
