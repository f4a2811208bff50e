"""Filters on listings of messages: by date, by resource, by metadata, and all at once."""

from typing import Any

import pytest

from redis_store import DateRange, RedisStore
from tests.support.deployments.variants import on_each_topology
from tests.support.records.builders import T0, at, message
from tests.support.records.messages import ids, listed, make_threads, saved


async def counted(store: RedisStore, thread_id: str | list[str] = "t", **options: Any) -> list[str]:
    """Ids of everything that matches; checks that the total and small pages agree."""
    everything = await listed(store, thread_id, **options)
    page = await store.memory.list_messages(thread_id, per_page=2, **options)
    assert (ids(page), page.total) == (everything[:2], len(everything))
    assert page.has_more == (len(everything) > 2)
    down = await listed(store, thread_id, direction="desc", **options)
    assert down == everything[::-1]
    return everything


async def test_both_ends_of_a_range_are_inclusive(store: RedisStore) -> None:
    """LIST-03: unless exclusive is set; one end may be missing; microsecond exact."""
    await saved(store, *(message(f"m{n}", n) for n in range(6)))
    for date_range, expected in (
        (DateRange(), "012345"),
        (DateRange(at(1), at(3)), "123"),
        (DateRange(at(1), at(3), start_exclusive=True), "23"),
        (DateRange(at(1), at(3), end_exclusive=True), "12"),
        (DateRange(at(1), at(3), start_exclusive=True, end_exclusive=True), "2"),
        (DateRange(start=at(4)), "45"),
        (DateRange(start=at(4), start_exclusive=True), "5"),
        (DateRange(end=at(1)), "01"),
        (DateRange(end=at(1), end_exclusive=True), "0"),
        (DateRange(at(2), at(2)), "2"),
        (DateRange(at(2), at(2), start_exclusive=True), ""),
        (DateRange(at(2), at(2), end_exclusive=True), ""),
        (DateRange(at(3), at(2)), ""),
        (DateRange(at(6)), ""),
        (DateRange(end=at(-1)), ""),
    ):
        for thread_id in ("t", ["t", "t2"]):
            found = await counted(store, thread_id, date_range=date_range)
            assert found == [f"m{n}" for n in expected]


@pytest.mark.parametrize("thread_id", ["t", ["t", "t2"]])
async def test_a_range_is_exact_where_ties_pushed_messages_up(
    store: RedisStore, thread_id: str | list[str]
) -> None:
    """LIST-03: the date decides, not where the message had to go: ties, and ties before them."""
    await saved(store, *(message(f"a{n:02}") for n in range(30)))
    await saved(store, *(message(f"b{n:02}", 3) for n in range(30)))
    await saved(store, message("c00", 4), message("z00", 100))
    await saved(store, *(message(f"a{n:02}") for n in range(30, 40)))
    a, b = [f"a{n:02}" for n in range(40)], [f"b{n:02}" for n in range(30)]
    for start, end, expected in (
        (0, 0, a),
        (1, 2, []),
        (3, 3, b),
        (0, 3, a + b),
        (1, 4, [*b, "c00"]),
        (4, 4, ["c00"]),
        (5, 99, []),
        (4, 100, ["c00", "z00"]),
        (-5, -1, []),
    ):
        date_range = DateRange(at(start), at(end))
        assert await counted(store, thread_id, date_range=date_range) == expected
    assert await counted(store, thread_id, date_range=DateRange(start=at(3))) == [*b, "c00", "z00"]
    assert await counted(store, thread_id, date_range=DateRange(end=at(3))) == a + b


async def test_a_range_may_reach_beyond_every_date(store: RedisStore) -> None:
    """LIST-03: also over 1970, and in another time zone."""
    await saved(store, message("a"))
    wide = DateRange(T0.replace(year=1700), T0.replace(year=2250).astimezone())
    assert await counted(store, date_range=wide) == ["a"]


async def test_a_resource_keeps_only_its_messages(store: RedisStore) -> None:
    """LIST-02: in the total too; '' and None are unscoped; the thread's owner does not matter."""
    await make_threads(store, "t", resource_id="owner")
    await saved(store, *(message(f"m{n}", n // 2, resource_id="uvw"[n % 3]) for n in range(9)))
    assert await counted(store, resource_id="u") == ["m0", "m3", "m6"]
    assert await counted(store, resource_id="v") == ["m1", "m4", "m7"]
    assert await counted(store, resource_id="owner") == []
    assert await counted(store, resource_id="U") == []
    for anyone in ("", None):
        assert await counted(store, resource_id=anyone) == [f"m{n}" for n in range(9)]


async def test_a_resource_filters_threads_of_one_resource(store: RedisStore) -> None:
    """LIST-02: a thread is all of it or nothing, alone and merged with mixed ones."""
    await saved(store, *(message(f"a{n}", n) for n in range(3)))
    await saved(
        store, *(message(f"b{n}", n + 3, thread_id="t2", resource_id="v") for n in range(3))
    )
    await saved(
        store, *(message(f"c{n}", n + 6, thread_id="t3", resource_id="uv"[n]) for n in range(2))
    )
    every = ["t", "t2", "t3"]
    assert await counted(store, "t", resource_id="u") == ["a0", "a1", "a2"]
    assert await counted(store, "t2", resource_id="u") == []
    assert await counted(store, every, resource_id="u") == ["a0", "a1", "a2", "c0"]
    assert await counted(store, every, resource_id="v") == ["b0", "b1", "b2", "c1"]


async def test_a_resource_is_followed_through_every_change(store: RedisStore) -> None:
    """LIST-02: a re-save, an update, a delete and a move give messages to other resources."""
    await saved(store, *(message(f"m{n}", n) for n in range(5)))
    await saved(store, message("m1", 1, resource_id="v"))
    assert await counted(store, resource_id="u") == ["m0", "m2", "m3", "m4"]
    assert await counted(store, resource_id="v") == ["m1"]
    await store.memory.delete_messages(["m0", "m1"])
    assert await counted(store, resource_id="u") == ["m2", "m3", "m4"]
    assert await counted(store, resource_id="v") == []
    await saved(store, message("m2", 2, resource_id="v"), message("m3", 3, thread_id="t2"))
    assert await counted(store, resource_id="u") == ["m4"]
    await store.memory.update_thread_resource_id("t", "w")
    assert await counted(store, resource_id="w") == ["m2", "m4"]
    assert await counted(store, ["t", "t2"], resource_id="u") == ["m3"]


VALUES: dict[str, Any] = {
    "one": 1,
    "float": 1.5,
    "text": "1",
    "true": True,
    "false": False,
    "zero": 0,
    "null": None,
    "empty": "",
    "list": [1],
    "dict": {"a": 1},
    "big": 2**60 + 1,
}


async def test_metadata_compares_by_type(store: RedisStore) -> None:
    """LIST-04: 1, "1" and true differ; None is an explicit null and no missing key."""
    await saved(
        store,
        *(
            message(name, n, metadata={"k": value})
            for n, (name, value) in enumerate(VALUES.items())
        ),
        message("missing", 50, metadata={"other": 1}),
        message("no metadata", 51),
    )
    for name in ("one", "float", "text", "true", "false", "zero", "null", "empty", "big"):
        assert await counted(store, metadata={"k": VALUES[name]}) == [name]
    assert await counted(store, metadata={"k": 2**60}) == []
    assert await counted(store, metadata={"k": "one"}) == []
    assert await counted(store, metadata={"missing": None}) == []


async def test_metadata_keys_combine_with_and(store: RedisStore) -> None:
    """LIST-04: {} filters nothing; keys that the filter does not name do not matter."""
    await saved(
        store,
        message("ab", 0, metadata={"a": 1, "b": 2, "c": [3]}),
        message("a", 1, metadata={"a": 1}),
        message("b", 2, metadata={"b": 2, "a": None}),
    )
    assert await counted(store, metadata={"a": 1}) == ["ab", "a"]
    assert await counted(store, metadata={"b": 2}) == ["ab", "b"]
    assert await counted(store, metadata={"a": 1, "b": 2}) == ["ab"]
    assert await counted(store, metadata={"a": None, "b": 2}) == ["b"]
    assert await counted(store, metadata={}) == ["ab", "a", "b"]
    assert await counted(store, metadata={"a" * 128: 1}) == []


async def test_metadata_looks_into_the_content_only(store: RedisStore) -> None:
    """LIST-04: content that is no object, or whose metadata is none, matches nothing."""
    contents: list[Any] = ["text", ["a"], {"a": 1}, {"metadata": "a"}, {"metadata": ["a"]}, 7]
    contents.append({"metadata": {"a": 1}})
    batch = [message(f"m{n}", n) for n in range(len(contents))]
    for one, content in zip(batch, contents, strict=True):
        one.content = content
    await saved(store, *batch)
    assert await counted(store, metadata={"a": 1}) == ["m6"]
    assert await counted(store, metadata={"id": "m0"}) == []


async def test_pages_are_cut_after_all_filters(store: RedisStore) -> None:
    """LIST-05: total and pages count only what every filter lets through."""
    await saved(
        store,
        *(
            message(f"m{n:02}", n // 2, resource_id="uv"[n % 2], metadata={"k": n % 3})
            for n in range(48)
        ),
    )
    some: dict[str, Any] = {
        "date_range": DateRange(at(2), at(20), end_exclusive=True),
        "resource_id": "u",
        "metadata": {"k": 1},
    }
    expected = [f"m{n:02}" for n in range(4, 40) if n % 2 == 0 and n % 3 == 1]
    assert await counted(store, **some) == expected
    page = await store.memory.list_messages("t", page=1, per_page=4, **some)
    assert (ids(page), page.total, page.has_more) == (expected[4:], len(expected), False)


@on_each_topology
async def test_a_filter_looks_at_a_thread_of_any_length(store: RedisStore) -> None:
    """LIST-05: also where the thread is read in several pieces."""
    await make_threads(store, "t")
    batch = [
        message(f"m{n}", n // 7, resource_id="v" if n % 500 == 3 else "u", metadata={"n": n % 300})
        for n in range(620)
    ]
    await store.memory.save_messages(batch)
    assert await counted(store, resource_id="v") == ["m3", "m503"]
    assert await counted(store, metadata={"n": 299}) == ["m299", "m599"]
    assert len(await counted(store, resource_id="u")) == 618
