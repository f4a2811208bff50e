"""Paging through a thread by cursors, while others work on it."""

from collections.abc import Awaitable, Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from redis_store import DateRange, Include, InvalidArgumentError, Message, Page, RedisStore
from redis_store.pages import Direction
from tests.property.model_comparison import scanning
from tests.support.deployments.place import Place
from tests.support.records.builders import at, message
from tests.support.records.messages import ids, listed, make_threads, saved
from tests.support.wire.raw import Raw

DIRECTIONS: tuple[Direction, ...] = ("asc", "desc")
# Dates that tie and touch, so that scores are pushed up.
TIED = [n // 3 for n in range(10)]


async def page(store: RedisStore, **options: Any) -> Page[Message]:
    return await store.memory.list_messages("t", **options)


async def forwards(store: RedisStore, **options: Any) -> list[Page[Message]]:
    """Read all pages, each after the one before."""
    pages = [await page(store, **options)]
    while pages[-1].next_cursor is not None:
        assert pages[-1].has_more
        pages.append(await page(store, after=pages[-1].next_cursor, **options))
    assert not pages[-1].has_more
    return pages


async def backwards(store: RedisStore, cursor: str | None, **options: Any) -> list[Page[Message]]:
    """Read all pages before a cursor, each before the one after; the last one read comes first."""
    pages: list[Page[Message]] = []
    while cursor is not None:
        pages.insert(0, await page(store, before=cursor, **options))
        cursor = pages[0].previous_cursor
    return pages


def flat(pages: list[Page[Message]]) -> list[str]:
    return [id_ for each in pages for id_ in ids(each)]


async def fill(store: RedisStore, dates: list[int] = TIED, **options: Any) -> list[str]:
    batch = [message(f"m{n:02}", us, **options) for n, us in enumerate(dates)]
    await saved(store, *batch)
    return [one.id for one in batch]


@pytest.mark.parametrize("dates", [list(range(10)), TIED, [0] * 10], ids=["apart", "tied", "one"])
async def test_pages_by_cursor_are_the_whole_listing(store: RedisStore, dates: list[int]) -> None:
    """In both directions, at any size; the total and has_more are those of the listing."""
    names = await fill(store, dates)
    for direction, size in product(DIRECTIONS, (1, 2, 3, 5, 9, 10, 11)):
        asked: dict[str, Any] = {"per_page": size, "direction": direction}
        pages = await forwards(store, **asked)
        assert flat(pages) == (names if direction == "asc" else names[::-1])
        assert [len(each) for each in pages[:-1]] == [size] * (len(pages) - 1)
        assert {(each.total, each.page, each.per_page) for each in pages} == {(10, 0, size)}
        assert pages[0].previous_cursor is None


async def test_the_page_before_a_cursor_comes_in_the_same_direction(store: RedisStore) -> None:
    """A chat scrolls up and down: the cursor is between two messages, and so is the page's end."""
    await fill(store)
    for direction, size in product(DIRECTIONS, (1, 3, 4)):
        asked: dict[str, Any] = {"per_page": size, "direction": direction}
        pages = await forwards(store, **asked)
        for one, following in pairwise(pages):
            for cursor in (one.next_cursor, following.previous_cursor):
                again = await page(store, before=cursor, **asked)
                assert again.items == one.items
                assert (again.total, again.has_more) == (10, True)
                assert (again.previous_cursor is None) == (one is pages[0])
                assert (await page(store, after=cursor, **asked)).items == following.items
                onwards = await page(store, after=again.next_cursor, **asked)
                assert onwards.items == following.items
        up = await backwards(store, pages[-1].previous_cursor, **asked)
        assert flat(up) + ids(pages[-1]) == flat(pages)


async def test_a_cursor_is_of_any_page_size(store: RedisStore) -> None:
    """Also everything before or after it; nothing has no cursors."""
    names = await fill(store)
    cursor = (await page(store, per_page=4)).next_cursor
    after = await page(store, per_page=None, after=cursor)
    assert (ids(after), after.has_more, after.next_cursor) == (names[4:], False, None)
    before = await page(store, per_page=None, before=cursor)
    assert (ids(before), before.has_more, before.previous_cursor) == (names[:4], True, None)
    assert before.next_cursor is not None
    for options in ({}, {"after": cursor}, {"before": cursor}):
        nothing = await page(store, per_page=0, **options)
        assert (nothing.items, nothing.total, nothing.has_more) == ([], 0, False)
        assert (nothing.next_cursor, nothing.previous_cursor) == (None, None)
    assert ids(await page(store, per_page=10**30, after=cursor)) == names[4:]


async def test_a_page_by_its_number_has_cursors(store: RedisStore) -> None:
    """So that a reader can go on from anywhere."""
    names = await fill(store)
    second = await page(store, page=1, per_page=4)
    assert ids(await page(store, per_page=4, after=second.next_cursor)) == names[8:]
    assert ids(await page(store, per_page=4, before=second.previous_cursor)) == names[:4]
    past = await page(store, page=9, per_page=4)
    assert (past.items, past.next_cursor, past.previous_cursor) == ([], None, None)


async def test_an_empty_thread_has_no_cursors(store: RedisStore) -> None:
    await make_threads(store, "t")
    for direction in DIRECTIONS:
        empty = await page(store, direction=direction)
        assert (empty.next_cursor, empty.previous_cursor, empty.has_more) == (None, None, False)


async def test_an_empty_page_is_where_its_cursor_is(store: RedisStore) -> None:
    """A reader at the end finds later messages with the cursor that it has."""
    names = await fill(store)
    cursor = (await page(store, per_page=9)).next_cursor
    await store.memory.delete_messages(names[9:])
    end = await page(store, after=cursor)
    assert (end.items, end.total, end.has_more, end.next_cursor) == ([], 9, False, None)
    await saved(store, message("new", 5))
    assert ids(await page(store, after=cursor)) == ["new"]
    assert ids(await page(store, per_page=2, before=end.previous_cursor)) == names[7:9]
    await store.memory.delete_messages(names[:9])
    start = await page(store, before=cursor)
    assert (start.items, start.total, start.has_more) == ([], 1, True)
    assert ids(await page(store, after=start.next_cursor)) == ["new"]
    assert start.previous_cursor is None


async def test_messages_that_arrive_shift_no_page(store: RedisStore) -> None:
    """Before the cursor, at its date, and after it: those after it come, in their order."""
    for direction in DIRECTIONS:
        names = await fill(store, [10, 10, 10, 20])
        first = await page(store, per_page=2, direction=direction)
        arrivals = {"early": 9, "tied": 10, "late": 21}
        await saved(store, *(message(id_, us) for id_, us in arrivals.items()))
        rest = await page(store, direction=direction, after=first.next_cursor)
        if direction == "asc":
            assert ids(rest) == [names[2], "tied", names[3], "late"]
        else:
            assert ids(rest) == [names[1], names[0], "early"]
        # The descending page ended between the third and the second of the tied ones, so the new
        # one, which is after all of them, came before the page's end.
        up = await page(store, per_page=None, direction=direction, before=first.next_cursor)
        assert ids(up) + ids(rest) == await listed(store, direction=direction)
        await store.memory.delete_thread("t")


@pytest.mark.parametrize("dates", [list(range(12)), [n // 4 for n in range(12)], [0] * 12], ids=str)
async def test_a_cursor_survives_its_messages(store: RedisStore, dates: list[int]) -> None:
    """Whichever of the messages before it, or all of them, are deleted."""
    kept: list[Callable[[int], bool]] = [
        lambda n: n % 2 == 0,
        lambda n: n == 0,
        lambda _: False,
        lambda n: n < 3,
    ]
    for direction, is_kept in product(DIRECTIONS, kept):
        names = await fill(store, dates)
        order = names if direction == "asc" else names[::-1]
        pages = [await page(store, per_page=3, direction=direction)]
        cursor = pages[0].next_cursor
        pages.append(await page(store, per_page=3, direction=direction, after=cursor))
        deleted = [id_ for n, id_ in enumerate(order[:6]) if not is_kept(n)]
        await store.memory.delete_messages(deleted)
        at = pages[-1].next_cursor
        rest = await page(store, per_page=None, direction=direction, after=at)
        assert ids(rest) == order[6:]
        # Those that came before the cursor and are left are still before it.
        up = await page(store, per_page=None, direction=direction, before=at)
        assert ids(up) == [id_ for id_ in order[:6] if id_ not in deleted]
        await store.memory.delete_thread("t")


async def test_a_cursor_survives_the_messages_that_follow_it(store: RedisStore) -> None:
    """A page's first message gone, its previous cursor is still in its place."""
    for direction, dates in product(DIRECTIONS, ([0] * 9, list(range(9)))):
        names = await fill(store, dates)
        order = names if direction == "asc" else names[::-1]
        last = (await forwards(store, per_page=3, direction=direction))[-1]
        await store.memory.delete_messages(order[6:])
        up = await page(store, per_page=2, direction=direction, before=last.previous_cursor)
        assert ids(up) == order[4:6]
        await store.memory.delete_messages(order[4:])
        up = await page(store, per_page=2, direction=direction, before=up.previous_cursor)
        assert ids(up) == order[2:4]
        await store.memory.delete_thread("t")


async def test_a_thread_that_is_worked_off_page_by_page(store: RedisStore) -> None:
    """A worker deletes each page that it has read, of more messages of one date than have names."""
    starts = ((0, 7), (2, 7), (1, 40))
    for direction, (first, size), some_stay in product(DIRECTIONS, starts, (True, False)):
        names = await fill(store, [0] * 120)
        order = names if direction == "asc" else names[::-1]
        seen: list[str] = []
        current = await page(store, page=first, per_page=size, direction=direction)
        while True:
            seen += ids(current)
            done = [m.id for n, m in enumerate(current) if n % 5 or not some_stay]
            await store.memory.delete_messages(done)
            if current.next_cursor is None:
                break
            asked: dict[str, Any] = {"per_page": size, "direction": direction}
            current = await page(store, after=current.next_cursor, **asked)
            assert current.total == len(await listed(store))
        assert seen == order[first * size :]
        await store.memory.delete_thread("t")


async def test_a_new_date_for_the_last_message_moves_no_page(store: RedisStore) -> None:
    """The cursor stays where the message was."""
    names = await fill(store)
    cursor = (await page(store, per_page=5)).next_cursor
    await store.memory.save_messages([message(names[4], 99)])
    assert ids(await page(store, after=cursor)) == [*names[5:], names[4]]
    assert ids(await page(store, before=cursor)) == names[:4]


async def _mixed(store: RedisStore) -> None:
    await make_threads(store, "t")
    await store.memory.save_messages(
        [
            message(f"m{n:02}", n // 4, resource_id="uv"[n % 2], metadata={"k": n % 3})
            for n in range(24)
        ]
    )


FILTERS: list[dict[str, Any]] = [
    {"resource_id": "u"},
    {"resource_id": "nobody"},
    {"metadata": {"k": 1}},
    {"metadata": {"k": 1}, "resource_id": "v"},
    {"date_range": DateRange(at(1), at(4), start_exclusive=True)},
    {"date_range": DateRange(at(2), at(4)), "metadata": {"k": 0}},
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_pages_of_a_filtered_listing(store: RedisStore, filters: dict[str, Any]) -> None:
    """Every filter is exact: the total counts what passes it, and the pages are all of that."""
    await _mixed(store)
    for direction, size, counted in product(DIRECTIONS, (1, 3, 50), (True, False)):
        whole = await listed(store, direction=direction, **filters)
        asked = {"per_page": size, "direction": direction, "include_total": counted, **filters}
        pages = await forwards(store, **asked)
        assert flat(pages) == whole
        assert {each.total for each in pages} == {len(whole) if counted else None}
        up = await backwards(store, pages[-1].previous_cursor, **asked)
        assert flat(up) + ids(pages[-1]) == whole
        assert {each.total for each in up} <= {len(whole) if counted else None}
        assert all(each.has_more for each in up)


async def test_a_filter_can_change_from_page_to_page(store: RedisStore) -> None:
    """A cursor is a place in the thread, whatever is selected there."""
    await _mixed(store)
    cursor = (await page(store, per_page=10, metadata={"k": 1})).next_cursor
    assert cursor is None
    cursor = (await page(store, per_page=4, metadata={"k": 1})).next_cursor
    assert ids(await page(store, per_page=2, after=cursor)) == ["m11", "m12"]
    outside = await page(store, after=cursor, date_range=DateRange(None, at(1)))
    assert (outside.items, outside.total, outside.has_more) == ([], 8, False)
    outside = await page(store, before=cursor, date_range=DateRange(at(4)))
    assert (outside.items, outside.total, outside.has_more) == ([], 8, True)


async def test_included_messages_do_not_move_the_pages(store: RedisStore) -> None:
    """LIST-08, LIST-10: they come besides the page, and the cursors are the page's."""
    names = await fill(store)
    await saved(store, message("x", thread_id="t2"))
    for direction in DIRECTIONS:
        order = names if direction == "asc" else names[::-1]
        asked: dict[str, Any] = {"per_page": 3, "direction": direction, "include": [Include("x")]}
        pages = await forwards(store, **asked)
        own = [[id_ for id_ in ids(each) if id_ != "x"] for each in pages]
        assert own == [order[:3], order[3:6], order[6:9], order[9:]]
        assert all("x" in ids(each) for each in pages)
        up = await page(store, before=pages[1].next_cursor, **asked)
        assert sorted(ids(up)) == sorted([*order[3:6], "x"])
    last = await page(store, per_page=8, include=[Include(names[9], 1)])
    assert (ids(last), last.has_more, last.next_cursor) == (names, False, None)
    up = await page(store, before=(await page(store, per_page=8)).next_cursor, per_page=2)
    assert ids(up) == names[6:8]


async def test_a_store_that_scans_has_the_same_pages(store: RedisStore, place: Place) -> None:
    """Also where its messages are deleted."""
    names = await fill(store, [0, 0, 0, 1, 1, 5, 5, 5, 5, 9])
    async with scanning(place) as scan:
        for direction in DIRECTIONS:
            order = names if direction == "asc" else names[::-1]
            pages = await forwards(scan, per_page=3, direction=direction)
            assert flat(pages) == order
            up = await backwards(scan, pages[-1].previous_cursor, per_page=3, direction=direction)
            assert flat(up) == order[:9]
        first = await page(store, per_page=7)
        await store.memory.delete_messages([names[6], names[0]])
        assert ids(await page(scan, after=first.next_cursor)) == names[7:]
        await store.memory.delete_messages([names[5]])
        assert ids(await page(scan, after=first.next_cursor)) == names[7:]
        assert ids(await page(scan, before=first.next_cursor)) == names[1:5]


@pytest.mark.damages
async def test_a_missing_body_shortens_no_page(store: RedisStore, place: Place, raw: Raw) -> None:
    """Its entry in the timeline is removed, and the page read again."""
    names = await fill(store)
    first = await page(store, per_page=3)
    await raw("DEL", *(place.keys.message("t", id_) for id_ in (names[2], names[4])))
    second = await page(store, per_page=3, after=first.next_cursor)
    assert (ids(second), second.total) == ([names[3], *names[5:7]], 9)
    up = await page(store, per_page=5, before=second.next_cursor)
    assert ids(up) == [names[0], names[1], names[3], *names[5:7]]


async def _cursor_of(store: RedisStore) -> str:
    await fill(store)
    cursor = (await page(store, per_page=3)).next_cursor
    assert cursor is not None
    return cursor


async def test_a_cursor_of_another_listing_is_refused_by_name(store: RedisStore) -> None:
    """GEN-03: nothing is read, however alike the listings are."""
    cursor = await _cursor_of(store)
    await saved(store, *(message(f"x{n}", n, thread_id="t2") for n in range(9)))
    threads = await store.memory.list_threads(per_page=1)
    wrong: list[tuple[Awaitable[object], str]] = [
        (store.memory.list_messages("t2", after=cursor), "another thread"),
        (store.memory.list_messages("t", direction="desc", after=cursor), "another direction"),
        (store.memory.list_messages("t", before=threads.next_cursor), "another listing"),
        (store.memory.list_threads(direction="asc", after=cursor), "another listing"),
    ]
    for call, named in wrong:
        with pytest.raises(InvalidArgumentError, match=named):
            await call


@pytest.mark.parametrize(
    "refused",
    [
        ("t", {"page": 1}, "PAGE", "must be 0 with after"),
        ("t", {"before": "{cursor}"}, "BEFORE", "excludes after"),
        ("t", {"before": "damaged"}, "BEFORE", "excludes after"),
        (["t", "t2"], {}, "AFTER", "needs a listing of one thread"),
        ("t", {"after": ""}, "AFTER", "must be a cursor"),
        ("t", {"after": 7}, "AFTER", "must be a cursor"),
        ("t", {"after": "damaged"}, "AFTER", "damaged"),
        ("t", {"after": "{cursor}x"}, "AFTER", "damaged"),
        ("t", {"after": None, "before": "\ud83d"}, "BEFORE", "damaged"),
    ],
)
async def test_what_cannot_be_exact_is_refused_before_any_io(
    store: RedisStore,
    tmp_path: Path,
    refused: tuple[Any, dict[str, Any], str, str],
) -> None:
    """PAGE-01: several threads, a page number, both cursors, and no cursors at all."""
    thread_id, options, argument, why = refused
    cursor = await _cursor_of(store)
    given: dict[str, Any] = {"after": cursor} | {
        k: v.format(cursor=cursor) if isinstance(v, str) else v for k, v in options.items()
    }
    unreachable = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError, match=why) as caught:
        await unreachable.memory.list_messages(thread_id, **given)
    assert caught.value.code == f"LIST_MESSAGES_INVALID_{argument}"
    await unreachable.close()


async def test_one_thread_twice_is_one_thread(store: RedisStore) -> None:
    """LIST-01: duplicates count once; merged threads have no cursors."""
    cursor = await _cursor_of(store)
    twice = await store.memory.list_messages(["t", "t"], per_page=2, after=cursor)
    assert ids(twice) == ["m03", "m04"]
    await make_threads(store, "t2")
    merged = await store.memory.list_messages(["t", "t2"], per_page=2)
    assert (merged.has_more, merged.next_cursor) == (True, None)
