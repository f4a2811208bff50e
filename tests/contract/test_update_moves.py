"""Patches that give a message another thread or date, and patches that race."""

import anyio
import pytest

from redis_store import MessagePatch, RedisStore, ThreadNotFoundError
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.messages import ids, listed, make_threads, saved, snapshot
from tests.support.wire.raw import Raw


async def test_a_patch_moves_a_message_to_another_thread(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """UPD-03: it is in one thread, by date and behind its ties; both threads are touched."""
    await saved(store, message("a", 5), message("b", 6), message("x", 5, thread_id="t2"))
    await saved(store, message("y", 6, thread_id="t2"))
    for id_ in ("t", "t2"):
        await store.memory.save_thread(thread(id_))
    (moved,) = await store.memory.update_messages([MessagePatch(id="a", thread_id="t2", role="z")])
    assert (moved.thread_id, moved.role, moved.created_at) == ("t2", "z", at(5))
    assert await listed(store) == ["b"]
    assert await listed(store, "t2") == ["x", "a", "y"]
    assert await store.memory.list_messages_by_id(["a"]) == [moved]
    assert await raw("EXISTS", place.keys.message("t", "a")) == 0
    for id_ in ("t", "t2"):
        after = await store.memory.get_thread_by_id(id_)
        assert after is not None
        assert after.updated_at > T0


async def test_a_move_to_an_unknown_thread_changes_nothing(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """UPD-03: ThreadNotFoundError; the other patches of the call do not apply either."""
    await saved(store, message("a"), message("b", 1))
    before = await snapshot(raw, place.keys.prefix)
    patches = [
        MessagePatch(id="b", role="x"),
        MessagePatch(id="a", thread_id="unknown"),
        MessagePatch(id="a", thread_id="t"),
    ]
    with pytest.raises(ThreadNotFoundError) as caught:
        await store.memory.update_messages(patches)
    assert caught.value.thread_id == "unknown"
    assert caught.value.code == "UPDATE_MESSAGES_THREAD_NOT_FOUND"
    assert await snapshot(raw, place.keys.prefix) == before


async def test_patches_that_move_apply_in_order(store: RedisStore) -> None:
    """UPD-02, UPD-03: to one thread and on to another; away and back."""
    await make_threads(store, "t", "t2", "t3")
    await saved(store, message("a"), message("b", 1))
    result = await store.memory.update_messages(
        [
            MessagePatch(id="a", thread_id="t2"),
            MessagePatch(id="b", thread_id="t3"),
            MessagePatch(id="a", thread_id="t3", role="x"),
            MessagePatch(id="b", thread_id="t"),
        ]
    )
    assert [(m.id, m.thread_id) for m in result] == [("a", "t3"), ("b", "t")]
    assert [await listed(store, t) for t in ("t", "t2", "t3")] == [["b"], [], ["a"]]


async def test_naming_its_own_thread_moves_nothing(store: RedisStore) -> None:
    """UPD-03: the message keeps its place among ties."""
    await saved(store, *(message(id_) for id_ in "abc"))
    await store.memory.update_messages([MessagePatch(id="a", thread_id="t", created_at=T0)])
    assert await listed(store) == ["a", "b", "c"]


async def test_a_new_date_sorts_anew(store: RedisStore) -> None:
    """UPD-03: to the end, to the start, and behind ties; exact to the microsecond."""
    await saved(store, *(message(id_, us) for us, id_ in enumerate("abcd")))
    for id_, us, expected in (
        ("a", 9, "bcda"),
        ("d", -9, "dbca"),
        ("b", 2, "dcba"),
        ("a", 2, "dcba"),
        ("c", 2, "dcba"),
        ("c", 3, "dbac"),
    ):
        (after,) = await store.memory.update_messages([MessagePatch(id=id_, created_at=at(us))])
        assert after.created_at == at(us)
        assert "".join(await listed(store)) == expected


async def test_hundreds_of_messages_move_in_one_call(store: RedisStore) -> None:
    """UPD-03: and keep their order."""
    await make_threads(store, "t", "t2")
    await store.memory.save_messages([message(f"m{n}", n // 3) for n in range(300)])
    patches = [MessagePatch(id=f"m{n}", thread_id="t2", resource_id="v") for n in range(300)]
    assert len(await store.memory.update_messages(patches)) == 300
    assert await listed(store, "t2", resource_id="v") == [f"m{n}" for n in range(300)]
    assert await listed(store) == []


@pytest.mark.races
async def test_concurrent_merges_keep_every_key(store: RedisStore, place: Place) -> None:
    """UPD-04: of two stores, with a loser's merge applied to what the winner wrote."""
    await saved(store, message("a", metadata={}))
    async with place.store() as other, anyio.create_task_group() as tasks:
        for n in range(40):
            content = {"metadata": {f"k{n}": n}, f"c{n}": n}
            patch = MessagePatch(id="a", content=content)
            tasks.start_soon((store, other)[n % 2].memory.update_messages, [patch])
    (after,) = await store.memory.list_messages_by_id(["a"])
    assert after.content["metadata"] == {f"k{n}": n for n in range(40)}
    assert {after.content[f"c{n}"] for n in range(40)} == set(range(40))


@pytest.mark.races
async def test_an_update_that_races_a_delete_brings_nothing_back(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """UPD-04: the message, or its thread, is deleted; no part of it is left."""
    async with place.store() as other:
        for n in range(40):
            await saved(store, message("a"), message("b", 1))
            async with anyio.create_task_group() as tasks:
                patch = MessagePatch(id="a", role="x", created_at=at(9))
                tasks.start_soon(store.memory.update_messages, [patch])
                if n % 4:
                    tasks.start_soon(other.memory.delete_messages, ["a"])
                else:
                    tasks.start_soon(other.memory.delete_thread, "t")
            assert await store.memory.list_messages_by_id(["a"]) == []
            assert await listed(store) == (["b"] if n % 4 else [])
            assert await raw("EXISTS", place.keys.message_pointer("a")) == 0
            assert await raw("EXISTS", place.keys.message("t", "a")) == 0


@pytest.mark.races
async def test_an_update_that_races_a_save_applies_before_or_after(
    store: RedisStore, place: Place
) -> None:
    """UPD-04: the save replaces the whole message, the update a field: no mixture of both."""
    async with place.store() as other:
        for n in range(30):
            await saved(store, message("a", text="old"))
            patch = MessagePatch(id="a", content={"metadata": {"n": n}})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.memory.update_messages, [patch])
                tasks.start_soon(other.memory.save_messages, [message("a", text=f"new{n}")])
            (after,) = await store.memory.list_messages_by_id(["a"])
            assert after.text == f"new{n}"
            assert after.content.get("metadata") in (None, {"n": n})


@pytest.mark.races
async def test_a_merge_that_races_a_move_is_not_lost(store: RedisStore, place: Place) -> None:
    """UPD-04: a known message is never taken for an unknown one, though it changes its thread."""
    await make_threads(store, "t", "t2")
    await saved(store, message("a", metadata={}))
    async with place.store() as other:
        for n in range(40):
            move = MessagePatch(id="a", thread_id=("t2", "t")[n % 2])
            merge = MessagePatch(id="a", content={"metadata": {f"k{n}": n}})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(other.memory.update_messages, [move])
                tasks.start_soon(store.memory.update_messages, [merge])
            (after,) = await store.memory.list_messages_by_id(["a"])
            assert after.thread_id == move.thread_id
            assert len(after.content["metadata"]) == n + 1


async def test_updates_of_several_threads_apply_together(store: RedisStore) -> None:
    """UPD-02: results come in the order of the patches."""
    await saved(store, *(message(f"m{n}", n, thread_id=f"t{n % 3}") for n in range(9)))
    patches = [MessagePatch(id=f"m{n}", role=f"r{n}") for n in (7, 2, 0, 5)]
    result = await store.memory.update_messages(patches)
    assert [(m.id, m.role) for m in result] == [(f"m{n}", f"r{n}") for n in (7, 2, 0, 5)]
    assert ids(await store.memory.list_messages_by_id(["m0", "m2", "m5", "m7"])) == [
        "m0",
        "m2",
        "m5",
        "m7",
    ]
