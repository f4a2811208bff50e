"""RedisSessionStore keeps the SDK's contracts, and returns what it was given."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from claude_agent_sdk import (
    ClaudeAgentOptions,
    SessionKey,
    delete_session_via_store,
    get_session_messages_from_store,
    list_sessions_from_store,
    project_key_for_directory,
)
from claude_agent_sdk.testing import run_session_store_conformance

from redis_store import CorruptRecordError, InvalidArgumentError, RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore
from tests.integrations.claude_agent_sdk.entries import (
    AGENT,
    KEY,
    assert_summaries_follow,
    entries,
    entry,
    uuids,
)
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.raw import Raw


@on_each_topology
async def test_all_contracts_of_the_sdk_are_kept(opened: RedisStore) -> None:
    made: list[RedisSessionStore] = []

    def make() -> RedisSessionStore:
        # A user each, so that none sees what another stored.
        made.append(RedisSessionStore(opened, user=str(len(made))))
        return made[-1]

    await run_session_store_conformance(make)
    assert len(made) == 15, "one for each of 14 contracts, and one to ask what there is"


async def test_it_fits_the_options(sessions: RedisSessionStore) -> None:
    assert ClaudeAgentOptions(session_store=sessions).session_store is sessions


async def test_a_retried_batch_is_taken_once(sessions: RedisSessionStore) -> None:
    batch = [*entries("ab"), entry(customTitle="t"), entry("c")]
    for _ in range(3):
        await sessions.append(KEY, batch)
    assert await uuids(sessions) == ["a", "b", None, "c"]
    # One that overlaps with what was stored.
    await sessions.append(KEY, entries("bcd"))
    assert await uuids(sessions) == ["a", "b", None, "c", "d"]
    # Another transcript has entries of its own.
    await sessions.append(AGENT, entries("ab"))
    assert await uuids(sessions, AGENT) == ["a", "b"]
    await assert_summaries_follow(sessions)


async def test_markers_that_come_again_are_stored_again(sessions: RedisSessionStore) -> None:
    for mode in "xyx":
        await sessions.append(KEY, [entry(mode=mode)])
    stored = cast("list[dict[str, Any]]", await sessions.load(KEY))
    assert [each["mode"] for each in stored] == ["x", "y", "x"]
    await sessions.append(KEY, [entry("1"), entry(mode="z")])
    await sessions.append(KEY, [entry("2"), entry(mode="z")])
    assert len(await uuids(sessions)) == 7


@pytest.mark.parametrize(
    "value",
    ["é\0\ud800\U0001f600", 2**70, 1.5, float("inf"), None, [], {"": {"a": [1, {"b": None}]}}],
)
async def test_entries_come_back_as_they_were(sessions: RedisSessionStore, value: object) -> None:
    given = [entry("\ud800" if value is None else "u", message=value), entry(value=value)]
    await sessions.append(KEY, given)
    assert await sessions.load(KEY) == given
    await assert_summaries_follow(sessions)


HOSTILE = ["{x}", "a:b", "*", "a\0b", "é" * 300, "1:a", "}{", " ", "../x"]


async def test_any_ids_are_apart(opened: RedisStore) -> None:
    keys: list[tuple[RedisSessionStore, SessionKey]] = []
    for user in "u", "{u}":
        sessions = RedisSessionStore(opened, user=user)
        for id_ in HOSTILE:
            keys.append((sessions, {"project_key": id_, "session_id": "s"}))
            keys.append((sessions, {"project_key": "s", "session_id": id_}))
            keys.append((sessions, {"project_key": id_, "session_id": "s", "subpath": id_}))
    await asyncio.gather(*(s.append(key, entries([n])) for n, (s, key) in enumerate(keys)))
    for n, (sessions, key) in enumerate(keys):
        assert await uuids(sessions, key) == [str(n)]
    of_user = RedisSessionStore(opened, user="u")
    listed = await of_user.list_sessions("s")
    assert sorted(each["session_id"] for each in listed) == sorted(HOSTILE)
    for id_ in HOSTILE:
        assert await of_user.list_subkeys({"project_key": id_, "session_id": "s"}) == [id_]
        await of_user.delete({"project_key": id_, "session_id": "s"})
    assert await of_user.load({"project_key": "1:a", "session_id": "s", "subpath": "1:a"}) is None
    assert len(await RedisSessionStore(opened, user="{u}").list_sessions("*")) == 1
    assert (await opened.verify()).ok


async def test_bad_arguments_store_nothing(
    opened: RedisStore, sessions: RedisSessionStore, raw: Raw, place: Place
) -> None:
    bad: list[tuple[Any, Any]] = [
        ({"project_key": "p"}, entries("a")),
        ({**KEY, "session_id": ""}, entries("a")),
        ({**KEY, "session_id": 7}, entries("a")),
        ({**KEY, "subpath": ""}, entries("a")),
        ("p/s", entries("a")),
        (KEY, [entry("a"), "b"]),
        (KEY, [entry("a"), entry("b", message=object())]),
    ]
    for key, given in bad:
        with pytest.raises(InvalidArgumentError):
            await sessions.append(key, given)
    assert await raw.keys(place.keys.prefix) == []
    with pytest.raises(InvalidArgumentError, match="ttl"):
        RedisSessionStore(opened, ttl=timedelta(0))
    with pytest.raises(InvalidArgumentError, match="user"):
        RedisSessionStore(opened, user="")


async def test_a_session_expires_as_a_whole(
    opened: RedisStore, raw: Raw, place: Place, sessions: RedisSessionStore
) -> None:
    expiring = RedisSessionStore(opened, ttl=timedelta(hours=1))
    await expiring.append(AGENT, entries("a"))
    await expiring.append(KEY, entries("a"))
    found = await raw.keys(place.keys.prefix)
    stored = [key for key in found if ":session_by:" not in key]
    assert len(stored) == 5

    async def lifetimes() -> list[int]:
        return [await raw("PTTL", key) for key in stored]

    assert min(await lifetimes()) > 3_500_000
    for use in expiring.append(KEY, entries("b")), expiring.load(AGENT):
        for key in stored:
            await raw("PEXPIRE", key, 1_000_000)
        await use
        assert min(await lifetimes()) > 3_500_000
    for key in stored:
        await raw("PEXPIRE", key, 0)
    assert await sessions.list_sessions("p") == []
    assert await sessions.list_session_summaries("p") == []


async def test_what_is_unreadable_names_its_key(
    sessions: RedisSessionStore, raw: Raw, place: Place
) -> None:
    await sessions.append(KEY, entries("a"))
    (key,) = [key for key in await raw.keys(place.keys.prefix) if ":session_entries:" in key]
    for damaged in b"\xff{", b"[]":
        await raw("LSET", key, 0, damaged)
        with pytest.raises(CorruptRecordError) as caught:
            await sessions.load(KEY)
        assert caught.value.key == key


async def test_the_sdk_reads_sessions_from_it(sessions: RedisSessionStore, tmp_path: Any) -> None:
    project = project_key_for_directory(str(tmp_path))
    ids = [f"0000000{n}-0000-4000-8000-000000000000" for n in range(3)]
    for n, id_ in enumerate(ids):
        content = {"role": "user", "content": f"question {n}"}
        key: SessionKey = {"project_key": project, "session_id": id_}
        said = entry(id_, message=content, timestamp="2026-01-01T00:00:00.000Z", sessionId=id_)
        await sessions.append(key, [said])
    listed = await list_sessions_from_store(sessions, directory=str(tmp_path))
    assert sorted(each.summary for each in listed) == ["question 0", "question 1", "question 2"]
    found = await get_session_messages_from_store(sessions, ids[1], directory=str(tmp_path))
    assert [each.message for each in found] == [{"role": "user", "content": "question 1"}]
    await delete_session_via_store(sessions, ids[0], directory=str(tmp_path))
    listed = await list_sessions_from_store(sessions, directory=str(tmp_path))
    assert sorted(each.summary for each in listed) == ["question 1", "question 2"]
