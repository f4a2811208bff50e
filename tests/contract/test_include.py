"""Messages included beside a page: targets, windows around them, and whose they are."""

from itertools import product

from redis_store import DateRange, Include, RedisStore
from redis_store.pages import Direction
from tests.support.records.builders import at, message
from tests.support.records.messages import ids, listed, make_threads, saved


async def conversation(store: RedisStore) -> None:
    """Ten messages in ``t`` and five in ``t2``, which lie between them in time."""
    await saved(store, *(message(f"m{n}", 10 * n) for n in range(10)))
    await saved(store, *(message(f"x{n}", 10 * n + 5, thread_id="t2") for n in range(5)))


async def test_a_page_comes_with_its_targets_and_their_windows(store: RedisStore) -> None:
    """LIST-08: sorted in the asked direction, without duplicates."""
    await conversation(store)
    include = [Include("m6", 2, 1), Include("x1"), Include("m5", 1, 0)]
    page = await store.memory.list_messages("t", per_page=3, include=include)
    assert ids(page) == ["m0", "m1", "x1", "m2", "m4", "m5", "m6", "m7"]
    assert (page.total, page.has_more) == (10, True)
    down = await store.memory.list_messages("t", per_page=3, include=include, direction="desc")
    assert ids(down) == ["m9", "m8", "m7", "m6", "m5", "m4", "x1"]


async def test_windows_mean_before_and_after_in_time_in_either_direction(
    store: RedisStore,
) -> None:
    """LIST-08: previous is older, next is newer, whichever way the page is sorted."""
    await conversation(store)
    for direction in ("asc", "desc"):
        before = await listed(
            store, "t2", per_page=0, include=[Include("m5", 2, 0)], direction=direction
        )
        after = await listed(
            store, "t2", per_page=0, include=[Include("m5", 0, 2)], direction=direction
        )
        assert sorted(before) == ["m3", "m4", "m5"]
        assert sorted(after) == ["m5", "m6", "m7"]


async def test_windows_clamp_at_both_ends(store: RedisStore) -> None:
    """LIST-08: however many neighbours are asked for."""
    await conversation(store)
    for id_, before, after, expected in (
        ("x0", 3, 0, ["x0"]),
        ("x0", 9, 1, ["x0", "x1"]),
        ("x4", 1, 9, ["x3", "x4"]),
        ("x2", 2, 2, ["x0", "x1", "x2", "x3", "x4"]),
        ("x2", 10**9, 10**30, ["x0", "x1", "x2", "x3", "x4"]),
    ):
        assert await listed(store, per_page=0, include=[Include(id_, before, after)]) == expected


async def test_neighbours_come_from_the_targets_own_thread(store: RedisStore) -> None:
    """LIST-08: not from the thread that is listed, though its messages are nearer in time."""
    await conversation(store)
    page = await store.memory.list_messages("t", per_page=1, include=[Include("x2", 1, 1)])
    assert ids(page) == ["m0", "x1", "x2", "x3"]


async def test_an_unknown_target_adds_nothing(store: RedisStore) -> None:
    """LIST-08: beside known ones, and alone."""
    await conversation(store)
    page = await store.memory.list_messages(
        "t", per_page=1, include=[Include("unknown", 5, 5), Include("m3"), Include("*")]
    )
    assert ids(page) == ["m0", "m3"]
    alone = await store.memory.list_messages("t", per_page=1, include=[Include("unknown", 1, 1)])
    assert (ids(alone), alone.total, alone.has_more) == (["m0"], 10, True)


async def test_includes_work_when_the_main_thread_is_empty(store: RedisStore) -> None:
    """LIST-08: total 0 and no more, but the included messages."""
    await make_threads(store, "empty")
    await conversation(store)
    mains: list[str | list[str]] = ["empty", "unknown", ["empty", "unknown"]]
    for main, per_page in product(mains, (None, 2, 0)):
        page = await store.memory.list_messages(
            main, per_page=per_page, include=[Include("m1", 1), Include("x0")]
        )
        assert (ids(page), page.total, page.has_more) == (["m0", "x0", "m1"], 0, False)


async def test_a_target_given_twice_takes_the_widest_window(store: RedisStore) -> None:
    """LIST-08: the windows unite."""
    await conversation(store)
    include = [Include("m5", 1, 0), Include("m5", 0, 2), Include("m5"), Include("m6", 1, 1)]
    assert await listed(store, "t2", per_page=0, include=include) == ["m4", "m5", "m6", "m7"]


async def test_included_messages_pass_no_filter_but_the_resource(store: RedisStore) -> None:
    """LIST-08: date range and metadata choose the page, not what is included."""
    await conversation(store)
    page = await store.memory.list_messages(
        "t",
        date_range=DateRange(at(20), at(40)),
        include=[Include("m8", 1, 0), Include("m0", 0, 1)],
    )
    assert ids(page) == ["m0", "m1", "m2", "m3", "m4", "m7", "m8"]
    assert (page.total, page.has_more) == (3, False)
    page = await store.memory.list_messages(
        "t", metadata={"none": True}, include=[Include("m8", 1, 0)]
    )
    assert (ids(page), page.total, page.has_more) == (["m7", "m8"], 0, False)


async def test_windows_are_exact_among_ties(store: RedisStore) -> None:
    """LIST-08, SAVE-06: neighbours in a row of ties that were pushed up, and touch the next."""
    await saved(store, *(message(f"c{n}", 1) for n in range(4)))
    await saved(store, *(message(f"b{n}") for n in range(6)), message("d", 2))
    row = [f"b{n}" for n in range(6)] + [f"c{n}" for n in range(4)] + ["d"]
    assert await listed(store) == row
    for index, id_ in enumerate(row):
        found = await listed(store, "t2", per_page=0, include=[Include(id_, 2, 3)])
        assert found == row[max(0, index - 2) : index + 4]


async def test_an_included_message_of_the_page_comes_once(store: RedisStore) -> None:
    """LIST-08: on a page that is sorted either way, and on later pages."""
    await conversation(store)
    page = await store.memory.list_messages("t", per_page=3, include=[Include("m1", 1, 1)])
    assert (ids(page), page.has_more) == (["m0", "m1", "m2"], True)
    third = await store.memory.list_messages(
        "t", page=1, per_page=3, include=[Include("m3", 1, 0)], direction="desc"
    )
    assert ids(third) == ["m6", "m5", "m4", "m3", "m2"]


async def mixed(store: RedisStore) -> None:
    """Messages of u, v, u, v, … in ``t``; a thread of v alone, ``t2``; one of w, ``t3``."""
    await make_threads(store, "t", "t2", "t3")
    await saved(store, *(message(f"m{n}", n, resource_id="uv"[n % 2]) for n in range(10)))
    await saved(store, *(message(f"v{n}", n, thread_id="t2", resource_id="v") for n in range(4)))
    await saved(store, message("w", 0, thread_id="t3", resource_id="w"))


async def test_a_window_is_counted_after_dropping_other_resources(store: RedisStore) -> None:
    """LIST-09: "one before" is the previous message of that resource."""
    await mixed(store)
    page = await store.memory.list_messages(
        "t", resource_id="u", per_page=1, include=[Include("m6", 1, 1)]
    )
    assert ids(page) == ["m0", "m4", "m6", "m8"]
    wide = await listed(store, resource_id="v", per_page=0, include=[Include("m5", 9, 1)])
    assert wide == ["m1", "m3", "m5", "m7"]


async def test_a_target_of_another_resource_adds_nothing(store: RedisStore) -> None:
    """LIST-09: neither it nor its neighbours, though those would be allowed."""
    await mixed(store)
    include = [Include("m5", 2, 2), Include("v1", 1, 1), Include("w")]
    page = await store.memory.list_messages("t", resource_id="u", per_page=2, include=include)
    assert (ids(page), page.total, page.has_more) == (["m0", "m2"], 5, True)
    empty = await store.memory.list_messages("t", resource_id="x", include=include)
    assert (ids(empty), empty.total, empty.has_more) == ([], 0, False)


async def test_a_resource_is_included_from_other_threads(store: RedisStore) -> None:
    """LIST-09: the resource is the scope, not the thread."""
    await mixed(store)
    page = await store.memory.list_messages(
        "t", resource_id="v", per_page=1, include=[Include("v2", 1, 0), Include("m4", 1, 1)]
    )
    assert ids(page) == ["m1", "v1", "v2"]


async def test_without_a_resource_anything_can_be_included(store: RedisStore) -> None:
    """LIST-09: cross-resource includes are allowed."""
    await mixed(store)
    for anyone in (None, ""):
        page = await store.memory.list_messages(
            "t3", resource_id=anyone, include=[Include("m5", 1, 1), Include("v3")]
        )
        assert sorted(ids(page)) == ["m4", "m5", "m6", "v3", "w"]


async def test_nothing_is_more_when_all_that_follows_was_included(store: RedisStore) -> None:
    """LIST-10: has_more is about what is still unreturned."""
    await saved(store, *(message(f"m{n}", n) for n in range(5)))
    for counted in (True, False):
        for include, more in (
            ([], True),
            ([Include("m3", 0, 1)], True),
            ([Include("m3", 1, 1)], False),
            ([Include("m2", 2, 2)], False),
            ([Include("m0", 1, 1)], True),
        ):
            page = await store.memory.list_messages(
                "t", per_page=2, include=include, include_total=counted
            )
            assert page.has_more is more
            assert page.total == (5 if counted else None)


async def test_what_was_included_from_before_the_page_is_not_more(store: RedisStore) -> None:
    """LIST-10: only what lies after this page counts, in either direction."""
    await saved(store, *(message(f"m{n}", n) for n in range(6)))
    ways: tuple[tuple[Direction, str], ...] = (("asc", "m0"), ("desc", "m5"))
    for direction, targets in ways:
        page = await store.memory.list_messages(
            "t", page=1, per_page=2, include=[Include(targets, 1, 1)], direction=direction
        )
        assert page.has_more
        last = await store.memory.list_messages(
            "t", page=2, per_page=2, include=[Include(targets, 1, 1)], direction=direction
        )
        assert not last.has_more


async def test_with_metadata_more_is_what_the_total_says(store: RedisStore) -> None:
    """LIST-10: exactly offset + page length < total, whatever was included, counted or not."""
    await saved(store, *(message(f"m{n}", n, metadata={"even": n % 2 == 0}) for n in range(6)))
    pages = ((0, True), (1, True), (2, False), (3, False))
    for (number, more), counted in product(pages, (True, False)):
        page = await store.memory.list_messages(
            "t",
            page=number,
            per_page=1,
            metadata={"even": True},
            include=[Include("m3", 3, 3)],
            include_total=counted,
        )
        assert page.has_more is more
        assert ids(page) == [f"m{n}" for n in range(6)]
