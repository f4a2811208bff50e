"""The four listings of scores: filters, order, pages, cost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import product
from typing import Any

import pytest

from redis_store import Page, RedisStore, Score, ScoreStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.scores import ids, saved, score
from tests.support.wire.proxies import CountingProxy, metered_store
from tests.support.wire.raw import Raw

Listing = Callable[..., Awaitable[Page[Score]]]

SPANNED: dict[str, Any] = {"trace_id": "trace", "span_id": "span"}


def listings(scores: ScoreStore) -> dict[str, Listing]:
    """The four, of what ``score(**SPANNED)`` belongs to."""
    return {
        "scorer": partial(scores.list_scores_by_scorer_id, "scorer"),
        "run": partial(scores.list_scores_by_run_id, "run"),
        "entity": partial(scores.list_scores_by_entity_id, "entity"),
        "span": partial(scores.list_scores_by_span, "trace", "span"),
    }


FILTERS = {
    "scorer": ("entity_id", "entity_type", "source", "organization_id", "project_id"),
    "run": ("organization_id", "project_id"),
    "entity": ("entity_type", "organization_id", "project_id"),
    "span": ("organization_id", "project_id"),
}


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.scores):
        yield
        await check_indexed(store)


async def test_scores_are_listed_newest_first_and_ties_by_id(store: RedisStore) -> None:
    """SC-03: to the microsecond, whatever was saved first."""
    for id_, us in (("b", 1), ("d", 0), ("a", 1), ("c", 1), ("e", 2)):
        await store.scores.save_score(score(id_, us, **SPANNED))
    for listing in listings(store.scores).values():
        assert ids(await listing()) == ["e", "c", "b", "a", "d"]
        assert ids(await listing(project_id="x")) == []


async def test_filters_combine_with_and(store: RedisStore) -> None:
    """SC-03: each is exact, and any set of them selects what fulfils all."""
    values: dict[str, tuple[Any, ...]] = {
        "entity_id": ("entity", "entity2"),
        "entity_type": ("AGENT", None),
        "source": ("LIVE", "TEST"),
        "organization_id": ("o", "o:"),
        "project_id": ("p", None),
    }
    scores = [
        score(f"s{n:02}", n, **SPANNED, **dict(zip(values, chosen, strict=True)))
        for n, chosen in enumerate(product(*values.values()))
    ]
    await asyncio.gather(*map(store.scores.save_score, scores))
    for name, listing in listings(store.scores).items():
        own = [each for each in scores if name != "entity" or each.entity_id == "entity"]
        for chosen in product(*((None, *values[each]) for each in FILTERS[name])):
            wanted = {k: v for k, v in zip(FILTERS[name], chosen, strict=True) if v is not None}
            expected = [
                each.id
                for each in own[::-1]
                if all(getattr(each, k) == v for k, v in wanted.items())
            ]
            page = await listing(per_page=3, **wanted)
            assert (ids(page), page.total) == (expected[:3], len(expected))
            assert page.has_more == (len(expected) > 3)


# Each is a prefix, a suffix or a pattern of another, or ends where another goes on.
CLOSE = ["a", "a:", "aa", "A", "*", "?", "[a-z]", "\\", ":a", "a:b", "{a}", " ", "x" * 500, "é😀"]


async def test_a_close_id_does_not_leak(store: RedisStore) -> None:
    """SC-03, GEN-07: of a score, scorer, run or entity."""
    await saved(
        store,
        *(score(id_, scorer_id=id_, run_id=id_, entity_id=id_, reason=id_) for id_ in CLOSE),
    )
    for id_ in CLOSE:
        found = await store.scores.get_score_by_id(id_)
        assert found is not None
        assert found.reason == id_
        assert (await store.scores.list_scores_by_scorer_id(id_)).items == [found]
        assert (await store.scores.list_scores_by_run_id(id_)).items == [found]
        assert (await store.scores.list_scores_by_entity_id(id_)).items == [found]
        assert (await store.scores.list_scores_by_scorer_id(id_, entity_id=id_)).items == [found]


async def test_a_span_needs_both_ids_to_match(store: RedisStore) -> None:
    """SC-03: also where an id holds what separates the two in a key."""
    spans = [
        *(("a", "b:c"), ("a:b", "c"), ("a:b:c", "d"), ("a", "b"), ("1:a", "b"), ("1", "a:b")),
        *(("b", "a"), (":", ":"), ("::", ":"), (":", "::"), ("é", "1:é"), ("2:é", "é")),
    ]
    await saved(
        store,
        *(
            score(f"s{n}", trace_id=trace_id, span_id=span_id)
            for n, (trace_id, span_id) in enumerate(spans)
        ),
    )
    for n, (trace_id, span_id) in enumerate(spans):
        assert ids(await store.scores.list_scores_by_span(trace_id, span_id)) == [f"s{n}"]
    for trace_id, span_id in (("a", "c"), ("a:b:c", "b"), ("d", "d")):
        assert ids(await store.scores.list_scores_by_span(trace_id, span_id)) == []


async def test_a_score_with_half_a_span_is_in_none(store: RedisStore) -> None:
    """SC-03: both ids name a span."""
    await saved(store, score("a", trace_id="t"), score("b", span_id="s"))
    assert ids(await store.scores.list_scores_by_span("t", "s")) == []
    assert ids(await store.scores.list_scores_by_run_id("run")) == ["b", "a"]


PAGES: list[tuple[dict[str, Any], int, bool]] = [
    ({}, 20, True),
    ({"per_page": None}, 25, False),
    ({"per_page": 0}, 0, True),
    ({"per_page": 25}, 25, False),
    ({"page": 1}, 5, False),
    ({"page": 2}, 0, False),
    ({"page": 2, "per_page": 10}, 5, False),
    ({"page": 10**30, "per_page": 10**30}, 0, False),
]


async def test_the_page_table(store: RedisStore) -> None:
    """PAGE-02: 20 where omitted, ``None`` is all, 0 is none; always with the real total."""
    await asyncio.gather(
        *(
            store.scores.save_score(score(f"s{n}", n // 3, project_id="p", **SPANNED))
            for n in range(25)
        )
    )
    await store.scores.save_score(score("other", scorer_id="x", run_id="x", entity_id="x"))
    for listing in listings(store.scores).values():
        for filters in ({}, {"project_id": "p"}):
            for options, n, more in PAGES:
                page = await listing(**filters, **options)
                assert (len(page), page.total, page.has_more) == (n, 25, more), options
                asked = (options.get("page", 0), options.get("per_page", 20))
                assert (page.page, page.per_page) == asked


async def test_pages_together_are_the_whole(store: RedisStore) -> None:
    """PAGE-03: no duplicate, no gap, where dates tie too."""
    await saved(store, *(score(f"s{n}", n // 4, **SPANNED) for n in range(13)))
    for listing in listings(store.scores).values():
        everything = ids(await listing(per_page=None))
        assert len(set(everything)) == 13
        for per_page in (1, 4, 13):
            walked: list[str] = []
            for number in range(-(-13 // per_page)):
                page = await listing(page=number, per_page=per_page)
                walked += ids(page)
                assert page.has_more == (len(walked) < 13)
            assert walked == everything


async def test_entries_that_lead_nowhere_are_skipped_and_removed(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SC-03: of scores that are gone or belong elsewhere; the page is full, the total true."""
    await saved(store, *(score(f"s{n}", n, **SPANNED) for n in range(3)))
    await store.scores.save_score(score("other", scorer_id="x", run_id="x", entity_id="x"))
    spans = {"scorer": "scorer", "run": "run", "entity": "entity", "span": "5:trace:span"}
    for attribute, value in spans.items():
        for id_ in ("gone", "other"):
            for index in place.keys.scores_by(attribute, value, id_):
                await raw("ZADD", index, 2**52, id_)
    for listing in listings(store.scores).values():
        page = await listing(per_page=2)
        assert (ids(page), page.total, page.has_more) == (["s2", "s1"], 3, True)


async def test_a_listing_costs_two_round_trips_and_no_scan(
    store: RedisStore, proxy: CountingProxy, place: Place, raw: Raw
) -> None:
    """SC-03, GEN-10: and the same bytes beside other scores as without them."""
    await saved(store, *(score(f"s{n}", n, project_id="p", **SPANNED) for n in range(3)))
    async with metered_store(proxy, place) as metered:
        before = await raw.commandstats()
        costs: list[list[tuple[int, int]]] = []
        for others in (0, 200):
            await asyncio.gather(
                *(
                    store.scores.save_score(
                        score(f"x{n}", scorer_id="x", run_id="x", entity_id="x")
                    )
                    for n in range(others)
                )
            )
            costs.append([])
            for listing in listings(metered.scores).values():
                for filters in ({}, {"project_id": "p"}):
                    with proxy.measure() as cost:
                        assert len(await listing(**filters)) == 3
                    costs[-1].append((cost.round_trips, cost.bytes_received))
        after = await raw.commandstats()
    assert costs[0] == costs[1]
    assert {round_trips for round_trips, _ in costs[0]} == {2}
    assert [after.get(name) for name in ("scan", "keys")] == [
        before.get(name) for name in ("scan", "keys")
    ]


async def test_saving_costs_one_round_trip_or_two(
    store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    """SC-01: two more in the hash-tagged layout, where no step spans a score and its indexes."""
    assert await store.ping()
    async with metered_store(proxy, place) as metered:
        costs: list[int] = []
        for call in (
            metered.scores.save_score(score()),
            metered.scores.save_score(score(score=1)),
            metered.scores.get_score_by_id("s"),
            metered.scores.get_score_by_id("x"),
            metered.scores.list_scores_by_run_id("run", per_page=0),
        ):
            with proxy.measure() as cost:
                await call
            costs.append(cost.round_trips)
    assert costs == ([3, 4, 1, 1, 1] if place.keys.hash_tags else [1, 2, 1, 1, 1])
