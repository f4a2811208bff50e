"""Listing workflow runs: filters, order, pages."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest

from redis_store import InvalidArgumentError, RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import at
from tests.support.records.workflow_runs import ids, listed, names, persist
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


async def test_runs_are_listed_newest_first(store: RedisStore) -> None:
    """WF-04: by created_at, whatever came first, to the microsecond."""
    for us in (3, 1, 4, 2, 0):
        await persist(store, f"r{us}", us, resource_id="u")
    newest_first = ["r4", "r3", "r2", "r1", "r0"]
    assert await listed(store) == newest_first
    assert await listed(store, workflow_name="w") == newest_first
    assert await listed(store, resource_id="u", status="running") == newest_first


async def test_ties_are_listed_in_one_order(store: RedisStore) -> None:
    """PAGE-03: by id, so that pages are the unpaged list, whichever index they come from."""
    for run_id in "dbace":
        await persist(store, run_id, resource_id="u")
    several: list[dict[str, Any]] = [
        {},
        {"workflow_name": "w"},
        {"workflow_name": "w", "resource_id": "u"},
    ]
    for filters in several:
        assert await listed(store, **filters) == list("edcba")
        pages = [
            await store.workflows.list_workflow_runs(page=page, per_page=2, **filters)
            for page in range(3)
        ]
        assert [ids(page) for page in pages] == [["e", "d"], ["c", "b"], ["a"]]


async def test_filters_combine_with_and(store: RedisStore) -> None:
    """WF-04: each is exact, and any set of them selects what fulfils all."""
    workflows, resources, statuses = ("w", "x"), ("u", "v", None), ("a", "b")
    runs = dict(enumerate(product(workflows, resources, statuses)))
    for us, (name, owner, state) in runs.items():
        await persist(store, f"r{us}", us, workflow=name, resource_id=owner, status=state)
    dates: list[dict[str, Any]] = [
        {},
        {"from_date": at(4)},
        {"to_date": at(7)},
        {"from_date": at(4), "to_date": at(7)},
    ]
    for workflow, resource_id, status in product((None, *workflows), resources, (None, *statuses)):
        for bounds in dates:
            first, last = (4 if "from_date" in bounds else 0, 7 if "to_date" in bounds else 99)
            expected = [
                f"r{us}"
                for us, run in sorted(runs.items(), reverse=True)
                if workflow in (None, run[0])
                and resource_id in (None, run[1])
                and status in (None, run[2])
                and first <= us <= last
            ]
            filters: dict[str, Any] = {
                "workflow_name": workflow,
                "resource_id": resource_id,
                "status": status,
                **bounds,
            }
            assert await listed(store, **filters) == expected


async def test_dates_are_inclusive(store: RedisStore) -> None:
    """WF-04: to the microsecond, and compared as moments in whatever zone they are given."""
    for us in range(5):
        await persist(store, f"r{us}", us)
    assert await listed(store, from_date=at(1), to_date=at(3)) == ["r3", "r2", "r1"]
    assert await listed(store, from_date=at(2), to_date=at(2)) == ["r2"]
    local = at(2).astimezone()
    assert await listed(store, from_date=local, to_date=local) == ["r2"]
    assert await listed(store, from_date=at(3), to_date=at(2)) == []
    page = await store.workflows.list_workflow_runs(from_date=at(1), page=1, per_page=3)
    assert (ids(page), page.total, page.has_more) == (["r1"], 4, False)


PER_PAGE: list[tuple[dict[str, Any], int, bool]] = [
    ({}, 5, False),
    ({"per_page": None}, 5, False),
    ({"per_page": 0}, 0, True),
    ({"per_page": 2}, 2, True),
    ({"per_page": 5}, 5, False),
    ({"page": 1, "per_page": 3}, 2, False),
    ({"page": 2, "per_page": 3}, 0, False),
    ({"page": 10**30, "per_page": 10**30}, 0, False),
    ({"page": 0, "per_page": 10**30}, 5, False),
]


async def test_the_page_table(store: RedisStore) -> None:
    """PAGE-02: omitted and ``None`` are all, 0 is none; always with the real total."""
    for us in range(5):
        await persist(store, f"r{us}", us)
    await persist(store, "other", workflow="other")
    several: list[dict[str, Any]] = [
        {"workflow_name": "w"},
        {"workflow_name": "w", "status": "running"},
    ]
    for filters in several:
        for options, n, more in PER_PAGE:
            page = await store.workflows.list_workflow_runs(**filters, **options)
            assert (len(page), page.total, page.has_more) == (n, 5, more), options
            assert (page.page, page.per_page) == (options.get("page", 0), options.get("per_page"))
    nothing = await store.workflows.list_workflow_runs(workflow_name="x", per_page=0)
    assert (len(nothing), nothing.total, nothing.has_more) == (0, 0, False)


async def test_pages_together_are_the_whole(store: RedisStore) -> None:
    """PAGE-03: no duplicate, no gap, where dates tie too."""
    for n in range(13):
        await persist(store, f"r{n}", n // 4, workflow=f"w{n % 3}")
    everything = names(await store.workflows.list_workflow_runs())
    assert len(everything) == 13
    for per_page in (1, 3, 5, 13):
        walked: list[tuple[str, str]] = []
        for number in range(-(-13 // per_page)):
            page = await store.workflows.list_workflow_runs(page=number, per_page=per_page)
            assert page.total == 13
            walked += names(page)
            assert page.has_more == (len(walked) < 13)
        assert walked == everything


WRONG_PAGES: list[dict[str, Any]] = [
    *({"per_page": per_page} for per_page in (-1, "1", 1.0, False)),
    *({"page": page, "per_page": 1} for page in (-1, True, None, "0")),
    {"page": 1},
    {"page": None},
]


async def test_a_wrong_page_is_refused(store: RedisStore) -> None:
    """PAGE-01: negative, no int, or a page number without a size."""
    for options in WRONG_PAGES:
        with pytest.raises(InvalidArgumentError) as caught:
            await store.workflows.list_workflow_runs(**options)
        assert caught.value.code.startswith("LIST_WORKFLOW_RUNS_INVALID_P")
