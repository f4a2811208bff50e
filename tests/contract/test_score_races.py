"""Scores that several writers save at once: two stores, as two processes would have."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.scores import ids, score
from tests.support.schedules.interleaving import between
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.scores):
        yield
        await check_indexed(store, raced=place.keys.hash_tags)


async def test_two_stores_that_save_one_score_leave_one_row(
    store: RedisStore, place: Place
) -> None:
    """SC-01, GEN-11: one date, one place in each listing."""
    async with place.store() as other:
        for trial in range(3):
            id_ = f"s{trial}"
            results = await asyncio.gather(
                *(
                    (store, other)[n % 2].scores.save_score(score(id_, n + 1, scorer_id=f"by {n}"))
                    for n in range(20)
                )
            )
            assert len({each.created_at for each in results}) == 1
            kept = await store.scores.get_score_by_id(id_)
            assert kept in results
            listed = [
                each
                for n in range(20)
                for each in await store.scores.list_scores_by_scorer_id(f"by {n}")
                if each.id == id_
            ]
            assert listed == [kept]


async def test_of_two_saves_the_later_one_is_listed(store: RedisStore, place: Place) -> None:
    """SC-01: also where the earlier one has yet to enter it in the indexes."""
    await between(
        place,
        lambda s: s.scores.save_score(score(scorer_id="earlier", run_id="a")),
        lambda: store.scores.save_score(score(us=3, scorer_id="later", run_id="b")),
    )
    assert ids(await store.scores.list_scores_by_scorer_id("later")) == ["s"]
    assert ids(await store.scores.list_scores_by_run_id("b")) == ["s"]
    assert ids(await store.scores.list_scores_by_scorer_id("earlier")) == []
    assert ids(await store.scores.list_scores_by_run_id("a")) == []
