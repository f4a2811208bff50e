"""Reading messages by id."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from redis_store import InvalidArgumentError, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import message
from tests.support.records.messages import ids, make_threads, saved
from tests.support.wire.raw import Raw


async def test_messages_come_by_rising_date_from_all_threads(store: RedisStore) -> None:
    """LIST-13: whatever the order asked in."""
    batch = [message(f"m{n}", n, thread_id=("t", "t2")[n % 2]) for n in range(6)]
    await saved(store, *batch)
    assert await store.memory.list_messages_by_id(["m4", "m1", "m5", "m0"]) == [
        batch[0],
        batch[1],
        batch[4],
        batch[5],
    ]


async def test_an_id_asked_for_twice_comes_once(store: RedisStore) -> None:
    """LIST-13: duplicates once; unknown ones are skipped; none asked is none found."""
    await saved(store, message("a"), message("b", 1))
    found = await store.memory.list_messages_by_id(["b", "unknown", "a", "b", "*", "a"])
    assert ids(found) == ["a", "b"]
    assert await store.memory.list_messages_by_id([]) == []
    assert await store.memory.list_messages_by_id(["unknown"]) == []


async def test_several_kinds_of_collection_are_taken(store: RedisStore) -> None:
    """LIST-13: a list, a tuple or a set."""
    await saved(store, message("a"), message("b", 1))
    for wanted in (["b", "a"], ("b", "a"), {"b", "a"}):
        found = await store.memory.list_messages_by_id(wanted)  # type: ignore[arg-type]
        assert ids(found) == ["a", "b"]


async def test_ties_come_as_they_were_inserted(store: RedisStore) -> None:
    """LIST-13, SAVE-06: also after others were inserted before them."""
    await saved(store, *(message(id_) for id_ in "cab"), message("z", 1))
    await saved(store, message("y"))
    assert ids(await store.memory.list_messages_by_id(list("abcyz"))) == list("cabyz")


async def test_hundreds_are_read_at_once(store: RedisStore) -> None:
    """LIST-13: more than one command would take in one piece."""
    await make_threads(store, "t", "t2")
    batch = [message(f"m{n}", n, thread_id=("t", "t2")[n % 2]) for n in range(300)]
    await store.memory.save_messages(batch)
    assert await store.memory.list_messages_by_id(ids(reversed(batch))) == batch


@pytest.mark.parametrize(
    "wrong", [None, "a", 7, {"a": 1}, [""], ["a", None], [["a"]], ["\ud800"], ["é" * 513]]
)
async def test_bad_ids_are_refused_before_any_io(wrong: Any, tmp_path: Path) -> None:
    """GEN-07: a string is no list of ids."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.list_messages_by_id(wrong)
    assert caught.value.code == "LIST_MESSAGES_BY_ID_INVALID_MESSAGE_IDS"
    await store.close()


async def test_deleted_messages_are_skipped(store: RedisStore) -> None:
    """LIST-13: deleted alone, and with their thread."""
    await saved(store, message("a"), message("b", 1), message("c", 2, thread_id="t2"))
    await store.memory.delete_messages(["a"])
    await store.memory.delete_thread("t2")
    assert ids(await store.memory.list_messages_by_id(["a", "b", "c"])) == ["b"]


@pytest.mark.damages
async def test_an_index_that_leads_nowhere_is_skipped(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """LIST-13: a hint to a message, a thread or a name that does not exist."""
    await saved(store, message("a"), message("b", 1))
    await raw("DEL", place.keys.message("t", "a"))
    await raw("SET", place.keys.message_pointer("x"), "t")
    await raw("SET", place.keys.message_pointer("y"), "unknown")
    await raw("SET", place.keys.message_pointer("z"), "")
    assert ids(await store.memory.list_messages_by_id(["a", "b", "x", "y", "z"])) == ["b"]


@pytest.mark.damages
async def test_a_message_without_index_is_not_searched_for(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """LIST-13, GEN-10: no scan; it is still listed by its thread."""
    await saved(store, message("a"))
    await raw("DEL", place.keys.message_pointer("a"))
    before = await raw.commandstats()
    assert await store.memory.list_messages_by_id(["a"]) == []
    after = await raw.commandstats()
    assert {name: after.get(name) for name in ("scan", "keys")} == {
        name: before.get(name) for name in ("scan", "keys")
    }
    assert ids(await store.memory.list_messages("t")) == ["a"]


async def test_a_message_that_moves_is_always_found(store: RedisStore, place: Place) -> None:
    """LIST-13, GEN-11: by id and as an include, though it changes its thread meanwhile."""
    await saved(store, message("m"), message("n", thread_id="t2"))
    done = anyio.Event()

    async def move() -> None:
        async with place.store() as other:
            for n in range(40):
                await other.memory.save_messages([message("m", thread_id=("t2", "t")[n % 2])])
        done.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(move)
        while not done.is_set():
            assert ids(await store.memory.list_messages_by_id(["m"])) == ["m"]
