"""The order of a thread's messages: by date to the microsecond, then as they were inserted."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from redis_store import Message, RedisStore
from redis_store._engine.timestamps import epoch_us
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.records.builders import at, message
from tests.support.records.messages import ids, listed, make_threads, saved
from tests.support.wire.raw import Raw

MICROSECOND = timedelta(microseconds=1)


async def expect(store: RedisStore, *expected: str) -> None:
    """Check the order up and down, by list and by id."""
    assert await listed(store) == list(expected)
    assert await listed(store, direction="desc") == list(reversed(expected))
    assert ids(await store.memory.list_messages_by_id(sorted(expected))) == list(expected)


async def test_messages_are_ordered_by_date(store: RedisStore) -> None:
    """SAVE-06: whatever the order they were given in."""
    await saved(store, message("c", 3), message("a", 1))
    await saved(store, message("d", 4), message("b", 2))
    await expect(store, "a", "b", "c", "d")


async def test_ties_keep_their_order_in_a_batch(store: RedisStore) -> None:
    """SAVE-06: ids do not decide."""
    await saved(store, *(message(id_) for id_ in "zaymb"))
    await expect(store, *"zaymb")


async def test_ties_keep_their_order_across_batches_and_stores(
    store: RedisStore, place: Place
) -> None:
    """SAVE-06: as far as the server saw one before the other."""
    await saved(store, message("z"))
    async with place.store() as other:
        await saved(other, message("m"), message("a"))
        await saved(store, message("y"))
        await saved(other, message("b"))
    await expect(store, *"zmayb")


async def test_a_tie_that_comes_late_goes_before_what_touches_it(store: RedisStore) -> None:
    """SAVE-06: A at t, C at t+1us, then B at t again lists A, B, C."""
    await saved(store, message("A"))
    await saved(store, message("C", 1))
    await saved(store, message("B"))
    await expect(store, *"ABC")
    assert [m.created_at for m in await store.memory.list_messages("t")] == [at(0), at(0), at(1)]


async def test_a_tie_that_comes_late_in_one_batch_goes_before_too(store: RedisStore) -> None:
    """SAVE-06: A at t, C at t+1us and B at t in one batch, onto an empty thread and another."""
    await saved(store, message("A"), message("C", 1), message("B"))
    await saved(store, message("F", 1), message("D"), message("E"), message("X", -1))
    await expect(store, *"XABDECF")


@pytest.mark.parametrize("touching", [99, 101, 350])
async def test_hundreds_of_touching_messages_give_way(store: RedisStore, touching: int) -> None:
    """SAVE-06: a cascade ends where it shall, on each side of a page of the script."""
    await make_threads(store, "t")
    row = [message(f"r{n:03}", n) for n in range(touching)]
    after = [message("gap", touching + 1), message("far", touching + 9)]
    await store.memory.save_messages(row + after)
    for late in ("x", "y", "z"):
        await store.memory.save_messages([message(late)])
    expected = ["r000", "x", "y", "z", *ids(row[1:]), "gap", "far"]
    await expect(store, *expected)
    dates = [m.created_at for m in await store.memory.list_messages("t", per_page=None)]
    assert dates == [at(n) for n in (0, 0, 0, *range(touching), touching + 1, touching + 9)]


async def test_a_cascade_pushes_no_further_than_it_must(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-06: what stands behind a gap keeps its score."""
    await saved(store, *(message(f"r{n}", n) for n in (0, 1, 2, 5, 6)), message("x"), message("y"))
    order = await raw.sorted_set(place.keys.timeline("t"))
    first = epoch_us(at(0))
    scores = {"r0": 0, "x": 1, "y": 2, "r1": 3, "r2": 4, "r5": 5, "r6": 6}
    assert order == {id_: first + us for id_, us in scores.items()}


@on_each_topology
async def test_more_than_a_thousand_ties_do_not_overtake_the_next_millisecond(
    store: RedisStore,
) -> None:
    """SAVE-06: ties spill over the millisecond and the later message still comes last."""
    await saved(store, message("last", 1000), message("next", 1))
    ties = [message(f"m{n}") for n in range(1100)]
    await store.memory.save_messages(ties)
    await expect(store, *ids(ties), "next", "last")


async def test_two_rows_that_touch_interleave(store: RedisStore) -> None:
    """SAVE-06: each late message goes behind its tie, and pushes the rest of the row up."""
    row = [message(f"r{n:02}", n) for n in range(60)]
    late = [message(f"s{n:02}", n) for n in range(60)]
    await saved(store, *row)
    await saved(store, *late)
    await expect(store, *(m.id for pair in zip(row, late, strict=True) for m in pair))


@on_each_topology
async def test_a_batch_of_2500_fits_between_as_many_that_touch(store: RedisStore) -> None:
    """SAVE-02, SAVE-06: long before a server or a client would give up."""
    row = [message(f"r{n:04}", n) for n in range(2500)]
    late = [message(f"s{n:04}", n) for n in range(2500)]
    await saved(store, *row)
    await saved(store, *late)
    assert await listed(store) == [m.id for pair in zip(row, late, strict=True) for m in pair]
    await store.memory.delete_thread("t")


async def test_a_save_with_another_date_sorts_anew(store: RedisStore) -> None:
    """SAVE-07: to the end, to the start, in between, and behind ties."""
    await saved(store, *(message(id_, us) for us, id_ in enumerate("abcde")))
    await saved(store, message("a", 9))
    await expect(store, *"bcdea")
    await saved(store, message("e", -1))
    await expect(store, *"ebcda")
    await saved(store, message("a", 2))
    await expect(store, *"ebcad")
    await saved(store, message("b", 3), message("e", 3))
    await expect(store, *"cadbe")
    assert (await store.memory.list_messages("t")).total == 5


async def test_a_save_with_the_same_date_keeps_its_place(store: RedisStore) -> None:
    """SAVE-07: among ties, and after a cascade pushed it up."""
    await saved(store, *(message(id_) for id_ in "abc"), message("d", 1))
    await saved(store, message("a", text="new"))
    await expect(store, *"abcd")
    await saved(store, message("d", 1, text="new"), message("b", text="new"))
    await expect(store, *"abcd")


async def test_swapping_two_dates_in_one_batch_swaps_the_messages(store: RedisStore) -> None:
    """SAVE-07: each goes where its new date belongs."""
    await saved(store, message("a", 1), message("b", 2), message("c", 3))
    await saved(store, message("a", 3), message("c", 1))
    await expect(store, *"cba")


# The first and the last date accepted, and some where a wrong calendar would show.
BASES = [
    datetime(1684, 8, 9, 17, 37, 36, 886_785, tzinfo=UTC),
    datetime(1900, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2255, 5, 24, 6, 22, 23, 113_215, tzinfo=UTC),
]


async def test_ties_and_touching_dates_sort_at_any_time(store: RedisStore) -> None:
    """SAVE-06: over 1970 and leap days, and where a score holds no later date."""
    await make_threads(store, "t")
    for base in BASES:
        step = 1 if base.year < 2255 else -1
        dates = {"a": 0, "c": step, "b": 0, "d": step, "e": 0}
        for id_, us in dates.items():
            one = message(id_)
            one.created_at = base + us * MICROSECOND
            await store.memory.save_messages([one])
        await expect(store, *sorted(dates, key=dates.__getitem__))
        stored = {m.id: m.created_at - base for m in await store.memory.list_messages("t")}
        assert stored == {id_: us * MICROSECOND for id_, us in dates.items()}
        await store.memory.delete_messages(list(dates))


class Timeline:
    """What a thread must list: by date, then by when the message came to stand at its place."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[datetime, int]] = {}
        self._saves = 0

    def save(self, batch: list[Message]) -> None:
        for one in batch:
            self._saves += 1
            before = self._rows.get(one.id)
            if before is None or before[0] != one.created_at:
                self._rows[one.id] = (one.created_at, self._saves)

    def ids(self) -> list[str]:
        return sorted(self._rows, key=self._rows.__getitem__)


@pytest.mark.parametrize("seed", range(2))
async def test_any_saves_list_as_a_sorted_list_would(store: RedisStore, seed: int) -> None:
    """SAVE-05, SAVE-06, SAVE-07: few ids and few microseconds, so that all ties and touches."""
    chance = random.Random(seed)  # noqa: S311 - which saves, not a secret
    timeline = Timeline()
    known = [f"m{n}" for n in range(chance.choice([4, 12, 40]))]
    span = chance.choice([1, 3, 12])
    await make_threads(store, "t")
    for _ in range(40):
        size = chance.choice([1, 1, 2, 5, 20])
        batch = [message(id_, chance.randrange(span)) for id_ in _distinct(chance, known, size)]
        await store.memory.save_messages(batch)
        timeline.save(batch)
        assert await listed(store) == timeline.ids()
    assert await listed(store, direction="desc") == timeline.ids()[::-1]


def _distinct(chance: random.Random, known: list[str], size: int) -> list[str]:
    return chance.sample(known, min(size, len(known)))
