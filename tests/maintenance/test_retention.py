"""Retention: what is older than its kind may be goes, and nothing else."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest

from redis_store import ConfigurationError, InvalidArgumentError, RedisStore, Resource, Score
from redis_store.maintenance import Progress, Pruned, Retention
from tests.maintenance.dumps import dump
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.workflow_runs import listed, persist
from tests.support.wire.raw import Raw

DAY = timedelta(days=1)
DAY_US = 86_400_000_000
NOW = "redis_store.models.now"

# Every kind, ten days.
ALL = Retention(
    threads=10 * DAY, messages=10 * DAY, resources=10 * DAY, snapshots=10 * DAY, scores=10 * DAY
)


@pytest.fixture(autouse=True)
def _tenth_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of ten days is T0."""
    monkeypatch.setattr(NOW, lambda: T0 + 10 * DAY)


@asynccontextmanager
async def _keeping(place: Place, **ages: timedelta) -> AsyncGenerator[RedisStore]:
    """A further store on the test's data, with a retention."""
    keys = place.keys
    async with RedisStore(
        place.url,
        key_prefix=keys.prefix,
        hash_tags=keys.hash_tags,
        retention=Retention(**ages) if ages else ALL,
    ) as opened:
        yield opened


def _score(id_: str, us: int) -> Score:
    return Score(
        id=id_,
        scorer_id="s",
        entity_id="e",
        run_id="r",
        score=1,
        scorer={},
        entity={},
        source="LIVE",
        output=None,
        created_at=at(us),
        updated_at=at(us + 1),
    )


# How a record of a kind is stored that is dated so many µs after T0.
SAVE: dict[str, Callable[[RedisStore, str, int], Any]] = {
    "threads": lambda s, id_, us: s.memory.save_thread(
        thread(id_, created_at=at(-9 * DAY_US), updated_at=at(us))
    ),
    "resources": lambda s, id_, us: s.memory.save_resource(
        Resource(id=id_, created_at=at(-9 * DAY_US), updated_at=at(us))
    ),
    "snapshots": lambda s, id_, us: s.workflows.persist_workflow_snapshot(
        "w", id_, {}, created_at=at(-9 * DAY_US), updated_at=at(us)
    ),
    "scores": lambda s, id_, us: s.scores.save_score(_score(id_, us)),
    "messages": lambda s, id_, us: s.memory.save_messages([message(id_, us)]),
}


async def _message(store: RedisStore, id_: str) -> object:
    return next(iter(await store.memory.list_messages_by_id([id_])), None)


READ: dict[str, Callable[[RedisStore, str], Any]] = {
    "threads": lambda s, id_: s.memory.get_thread_by_id(id_),
    "resources": lambda s, id_: s.memory.get_resource_by_id(id_),
    "snapshots": lambda s, id_: s.workflows.get_workflow_run_by_id(id_, workflow_name="w"),
    "scores": lambda s, id_: s.scores.get_score_by_id(id_),
    "messages": _message,
}


@pytest.mark.parametrize("kind", SAVE)
async def test_only_what_is_strictly_older_goes(
    store: RedisStore, place: Place, raw: Raw, kind: str
) -> None:
    await store.memory.save_thread(thread())
    ages = {"ancient": -300 * DAY_US, "older": -1, "limit": 0, "younger": 1}
    for id_, us in ages.items():
        await SAVE[kind](store, id_, us)
    async with _keeping(place, **{kind: 10 * DAY}) as keeping:
        assert await keeping.prune() == [Pruned(kind, 2, done=True)]
        left = {id_ for id_ in ages if await READ[kind](store, id_)}
        assert left == {"limit", "younger"}
        assert await keeping.prune() == [Pruned(kind, 0, done=True)]
    assert (await store.verify()).ok
    await check_listings(store, raw, place.keys)


async def test_every_kind_has_a_result_of_its_own(store: RedisStore, place: Place) -> None:
    await store.memory.save_thread(thread())
    for kind, save in SAVE.items():
        await save(store, f"old {kind}", -2)
    await store.memory.save_thread(thread())
    async with _keeping(place) as keeping:
        results = await keeping.prune()
    assert {each.kind: (each.deleted, each.done) for each in results} == dict.fromkeys(
        SAVE, (1, True)
    )


async def test_what_has_no_maximum_age_stays(store: RedisStore, place: Place, raw: Raw) -> None:
    for kind, save in SAVE.items():
        if kind != "messages":
            await save(store, "ancient", -300 * DAY_US)
    before = await dump(raw, place.keys)
    assert await store.prune() == []
    async with _keeping(place, messages=DAY) as keeping:
        assert await keeping.prune() == [Pruned("messages", 0, done=True)]
    assert await dump(raw, place.keys) == before


async def test_a_thread_goes_with_its_messages_and_index_entries(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await store.memory.save_thread(thread("gone", "u", updated_at=at(-9)))
    await store.memory.save_messages([message(f"{n}", n, thread_id="gone") for n in range(3)])
    await store.memory.save_thread(thread("gone", "u", updated_at=at(-9)))
    async with _keeping(place, threads=10 * DAY) as keeping:
        assert await keeping.prune() == [Pruned("threads", 1, done=True)]
    assert await raw.keys(place.keys.prefix) == []


async def test_a_thread_from_which_messages_went_stays_as_it_was(
    store: RedisStore, place: Place
) -> None:
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("old", -1), message("new", 1, resource_id="v")])
    before = await store.memory.get_thread_by_id("t")
    async with _keeping(place, messages=10 * DAY) as keeping:
        await keeping.prune()
    assert await store.memory.get_thread_by_id("t") == before
    assert [item.id for item in await store.memory.list_messages("t")] == ["new"]
    assert (await store.memory.list_messages_by_resource_id("u")).items == []


@pytest.mark.parametrize("kind", SAVE)
async def test_batches_are_bounded_and_the_next_call_goes_on(
    store: RedisStore, place: Place, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("redis_store.maintenance.retention.SCAN_CHUNK", 2)
    await store.memory.save_thread(thread())
    for number in range(5):
        await SAVE[kind](store, f"{number}", -1 - number)
    async with _keeping(place, **{kind: 10 * DAY}) as keeping:
        assert await keeping.prune(max_batches=0) == [Pruned(kind, 0, done=False)]
        deleted = 0
        for _ in range(5):
            (result,) = await keeping.prune(max_batches=1)
            assert result.deleted <= 2
            deleted += result.deleted
        assert deleted == 5
        assert await keeping.prune(max_batches=1) == [Pruned(kind, 0, done=True)]
    assert (await store.verify()).ok


async def test_progress_is_told_after_each_batch_and_a_cancelled_call_loses_nothing(
    store: RedisStore, place: Place, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_store.maintenance.retention.SCAN_CHUNK", 2)
    for number in range(7):
        await SAVE["snapshots"](store, f"{number}", number - 6)
    told: list[Progress] = []
    with anyio.CancelScope() as scope:

        def tell(progress: Progress) -> None:
            told.append(progress)
            scope.cancel()

        async with _keeping(place, snapshots=10 * DAY) as keeping:
            await keeping.prune(progress=tell)
    assert scope.cancelled_caught
    assert [each.kind for each in told] == ["snapshots"]
    assert (await store.verify()).ok
    await check_listings(store, raw, place.keys)
    async with _keeping(place, snapshots=10 * DAY) as keeping:
        (result,) = await keeping.prune(progress=told.append)
    assert result == Pruned("snapshots", 6 - told[0].done, done=True)
    assert told[-1] == Progress("snapshots", result.deleted)
    assert await listed(store) == ["6"]


async def test_a_run_that_was_updated_stays_however_long_ago_it_began(
    store: RedisStore, place: Place
) -> None:
    await persist(store, us=-9)
    await store.workflows.update_workflow_state("w", "r", {"status": "done"})
    async with _keeping(place, snapshots=10 * DAY) as keeping:
        assert await keeping.prune() == [Pruned("snapshots", 0, done=True)]


async def test_what_a_scanning_store_prunes_needs_no_index(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await store.memory.save_thread(thread())
    for kind, save in SAVE.items():
        await save(store, f"old {kind}", -2)
        await save(store, f"new {kind}", 2)
    for key in await raw.keys(f"{place.keys.prefix}redis_store:"):
        await raw("DEL", key)
    keys = place.keys
    async with RedisStore(
        place.url,
        key_prefix=keys.prefix,
        hash_tags=keys.hash_tags,
        retention=ALL,
        indexes="scan",
    ) as scanning:
        results = await scanning.prune()
    assert {each.deleted for each in results} == {1}
    assert (await store.verify()).ok


@pytest.mark.parametrize("age", [timedelta(0), -DAY, 3, "1d", True])
async def test_an_age_must_be_a_positive_timedelta(age: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Retention(scores=age)
    assert caught.value.code == "CONFIGURATION_INVALID_RETENTION"
    assert "retention.scores" in str(caught.value)


async def test_an_age_beyond_the_calendar_keeps_everything(store: RedisStore, place: Place) -> None:
    await store.memory.save_thread(thread())
    for save in SAVE.values():
        await save(store, "old", -300 * DAY_US)
    ages = dict.fromkeys(SAVE, timedelta.max)
    async with _keeping(place, **ages) as keeping:
        assert {each.deleted for each in await keeping.prune()} == {0}


@pytest.mark.parametrize("batches", [-1, 1.5, True, "1"])
async def test_max_batches_must_be_a_count(store: RedisStore, batches: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        await store.prune(max_batches=batches)


@pytest.mark.parametrize("retention", [DAY, {"threads": DAY}, 5])
async def test_a_retention_must_be_one(retention: Any) -> None:
    with pytest.raises(ConfigurationError):
        RedisStore("redis://127.0.0.1:1", retention=retention)
