"""Threads as wholes: listed, copied, pruned, deleted, expiring; and what indexes know of them."""

from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from redis_store import Pruned, RedisStore
from redis_store.integrations.langgraph import RedisSaver, checkpoint_reads, thread_changes
from redis_store.integrations.langgraph.checkpoint_keys import CheckpointKeys
from redis_store.maintenance import Retention
from tests.integrations.langgraph.states import Thread, chat, config, messages
from tests.support.deployments.place import Place
from tests.support.wire.raw import Raw

DAY = timedelta(days=1)


async def ids(saver: RedisSaver, where: Any, **options: Any) -> list[str]:
    return [each.checkpoint["id"] async for each in saver.alist(where, **options)]


async def test_all_threads_are_listed_the_latest_written_first(saver: RedisSaver) -> None:
    first, second = Thread(saver, "first"), Thread(saver, "second")
    made = [await first.put(x=1), await second.put(x=2), await second.put(x=3)]
    assert sorted(await ids(saver, None)) == sorted(made)
    assert await ids(saver, None, limit=2) == (await ids(saver, None))[:2]
    assert await ids(saver, None, limit=0) == []
    assert await ids(saver, None, filter={"run_id": "r"}) == []


async def test_a_users_threads_are_found_where_calls_name_the_user(saver: RedisSaver) -> None:
    """As the package's docstring says: also one that has other checkpoints, too."""
    graph = chat("model").compile(checkpointer=saver)
    for thread, user in (("1", "ana"), ("2", "bob"), ("3", "ana")):
        at: Any = {"configurable": {"thread_id": thread, "user_id": user}}
        await graph.ainvoke({"messages": messages(1)}, at)
    await graph.aupdate_state(config("1"), {"messages": messages(1, 5)})
    found = saver.alist(None, filter={"user_id": "ana"})
    threads = {each.config.get("configurable", {})["thread_id"] async for each in found}
    assert threads == {"1", "3"}
    for thread in threads:
        await saver.adelete_thread(thread)
    left = [each async for each in saver.alist(None)]
    assert {each.config.get("configurable", {})["thread_id"] for each in left} == {"2"}


async def test_a_long_thread_is_listed_in_pages(
    saver: RedisSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of members, and of bytes."""
    monkeypatch.setattr(checkpoint_reads, "_MEMBERS", 7)
    monkeypatch.setattr(checkpoint_reads, "_REPLY_BYTES", 10_000)
    thread, sub = Thread(saver), Thread(saver, "t", "sub")
    made = [await thread.put(messages=messages(10 + at)) for at in range(20)]
    made_in_sub = [await sub.put(x=at) for at in range(3)]
    newest_first = made[::-1]
    assert await ids(saver, config()) == newest_first
    for limit in (1, 7, 8, 19, 20, 21):
        assert await ids(saver, config(), limit=limit) == newest_first[:limit]
    before = config(id=made[13])
    assert await ids(saver, config(), before=before) == newest_first[7:]
    assert await ids(saver, config(), before=before, limit=2) == newest_first[7:9]
    everywhere: Any = {"configurable": {"thread_id": "t"}}
    assert await ids(saver, everywhere) == [*made_in_sub[::-1], *newest_first]
    assert await ids(saver, everywhere, before=before) == newest_first[7:]
    assert await ids(saver, config(id=made[3])) == [made[3]]
    everywhere["configurable"]["checkpoint_id"] = made_in_sub[0]
    assert await ids(saver, everywhere) == [made_in_sub[0]]
    counts = [len(t.checkpoint["channel_values"]["messages"]) async for t in saver.alist(config())]
    assert counts == [*range(29, 9, -1)]


async def test_a_copy_is_a_thread_of_its_own(saver: RedisSaver) -> None:
    source = Thread(saver, "source")
    await source.put(run="r", messages=messages(20))
    await saver.aput_writes(source.at, [("x", 1)], "task")
    replaced = Thread(saver, "copy")
    await replaced.put(run="old", x="replaced")
    await saver.aput_writes(replaced.at, [("x", 2)], "task 2")
    await saver.acopy_thread("source", "copy")
    await source.put(messages=messages(21))
    copy = await saver.aget_tuple(config("copy"))
    assert copy is not None
    assert copy.checkpoint["channel_values"] == {"messages": messages(20)}
    assert copy.pending_writes == [("task", "x", 1)]
    await saver.adelete_for_runs(["old"])
    assert len(await ids(saver, config("copy"))) == 1
    await saver.adelete_for_runs(["r"])
    assert await saver.aget_tuple(config("copy")) is None
    assert len(await ids(saver, config("source"))) == 1


async def test_a_copy_of_nothing_and_onto_itself_changes_nothing(saver: RedisSaver) -> None:
    thread = Thread(saver)
    id_ = await thread.put(x=1)
    await saver.acopy_thread("none", "t")
    await saver.acopy_thread("t", "t")
    assert await ids(saver, config()) == [id_]


async def test_runs_are_deleted_wherever_they_are(store: RedisStore, saver: RedisSaver) -> None:
    """What others are based on stays readable, and what nobody needs goes."""
    threads = [Thread(saver, name) for name in "ab"]
    for thread in threads:
        await thread.put(run="old", messages=messages(20))
        await thread.put(run="old", messages=messages(21), x=1)
        await thread.put(run="new", messages=messages(22))
        await saver.aput_writes(thread.at, [("x", 2)], "task")
    await saver.adelete_for_runs([])
    await saver.adelete_for_runs(["old", "unknown"])
    for name in "ab":
        assert len(await ids(saver, config(name))) == 1
        found = await RedisSaver(store).aget_tuple(config(name))
        assert found is not None
        assert found.checkpoint["channel_values"] == {"messages": messages(22), "x": 1}
        assert found.pending_writes == [("task", "x", 2)]


async def test_pruning_keeps_the_newest_of_each_namespace(
    saver: RedisSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_changes, "_BATCH", 3)
    made = list[str]()
    for namespace in ("", "sub", "sub|deep"):
        thread = Thread(saver, "t", namespace)
        made.append([await thread.put(messages=messages(10 + at)) for at in range(5)][-1])
    await Thread(saver, "u").put(x=1)
    await saver.aprune(["t", "u", "none"])
    everywhere: Any = {"configurable": {"thread_id": "t"}}
    assert await ids(saver, everywhere) == made[::-1]
    assert len(await ids(saver, config("u"))) == 1
    await saver.aprune(["t", "u"], strategy="delete")
    assert await ids(saver, None) == []


async def test_pruning_keeps_what_a_delta_channel_is_put_together_from(saver: RedisSaver) -> None:
    """Back to the checkpoint that has its value; those before it go."""
    thread = Thread(saver)
    await thread.put(log=["gone"])
    seed = await thread.put(log=["seed"])
    made = list[str]()
    for at in range(3):
        await saver.aput_writes(thread.at, [("log", at)], f"task {at}")
        # A new version of which no value is stored.
        thread.values.pop("log")
        checkpoint, new = thread.checkpoint(log=None)
        del checkpoint["channel_values"]["log"]
        metadata: Any = {"counters_since_delta_snapshot": {"log": (at + 1, at + 1)}}
        thread.at = await saver.aput(thread.at, checkpoint, metadata, new)
        made.append(checkpoint["id"])
    before = await saver.aget_delta_channel_history(config=config(), channels=["log"])
    assert before == {
        "log": {"seed": ["seed"], "writes": [(f"task {at}", "log", at) for at in range(3)]}
    }
    await saver.aprune(["t"])
    assert await ids(saver, config()) == [*made[::-1], seed]
    assert await saver.aget_delta_channel_history(config=config(), channels=["log"]) == before


async def test_a_thread_that_is_not_used_expires(
    store: RedisStore, saver: RedisSaver, place: Place, raw: Raw
) -> None:
    """With all of its keys, each time that it is written to; reading counts if it is told to."""
    keys = CheckpointKeys(place.keys).thread("t")
    await Thread(saver).put(run="r", x=1)
    expiring = RedisSaver(store, ttl=DAY)
    reading = RedisSaver(store, ttl=DAY, refresh_on_read=True)

    async def lifetimes() -> set[bool]:
        """Whether keys have a lifetime; take it away again."""
        existing = [key for key in keys if await raw("EXISTS", key)]
        found = {await raw("PTTL", key) > 0 for key in existing}
        for key in existing:
            await raw("PERSIST", key)
        return found

    assert await lifetimes() == {False}
    thread = Thread(expiring)
    await thread.put(run="r", x=1)
    assert await lifetimes() == {True}
    await expiring.aput_writes(thread.at, [("x", 1)], "task")
    assert await lifetimes() == {True}
    await expiring.aget_tuple(config())
    assert await lifetimes() == {False}
    await reading.aget_tuple(config())
    assert await lifetimes() == {True}
    assert len([each async for each in reading.alist(config())]) == 2
    assert await lifetimes() == {True}
    await expiring.acopy_thread("t", "copy")
    copied = CheckpointKeys(place.keys).thread("copy")
    assert [await raw("PTTL", key) > 0 for key in copied] == [True] * 4


async def test_a_listing_forgets_threads_that_are_gone(
    saver: RedisSaver, place: Place, raw: Raw
) -> None:
    await Thread(saver).put(x=1)
    await raw("DEL", *CheckpointKeys(place.keys).thread("t"))
    assert await ids(saver, None) == []
    assert await raw.keys(place.keys.prefix) == []


async def test_verify_finds_and_mends_indexes(
    store: RedisStore, saver: RedisSaver, place: Place, raw: Raw
) -> None:
    keys = CheckpointKeys(place.keys)
    await Thread(saver).put(run="r", x=1)
    assert (await store.verify()).ok
    await raw("DEL", keys.threads_index("t"), keys.run_index("r"))
    await raw("ZADD", keys.threads_index("gone"), 5, "gone")
    await raw("ZADD", keys.run_index("other"), 0, "t")
    left_over = config("late", id="1")
    await saver.aput_writes(left_over, [("x", 1)], "task")
    young = await store.verify()
    assert young.problems == {"missing entry": 2, "stale entry": 2}
    await raw("HSET", keys.thread("late").data, "t", 5)
    report = await store.verify(repair=True)
    assert report.problems == {"missing entry": 2, "stale entry": 2, "orphan body": 1}
    assert report.repaired == 5
    assert (await store.verify()).ok
    assert len(await ids(saver, None)) == 1


async def test_old_threads_are_pruned(place: Place, saver: RedisSaver, raw: Raw) -> None:
    keys = CheckpointKeys(place.keys)
    for name in ("old", "young", "renewed"):
        await Thread(saver, name).put(run="r", x=1)
    for name in ("old", "renewed"):
        await raw("ZADD", keys.threads_index(name), 5, name)
    await raw("HSET", keys.thread("old").data, "t", 5)
    async with place.store(retention=Retention(integrations=DAY)) as pruning:
        assert Pruned("langgraph", 1, done=True) in await pruning.prune()
    assert await saver.aget_tuple(config("old")) is None
    assert await saver.aget_tuple(config("young"))
    assert await saver.aget_tuple(config("renewed"))
