"""Saving a message under another thread moves it: it is never in two threads."""

import random

import pytest

from redis_store import Message, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, message, thread
from tests.support.records.messages import ids, listed, make_threads, saved
from tests.support.wire.raw import Raw


async def test_a_saved_message_moves_to_its_new_thread(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-04: body, order and index go with it."""
    await make_threads(store, "t", "t2")
    await saved(store, message("a"), message("b", 1), message("z", 5, thread_id="t2"))
    moved = message("a", thread_id="t2", text="moved")
    assert await store.memory.save_messages([moved]) == [moved]
    assert await listed(store) == ["b"]
    assert (await store.memory.list_messages("t2")).items[0] == moved
    assert await listed(store, "t2") == ["a", "z"]
    assert await store.memory.list_messages_by_id(["a"]) == [moved]
    assert await raw("EXISTS", place.keys.message("t", "a")) == 0


async def test_a_move_touches_both_threads(store: RedisStore) -> None:
    """SAVE-03, SAVE-04: updated_at of the thread it left moves too."""
    await make_threads(store, "t", "t2", "t3")
    await saved(store, message("a"))
    await store.memory.save_thread(thread("t"))
    await saved(store, message("a", thread_id="t2"))
    left, entered, other = [await store.memory.get_thread_by_id(f"t{n}") for n in ("", "2", "3")]
    assert left is not None
    assert entered is not None
    assert left.updated_at > T0
    assert entered.updated_at > T0
    assert other == thread("t3")


async def test_a_moved_message_comes_after_its_ties(store: RedisStore) -> None:
    """SAVE-04, SAVE-06: in its new thread it was inserted last, also when it comes back."""
    await saved(store, *(message(id_) for id_ in "abc"))
    await saved(store, *(message(id_, thread_id="t2") for id_ in "xy"), message("z", 1))
    await saved(store, message("a", thread_id="t2"))
    assert await listed(store, "t2") == ["x", "y", "a"]
    await saved(store, message("a"))
    assert await listed(store) == ["b", "c", "a", "z"]
    assert await listed(store, "t2") == ["x", "y"]


async def test_a_batch_moves_creates_and_updates_at_once(store: RedisStore) -> None:
    """SAVE-04: messages that leave for several threads, among new and known ones."""
    await saved(store, *(message(f"m{n}", n) for n in range(9)))
    await make_threads(store, "t2", "t3")
    batch = [message(f"m{n}", n, thread_id=("t", "t2", "t3")[n % 3]) for n in range(12)]
    await store.memory.save_messages(batch)
    for thread_id in ("t", "t2", "t3"):
        expected = [m for m in batch if m.thread_id == thread_id]
        assert (await store.memory.list_messages(thread_id)).items == expected


async def test_two_messages_swap_their_threads(store: RedisStore) -> None:
    """SAVE-04: in one batch."""
    await saved(store, message("a"), message("b", thread_id="t2"))
    await saved(store, message("a", thread_id="t2"), message("b"))
    assert await listed(store) == ["b"]
    assert await listed(store, "t2") == ["a"]


async def test_a_whole_conversation_moves_in_one_batch(store: RedisStore) -> None:
    """SAVE-04: hundreds of messages keep their order; the thread they leave is empty."""
    await make_threads(store, "t", "t2")
    await store.memory.save_messages([message(f"m{n}", n // 3) for n in range(400)])
    moved = [message(f"m{n}", n // 3, thread_id="t2") for n in range(400)]
    await store.memory.save_messages(moved)
    assert (await store.memory.list_messages("t2", per_page=None)).items == moved
    empty = await store.memory.list_messages("t")
    assert (empty.items, empty.total) == ([], 0)


async def test_a_move_to_another_resource_counts_there_only(store: RedisStore) -> None:
    """SAVE-04, LIST-02: neither thread counts the message under its former resource."""
    await saved(store, message("a"), message("b", 1))
    await saved(store, message("a", thread_id="t2", resource_id="v"))
    for thread_id, resource_id, expected in (
        ("t", "u", ["b"]),
        ("t", "v", []),
        ("t2", "u", []),
        ("t2", "v", ["a"]),
    ):
        page = await store.memory.list_messages(thread_id, resource_id=resource_id)
        assert (ids(page), page.total) == (expected, len(expected))


async def test_the_last_of_one_id_wins(store: RedisStore) -> None:
    """SAVE-05: one row, with the last one's fields and date."""
    batch = [message("a", text="1"), message("b", 1), message("a", 2, text="2"), message("b", 1)]
    await make_threads(store, "t")
    assert await store.memory.save_messages(batch) == batch
    page = await store.memory.list_messages("t")
    assert page.items == [batch[3], batch[2]]
    assert page.total == 2


async def test_one_id_twice_among_ties_keeps_its_first_place(store: RedisStore) -> None:
    """SAVE-05, SAVE-06: as two saves, one after the other, would leave it."""
    await saved(store, message("a"), message("b"), message("a", text="again"), message("c"))
    assert await listed(store) == ["a", "b", "c"]
    assert (await store.memory.list_messages_by_id(["a"]))[0].text == "again"


async def test_one_id_in_two_threads_of_a_batch_ends_in_the_last(store: RedisStore) -> None:
    """SAVE-05: also where the message was in one of them, or in a third."""
    await make_threads(store, "t", "t2", "t3")
    for known_in in (None, "t", "t2", "t3"):
        if known_in:
            await saved(store, message("a", thread_id=known_in))
        batch = [message("a", thread_id="t", text="x"), message("a", thread_id="t2", text="y")]
        assert await store.memory.save_messages(batch) == batch
        assert await listed(store, ["t", "t2", "t3"]) == ["a"]
        assert (await store.memory.list_messages("t2")).items == [batch[1]]


async def test_an_index_that_leads_nowhere_does_not_hinder_a_save(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-04: truth is the record; an index is a hint, whatever thread it names."""
    await make_threads(store, "t", "t2")
    for n, thread_id in enumerate(["t", "t2", "gone", "x:id:y"]):
        await raw("SET", place.keys.message_pointer(f"a{n}"), thread_id)
        await store.memory.save_messages([message(f"a{n}", n)])
    assert await listed(store) == ["a0", "a1", "a2", "a3"]
    assert len(await store.memory.list_messages_by_id(["a0", "a1", "a2", "a3"])) == 4


@pytest.mark.parametrize("seed", range(3))
async def test_any_moves_leave_each_message_where_it_was_saved_last(
    store: RedisStore, seed: int
) -> None:
    """SAVE-04, SAVE-05, SAVE-06: against a naive model, with the same id often in one batch."""
    chance = random.Random(seed)  # noqa: S311 - which saves, not a secret
    model: dict[str, dict[str, Message]] = {"t": {}, "t2": {}, "t3": {}}
    await make_threads(store, *model)
    for _ in range(25):
        batch = [
            message(chance.choice("abcdefgh"), chance.randrange(3), thread_id=target)
            for target in chance.choices(list(model), k=chance.choice([1, 2, 6]))
        ]
        await store.memory.save_messages(batch)
        for one in _last_of_each(batch):
            _move(model, one)
        for thread_id, rows in model.items():
            expected = sorted(rows.values(), key=lambda m: m.created_at)
            assert (await store.memory.list_messages(thread_id)).items == expected


def _last_of_each(batch: list[Message]) -> list[Message]:
    """Keep one per id; it stands where the run of equal places that ends in it began."""
    kept: dict[str, Message] = {}
    for one in batch:
        before = kept.get(one.id)
        if before and (before.thread_id, before.created_at) != (one.thread_id, one.created_at):
            del kept[one.id]
        kept[one.id] = one
    return list(kept.values())


def _move(model: dict[str, dict[str, Message]], one: Message) -> None:
    before = model[one.thread_id].get(one.id)
    for rows in model.values():
        if before is None or rows is not model[one.thread_id]:
            rows.pop(one.id, None)
    if before and before.created_at != one.created_at:
        del model[one.thread_id][one.id]
    model[one.thread_id][one.id] = one
