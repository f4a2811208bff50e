"""Deleting messages: all of each is gone, and nothing else."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from redis_store import InvalidArgumentError, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, message, thread
from tests.support.records.messages import ids, listed, make_threads, saved, snapshot
from tests.support.wire.raw import Raw


async def test_body_index_and_order_go_together(store: RedisStore, raw: Raw, place: Place) -> None:
    """DEL-01: in one call over several threads; how many existed is returned."""
    await saved(store, *(message(f"m{n}", n, thread_id=("t", "t2")[n % 2]) for n in range(6)))
    assert await store.memory.delete_messages(["m0", "m3", "m4"]) == 3
    assert await listed(store) == ["m2"]
    assert await listed(store, "t2") == ["m1", "m5"]
    assert await store.memory.list_messages_by_id(["m0", "m3", "m4"]) == []
    for n, thread_id in ((0, "t"), (3, "t2"), (4, "t")):
        key, index = place.keys.message(thread_id, f"m{n}"), place.keys.message_pointer(f"m{n}")
        assert await raw("EXISTS", key, index) == 0
        assert f"m{n}" not in await raw.sorted_set(place.keys.timeline(thread_id))


async def test_unknown_ids_are_fine(store: RedisStore, raw: Raw, place: Place) -> None:
    """DEL-01: they count for nothing, and [] does nothing at all."""
    await saved(store, message("a"), message("b", 1))
    before = await snapshot(raw, place.keys.prefix)
    assert await store.memory.delete_messages([]) == 0
    assert await store.memory.delete_messages(["unknown", "*", "m?"]) == 0
    assert await snapshot(raw, place.keys.prefix) == before
    assert await store.memory.delete_messages(["unknown", "a", "a"]) == 1
    assert await store.memory.delete_messages(["a", "b"]) == 1
    assert await store.memory.delete_messages(["a", "b"]) == 0


async def test_each_touched_thread_moves_ahead_and_others_stay(store: RedisStore) -> None:
    """DEL-01: updated_at becomes strictly later, also from the future."""
    future = T0.replace(year=2200)
    await saved(store, *(message(id_, thread_id=f"t-{id_}") for id_ in "abc"))
    for id_, date in (("a", T0), ("b", future), ("c", T0)):
        await store.memory.save_thread(thread(f"t-{id_}", updated_at=date))
    await store.memory.delete_messages(["a", "b"])
    a, b, c = [await store.memory.get_thread_by_id(f"t-{id_}") for id_ in "abc"]
    assert a is not None
    assert a.updated_at > T0
    assert b == thread("t-b", updated_at=future.replace(microsecond=1))
    assert c == thread("t-c")


async def test_the_others_keep_their_order(store: RedisStore) -> None:
    """DEL-01: among ties and after a cascade; what is saved later still fits in."""
    await saved(store, *(message(f"m{n}", n // 4) for n in range(12)))
    await store.memory.delete_messages(["m0", "m5", "m6", "m11"])
    assert await listed(store) == ["m1", "m2", "m3", "m4", "m7", "m8", "m9", "m10"]
    await saved(store, message("new", 1))
    assert await listed(store) == ["m1", "m2", "m3", "m4", "m7", "new", "m8", "m9", "m10"]


async def test_a_deleted_message_can_be_saved_again(store: RedisStore) -> None:
    """DEL-01: it comes back as new, behind its ties or in another thread."""
    await saved(store, *(message(id_) for id_ in "abc"))
    await store.memory.delete_messages(["a", "b"])
    await saved(store, message("a"), message("b", thread_id="t2", resource_id="v"))
    assert await listed(store) == ["c", "a"]
    assert await listed(store, "t2", resource_id="v") == ["b"]


async def test_deleting_everything_leaves_the_thread(store: RedisStore) -> None:
    """DEL-01: hundreds of messages in one call."""
    await make_threads(store, "t")
    batch = [message(f"m{n}", n) for n in range(400)]
    await store.memory.save_messages(batch)
    assert await store.memory.delete_messages(ids(batch)) == 400
    assert await listed(store) == []
    assert await store.memory.get_thread_by_id("t") is not None


async def test_totals_follow(store: RedisStore) -> None:
    """DEL-01, LIST-02: of the thread and of each resource."""
    await saved(store, *(message(f"m{n}", n, resource_id="uv"[n % 2]) for n in range(6)))
    await store.memory.delete_messages(["m0", "m1", "m3", "m5"])
    page = await store.memory.list_messages("t", resource_id="u")
    assert (ids(page), page.total) == (["m2", "m4"], 2)
    none = await store.memory.list_messages("t", resource_id="v")
    assert (none.items, none.total) == ([], 0)
    assert (await store.memory.list_messages_by_resource_id("v")).total == 0


@pytest.mark.parametrize("wrong", [None, "m", 7, {"m": 1}, [""], [None], ["m", 7], ["\ud800"]])
async def test_bad_ids_are_refused_before_any_io(wrong: Any, tmp_path: Path) -> None:
    """GEN-07: a string is no list of ids."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.delete_messages(wrong)
    assert caught.value.code == "DELETE_MESSAGES_INVALID_MESSAGE_IDS"
    await store.close()


@pytest.mark.races
async def test_a_message_is_deleted_by_one_of_two(store: RedisStore, place: Place) -> None:
    """DEL-01: of two racing calls, each message is counted once."""
    await make_threads(store, "t", "t2")
    counts: list[int] = []
    async with place.store() as other:
        for _ in range(20):
            batch = [message(f"m{n}", n, thread_id=("t", "t2")[n % 2]) for n in range(4)]
            await store.memory.save_messages(batch)

            async def delete(some: RedisStore, wanted: list[str]) -> None:
                counts.append(await some.memory.delete_messages(wanted))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(delete, store, ["m0", "m1", "m2", "m3"])
                tasks.start_soon(delete, other, ["m3", "m2", "m1", "m0"])
            assert await listed(store, ["t", "t2"]) == []
    assert sum(counts) == 20 * 4


@pytest.mark.races
async def test_a_delete_that_races_a_save_leaves_all_or_nothing(
    store: RedisStore, place: Place
) -> None:
    """DEL-01: a message is listed exactly if it is found by id."""
    await make_threads(store, "t")
    async with place.store() as other:
        for n in range(40):
            await store.memory.save_messages([message("a", n % 3)])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.memory.save_messages, [message("a", 5, text="new")])
                tasks.start_soon(other.memory.delete_messages, ["a"])
            by_id = await store.memory.list_messages_by_id(["a"])
            assert (await store.memory.list_messages("t")).items == by_id
            assert [m.text for m in by_id] in ([], ["new"])


@pytest.mark.races
async def test_a_delete_that_races_a_change_of_owner_takes_place(
    store: RedisStore, place: Place
) -> None:
    """DEL-01: it is tried again, and finds what it shall delete."""
    await make_threads(store, "t")
    async with place.store() as other:
        for n in range(30):
            await store.memory.save_messages([message("a"), message("b", 1)])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.memory.delete_messages, ["a"])
                tasks.start_soon(other.memory.update_thread_resource_id, "t", f"u{n % 2}")
            assert await listed(store) == ["b"]
            assert await store.memory.list_messages_by_id(["a"]) == []
