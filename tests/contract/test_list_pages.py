"""Pages of messages: which arguments are taken, and that pages together are the listing."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from redis_store import DateRange, Include, InvalidArgumentError, Page, RedisStore
from tests.support.records.builders import T0, at, message
from tests.support.records.messages import ids, listed, saved, walked

CALLS: dict[str, tuple[str, Any]] = {
    "of a thread": ("list_messages", "t"),
    "of several": ("list_messages", ["t", "t2"]),
    "of a resource": ("list_messages_by_resource_id", "u"),
}


async def call(store: RedisStore, name: str, **options: Any) -> Page[Any]:
    """Make one of the calls above."""
    method, selector = CALLS[name]
    page: Page[Any] = await getattr(store.memory, method)(selector, **options)
    return page


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"page": -1},
        {"page": 1.0},
        {"page": "0"},
        {"page": True},
        {"page": None},
        {"per_page": -1},
        {"per_page": 2.5},
        {"per_page": "10"},
        {"per_page": False},
        {"per_page": None, "page": 1},
        {"direction": "up"},
        {"direction": "DESC"},
        {"direction": None},
        {"direction": "created_at"},
        {"date_range": (T0, T0)},
        {"date_range": DateRange(start=T0.replace(tzinfo=None))},
        {"date_range": DateRange(end="2026-01-01")},  # type: ignore[arg-type]
        {"metadata": [("a", 1)]},
        {"metadata": {"a.b": 1}},
        {"metadata": {"__proto__": 1}},
        {"metadata": {"a" * 129: 1}},
        {"metadata": {"": 1}},
        {"metadata": {7: 1}},
        {"metadata": {"a\n": 1}},
        {"metadata": {"é": 1}},
        {"metadata": {"a": []}},
        {"metadata": {"a": {}}},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": float("-inf")}},
        {"metadata": {"a": T0}},
        {"include": ["m"]},
        {"include": Include("m")},
        {"include": [Include("")]},
        {"include": [Include("m", -1)]},
        {"include": [Include("m", 0, 1.5)]},  # type: ignore[arg-type]
    ],
    ids=repr,
)
async def test_a_wrong_argument_is_refused_before_any_io(
    name: str, wrong: dict[str, Any], tmp_path: Path
) -> None:
    """PAGE-01, PAGE-04, LIST-04: the error's code names the call and the argument."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError) as caught:
        await call(store, name, **wrong)
    assert caught.value.code.startswith(f"{CALLS[name][0]}_INVALID_".upper())
    assert caught.value.details["argument"].split(".")[0] in wrong
    await store.close()


@pytest.mark.parametrize("wrong", [7, "\ud800", ["u"], "é" * 513])
async def test_a_wrong_resource_is_refused_before_any_io(wrong: Any, tmp_path: Path) -> None:
    """LIST-02, GEN-07: an id that no resource can have."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    for listing in (
        store.memory.list_messages("t", resource_id=wrong),
        store.memory.list_messages_by_resource_id(wrong),
    ):
        with pytest.raises(InvalidArgumentError, match="resource_id"):
            await listing
    await store.close()


async def test_what_a_page_size_means(store: RedisStore) -> None:
    """PAGE-01: omitted is 40, None is all, 0 is nothing and counts nothing."""
    await saved(store, *(message(f"m{n:02}", n) for n in range(45)))
    for name in CALLS:
        omitted = await call(store, name)
        assert (len(omitted), omitted.per_page, omitted.total) == (40, 40, 45)
        assert omitted.has_more
        everything = await call(store, name, per_page=None)
        assert (len(everything), everything.per_page) == (45, None)
        assert (everything.total, everything.has_more) == (45, False)
        nothing = await call(store, name, per_page=0)
        assert (nothing.items, nothing.total, nothing.has_more) == ([], 0, False)
        assert (nothing.per_page, (await call(store, name, per_page=0, page=3)).page) == (0, 3)


async def test_a_page_size_of_zero_returns_only_what_is_included(store: RedisStore) -> None:
    """PAGE-01: total 0 and no more, whatever the filters."""
    await saved(store, *(message(f"m{n}", n) for n in range(5)), message("x", 2, thread_id="t2"))
    include = [Include("m3", 1), Include("x"), Include("m0")]
    for name in CALLS:
        page = await call(store, name, per_page=0, include=include, direction="desc")
        assert (page.total, page.has_more) == (0, False)
        assert sorted(ids(page)) == ["m0", "m2", "m3", "x"]
        assert [m.created_at for m in page] == [at(3), at(2), at(2), at(0)]
        filtered = await call(store, name, per_page=0, include=include, metadata={"none": 1})
        assert (len(filtered), filtered.total, filtered.has_more) == (4, 0, False)


async def test_a_page_past_the_end_is_empty_with_the_real_total(store: RedisStore) -> None:
    """PAGE-02: has_more is false, however far past."""
    await saved(store, *(message(f"m{n}", n) for n in range(4)))
    past = ((1, 4), (2, 2), (4, 1), (9, 40), (10**12, 10**6), (10**30, 10**30))
    for name, (number, size) in product(CALLS, past):
        page = await call(store, name, page=number, per_page=size)
        assert (page.items, page.total, page.has_more) == ([], 4, False)
        assert (page.page, page.per_page) == (number, size)


async def test_pages_together_are_the_whole_listing(store: RedisStore) -> None:
    """PAGE-03: no duplicate, no gap, where all timestamps tie or touch."""
    await saved(
        store,
        *(message(f"m{n % 10}-{n}", n // 6, thread_id=("t", "t2", "t3")[n % 3]) for n in range(36)),
    )
    groups: list[str | list[str]] = ["t", ["t", "t2"], ["t3", "t2", "t"]]
    for threads, direction in product(groups, ("asc", "desc")):
        whole = await listed(store, threads, direction=direction)
        assert len(set(whole)) == 12 * (1 if threads == "t" else len(threads))
        for size in (1, 5, 12, 100):
            assert await walked(store, threads, per_page=size, direction=direction) == whole


async def test_pages_of_a_resource_together_are_its_whole_listing(store: RedisStore) -> None:
    """PAGE-03: over all its threads, with another resource's messages between them."""
    batch = [
        message(f"m{n}", n // 5, thread_id=("t", "t2")[n % 2], resource_id="uuv"[n % 3])
        for n in range(30)
    ]
    await saved(store, *batch)
    whole = await store.memory.list_messages_by_resource_id("u", per_page=None)
    pages = [
        await store.memory.list_messages_by_resource_id("u", page=n, per_page=6) for n in range(4)
    ]
    assert [m for page in pages for m in page] == whole.items
    assert {page.total for page in pages} == {20}
    assert [page.has_more for page in pages] == [True, True, True, False]


async def test_a_page_has_a_length_and_iterates(store: RedisStore) -> None:
    """PAGE-03: over its items, in order."""
    await saved(store, message("a"), message("b", 1))
    page = await store.memory.list_messages("t")
    assert len(page) == 2
    assert list(page) == page.items
