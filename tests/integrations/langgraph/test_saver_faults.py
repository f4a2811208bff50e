"""Trouble: lost replies, lost bases, corrupt values, killed processes; nothing is half-written."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any, cast

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from redis_store import BackendError, CorruptRecordError, RedisStore
from redis_store._connections.commands import Command, Replies
from redis_store.integrations.langgraph import RedisSaver, deltas
from redis_store.integrations.langgraph.checkpoint_keys import CheckpointKeys
from tests.integrations.langgraph.states import Thread, chat, config, messages
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw


def repeat_each_request(store: RedisStore) -> list[Sequence[Command]]:
    """Send each request twice and lose the first replies; return what was sent so."""
    deployment = cast("Any", store)._lifecycle.deployment  # noqa: SLF001 - where replies come in
    send, repeated = deployment.send, list[Sequence[Command]]()

    async def twice(commands: Sequence[Command], *, repeatable: bool = True) -> Replies:
        assert repeatable
        repeated.append(commands)
        await send(commands, repeatable=repeatable)
        replies: Replies = await send(commands, repeatable=repeatable)
        return replies

    deployment.send = twice
    return repeated


async def values(saver: RedisSaver, thread: str = "t") -> dict[str, Any]:
    found = await saver.aget_tuple(config(thread))
    assert found is not None
    return found.checkpoint["channel_values"]


async def test_values_whose_bases_another_removed_are_stored_whole(
    store: RedisStore, saver: RedisSaver
) -> None:
    """Pruned or deleted, while this process knows them."""
    thread = Thread(saver)
    await thread.put(messages=messages(20))
    await thread.put(messages=messages(21))
    await RedisSaver(store).adelete_thread("t")
    await thread.put(messages=messages(22))
    assert await values(RedisSaver(store)) == {"messages": messages(22)}
    assert len([each async for each in saver.alist(config())]) == 1


async def test_a_checkpoint_after_its_values_were_deleted_has_none(
    store: RedisStore, saver: RedisSaver
) -> None:
    """Whatever a process has cached: all read the same."""
    thread = Thread(saver)
    await thread.put(messages=messages(20))
    await RedisSaver(store).adelete_thread("t")
    await thread.put(x=1)
    assert await values(saver) == await values(RedisSaver(store)) == {"x": 1}


async def test_a_value_that_another_stored_first_stays(
    store: RedisStore, saver: RedisSaver
) -> None:
    """And the process whose value was not stored bases nothing on it."""
    thread, other = Thread(saver), Thread(RedisSaver(store))
    await thread.put(messages=messages(20))
    other.versions = dict(thread.versions)
    made, _ = other.checkpoint()
    made["channel_values"] = {"messages": messages(20, 500)}
    await other.saver.aput(config(), made, {}, thread.versions)
    other.at = config(id=made["id"])
    assert await values(other.saver) == {"messages": messages(20)}
    await other.put(messages=messages(21, 500))
    assert await values(saver) == await values(RedisSaver(store)) == {"messages": messages(21, 500)}


@pytest.mark.parametrize("call", ["put", "writes", "copy", "prune", "delete", "runs"])
async def test_a_call_whose_reply_is_lost_counts_once(
    call: str, place: Place, store: RedisStore, saver: RedisSaver
) -> None:
    """Each request is sent again, as it is where the connection breaks before the replies."""
    verifying, thread = store, Thread(saver)
    await thread.put(run="r", messages=messages(20))
    await thread.put(run="s", messages=messages(21))
    async with place.store() as repeating:
        cut = RedisSaver(repeating)
        mine = Thread(cut)
        mine.at, mine.values, mine.versions = thread.at, thread.values, dict(thread.versions)
        await cut.aget_tuple(config())
        calls: dict[str, Any] = {
            "put": lambda: mine.put(messages=messages(22)),
            "writes": lambda: cut.aput_writes(thread.at, [("x", 1), ("__error__", 2)], "task"),
            "copy": lambda: cut.acopy_thread("t", "copy"),
            "prune": lambda: cut.aprune(["t"]),
            "delete": lambda: cut.adelete_thread("t"),
            "runs": lambda: cut.adelete_for_runs(["r"]),
        }
        repeated = repeat_each_request(repeating)
        await calls[call]()
        assert repeated
    left = [each async for each in saver.alist(config())]
    assert len(left) == {"put": 3, "prune": 1, "delete": 0, "runs": 1}.get(call, 2)
    if left:
        count = 22 if call == "put" else 21
        assert left[0].checkpoint["channel_values"]["messages"] == messages(count)
        written = [("task", "__error__", 2), ("task", "x", 1)]
        assert left[0].pending_writes == (written if call == "writes" else [])
    copied = [each async for each in saver.alist(config("copy"))]
    assert len(copied) == (2 if call == "copy" else 0)
    # The runs of a thread that is gone were in the reply that was lost.
    report = await verifying.verify(repair=True)
    assert set(report.problems) <= ({"stale entry"} if call == "delete" else set())


async def test_a_cancelled_put_leaves_a_saver_that_works(
    store: RedisStore, saver: RedisSaver
) -> None:
    thread = Thread(saver)
    await thread.put(messages=messages(20))
    for count in range(21, 60):
        putting = asyncio.ensure_future(thread.put(messages=messages(count)))
        await asyncio.sleep(0.0002 * (count % 7))
        putting.cancel()
        await asyncio.gather(putting, return_exceptions=True)
    await thread.put(messages=messages(60))
    assert await values(RedisSaver(store)) == await values(saver) == {"messages": messages(60)}
    counts = [
        len(each.checkpoint["channel_values"]["messages"]) async for each in saver.alist(config())
    ]
    assert counts == sorted(counts, reverse=True)


async def test_writers_that_race_in_a_thread_lose_nothing(
    store: RedisStore, saver: RedisSaver
) -> None:
    """Each on a branch of its own, from a state that all know; beside them, readers."""
    root = Thread(saver)
    await root.put(messages=messages(20))

    async def branch(number: int) -> dict[str, list[str]]:
        mine = Thread(RedisSaver(store))
        await mine.saver.aget_tuple(config())
        mine.at, mine.values, mine.versions = root.at, dict(root.values), dict(root.versions)
        made: dict[str, list[str]] = {}
        for step in range(15):
            said = [*mine.values["messages"], *messages(1, 100 * number + step)]
            id_ = await mine.put(messages=said)
            await mine.saver.aput_writes(mine.at, [("x", number)], f"task {number}")
            made[id_] = [each.id or "" for each in said]
        return made

    async def read() -> None:
        for _ in range(20):
            assert await saver.aget_tuple(config())
            assert [each async for each in saver.alist(config(), limit=5)]

    *branches, _, _ = await asyncio.gather(
        *(branch(number) for number in range(1, 7)), read(), read()
    )
    expected = {id_: texts for made in branches if made for id_, texts in made.items()}
    found = {
        each.checkpoint["id"]: [m.id for m in each.checkpoint["channel_values"]["messages"]]
        async for each in RedisSaver(store).alist(config())
        if each.parent_config
    }
    assert found == expected
    assert len(found) == 90


@pytest.mark.parametrize("field", ["c", "v", "d", "w"])
@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\xff\xff\xff\xff\x90"])
async def test_a_corrupt_value_names_its_key_or_fails_as_it_is(
    field: str, garbage: bytes, saver: RedisSaver, place: Place, raw: Raw
) -> None:
    """Never a wrong value; what the server itself cannot read is its error."""
    thread = Thread(saver)
    await thread.put(messages=messages(20))
    await thread.put(messages=messages(21))
    await saver.aput_writes(thread.at, [("x", 1)], "task")
    data = CheckpointKeys(place.keys).thread("t").data
    fields = [each for each in await raw("HKEYS", data) if each.startswith(field.encode() + b"\0")]
    for each in fields:
        await raw("HSET", data, each, garbage)
    async with place.store() as other:
        with pytest.raises((CorruptRecordError, BackendError)) as caught:
            await RedisSaver(other).aget_tuple(config())
    if isinstance(caught.value, CorruptRecordError):
        assert caught.value.key == data
    await saver.adelete_thread("t")


async def test_keys_of_another_type_are_the_servers_error(
    saver: RedisSaver, place: Place, raw: Raw
) -> None:
    keys = CheckpointKeys(place.keys).thread("t")
    await raw("SET", keys.data, "text")
    await raw("ZADD", keys.order, 0, "\0" + "1")
    with pytest.raises(BackendError):
        await saver.aget_tuple(config())
    with pytest.raises(BackendError):
        await Thread(saver).put(x=1)
    await raw("DEL", *keys)


@pytest.mark.parametrize("depth", [1, 2, 5])
async def test_values_are_folded_at_any_depth(
    depth: int, store: RedisStore, saver: RedisSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the server; and those that are too large are sent whole."""
    monkeypatch.setattr(deltas, "MAX_DEPTH", depth)
    thread = Thread(saver)
    for count in range(20, 34):
        kept = messages(count)[count % 3 :]
        await thread.put(messages=kept[:5] + kept[6:], other={str(count): "x" * 600, "y": kept})
        expected = dict(thread.values)
        assert await values(RedisSaver(store)) == await values(saver) == expected
    made = [each.checkpoint["channel_values"] async for each in saver.alist(config())]
    assert len(made) == 14
    limit = "redis_store.integrations.langgraph.checkpoint_writes.MAX_FOLD_BYTES"
    monkeypatch.setattr(limit, 0)
    for count in range(34, 42):
        await thread.put(messages=messages(count))
        assert (await values(RedisSaver(store)))["messages"] == messages(count)


PROGRAM = """
import asyncio, sys
from redis_store import RedisStore
from redis_store.integrations.langgraph import RedisSaver
from tests.integrations.langgraph.states import chat, config, messages

async def main(url, prefix, tagged):
    async with RedisStore(url, key_prefix=prefix, hash_tags=tagged == "True") as store:
        saver = RedisSaver(store)
        graph = chat("a", "b", "c", "d").compile(checkpointer=saver, interrupt_before=["d"])
        while True:
            await graph.ainvoke({"messages": messages(1)}, config(), durability="sync")
            await graph.ainvoke(None, config(), durability="sync")

asyncio.run(main(*sys.argv[1:]))
"""


@on_one_server
async def test_a_killed_process_is_resumed_by_another(place: Place, saver: RedisSaver) -> None:
    """At any step; what it had done is not done again."""
    prefix, tagged = place.keys.prefix, str(place.keys.hash_tags)
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, place.url, prefix, tagged
    )

    async def has_worked() -> bool:
        return len([each async for each in saver.alist(config(), limit=30)]) == 30

    try:
        await until(has_worked, "thirty checkpoints", timeout=30)
    finally:
        running.send_signal(signal.SIGKILL)
        await running.wait()
    graph = chat("a", "b", "c", "d").compile(checkpointer=saver)
    before = await graph.aget_state(config())
    if before.next:
        await graph.ainvoke(None, config())
    state = await graph.aget_state(config())
    replies = len(state.values["messages"]) - len(before.values["messages"])
    steps = {"a": 4, "b": 3, "c": 2, "d": 1, "__start__": 4}
    assert state.next == ()
    assert replies == (steps[before.next[0]] if before.next else 0)
    assert (len(state.values["messages"]) - 1) % 4 == 0
