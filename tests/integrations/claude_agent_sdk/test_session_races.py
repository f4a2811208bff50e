"""Many processes on one session: no entry is lost, and the summary is that of all."""

import asyncio
from functools import partial
from itertools import count
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store import RedisStore
from redis_store.integrations.claude_agent_sdk import RedisSessionStore
from redis_store.integrations.claude_agent_sdk.stored_sessions import StoredSessions
from tests.integrations.claude_agent_sdk.entries import (
    AGENT,
    KEY,
    assert_summaries_follow,
    entries,
    entry,
    session,
    uuids,
)
from tests.property.model_comparison import place_on
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST, on_each_topology
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store


@on_each_topology
async def test_racing_appends_keep_every_entry(opened: RedisStore, place: Place) -> None:
    async with place.store() as other:
        both = RedisSessionStore(opened), RedisSessionStore(other)
        # Each batch is delivered twice, by different processes.
        appends = [
            both[(n + again) % 2].append(KEY, [entry(str(n), customTitle=str(n)), entry(mode=n)])
            for n in range(20)
            for again in range(2)
        ]
        await asyncio.gather(*appends)
        found = await uuids(both[0])
        assert sorted(int(each) for each in found if each) == [*range(20)]
        assert len(found) == 40
        for sessions in both:
            await assert_summaries_follow(sessions)
            await sessions.append(KEY, [entry(mode="last")])
            await assert_summaries_follow(sessions)
    assert (await opened.verify()).ok


async def test_a_batch_whose_reply_is_lost_counts_once(opened: RedisStore, place: Place) -> None:
    async with place.store() as forgetful:
        sessions = RedisSessionStore(forgetful)
        for batch in [entry("a"), entry(mode="x")], [entry(mode="x")]:
            lost = lose_next_reply(forgetful, of_repeatable=True)
            await sessions.append(KEY, batch)
            assert lost
        assert await uuids(sessions) == ["a", None, None]
        await assert_summaries_follow(RedisSessionStore(opened))


@pytest.mark.parametrize("how", get_args(How))
async def test_a_cancelled_append_did_all_or_nothing(
    opened: RedisStore, place: Place, how: How
) -> None:
    direct = RedisSessionStore(opened)
    batch = [entry("b", customTitle="t"), entry(mode="x")]
    lengths: set[int] = set()
    async with gated_store(place) as (gated, gate):
        for point in count():
            key = session(str(point))
            # Begun by another process, so that the summary takes a second step.
            await direct.append(key, entries("a"))
            append = partial(RedisSessionStore(gated).append, key, batch)
            if not await cancelled_at(point, append, gate, how):
                break
            found = await uuids(direct, key)
            assert found in (["a"], ["a", "b", None])
            lengths.add(len(found))
            await assert_summaries_follow(direct)
            await direct.append(key, batch)
            assert await uuids(direct, key) == ["a", "b", None]
            await assert_summaries_follow(direct)
    assert lengths == {1, 3}


async def test_an_append_after_another_process_ended_makes_up_for_its_summary(
    opened: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = RedisSessionStore(opened), RedisSessionStore(opened)
    await mine.append(KEY, [entry("a", customTitle="one")])

    async def end(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(StoredSessions, "summarize", end)
        with pytest.raises(asyncio.CancelledError):
            await theirs.append(KEY, [entry("b", customTitle="two")])
    await assert_summaries_follow(mine)
    await mine.append(KEY, [entry("c")])
    await assert_summaries_follow(mine)


async def test_deletions_race_appends(opened: RedisStore, place: Place) -> None:
    """A session is there as a new one, or gone with all."""
    async with place.store() as other:
        mine, theirs = RedisSessionStore(opened), RedisSessionStore(other)
        for n in range(10):
            await mine.append(KEY, entries("ab"))
            await mine.append(AGENT, entries("a"))
            await asyncio.gather(theirs.append(KEY, entries("c")), mine.delete(KEY))
            found = await uuids(mine)
            assert found in ([], ["c"]), n
            assert await mine.load(AGENT) is None
            assert len(await mine.list_sessions("p")) == bool(found)
            await assert_summaries_follow(theirs)
            assert (await opened.verify()).ok
            await mine.delete(KEY)


CALLS = st.tuples(
    st.sampled_from(["append", "append", "append", "delete", "agent", "delete agent"]),
    st.integers(0, 1),
    st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=4),
)


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@given(program=st.lists(CALLS, max_size=25))
@settings(max_examples=25, deadline=None, print_blob=True)
async def test_any_program_stores_each_entry_once(
    program: list[tuple[str, int, list[str]]], layout: str, servers: dict[str, Server]
) -> None:
    model: dict[str, list[str]] = {}
    number = count()
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, _),
        place.store() as store,
    ):
        processes = RedisSessionStore(store), RedisSessionStore(store)
        for call, process, ids in program:
            sessions, key = processes[process], AGENT if "agent" in call else KEY
            subpath = key.get("subpath", "")
            if call.startswith("delete"):
                await sessions.delete(key)
                model = {} if not subpath else {k: v for k, v in model.items() if k != subpath}
                continue
            # A batch that was delivered before is one of its own: its marker differs.
            marked = [entry(id_, n=next(number)) for id_ in ids]
            await sessions.append(key, marked)
            stored = model.setdefault(subpath, [])
            stored += [
                id_ for n, id_ in enumerate(ids) if not id_ or id_ not in (*stored, *ids[:n])
            ]
        for subpath, expected in model.items():
            key = AGENT if subpath else KEY
            assert [each or "" for each in await uuids(processes[0], key)] == expected
        await assert_summaries_follow(processes[1])
        assert (await store.verify()).ok
        await store.dangerously_clear_integrations()
