"""Workflow runs: what is persisted, found, updated and deleted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_store import CorruptRecordError, RedisStore, WorkflowRun
from redis_store.models import now
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import T0, at, thread
from tests.support.records.workflow_runs import (
    found,
    listed,
    names,
    persist,
    result,
    snapshot,
    stored,
)
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


async def test_a_run_comes_back_as_it_was_persisted(store: RedisStore) -> None:
    """WF-01, GEN-01: the same from every call, with the same dates in UTC to the microsecond."""
    kept = await persist(store, us=123456, resource_id="u")
    expected = WorkflowRun(
        workflow_name="w",
        run_id="r",
        snapshot=kept,
        resource_id="u",
        created_at=at(123456),
        updated_at=at(123456),
    )
    workflows = store.workflows
    by_id = await workflows.get_workflow_run_by_id("r")
    assert by_id == expected
    assert by_id is not None
    assert by_id.status == "running"
    assert by_id.created_at.tzinfo is UTC
    assert await workflows.get_workflow_run_by_id("r", workflow_name="w") == expected
    assert (await workflows.list_workflow_runs()).items == [expected]
    assert await workflows.load_workflow_snapshot("w", "r") == kept


async def test_a_run_is_stored_as_mastra_stores_it(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-01: the same key and field names, and dates that JavaScript reads."""
    kept = await persist(store, us=5, resource_id="u")
    prefix = place.keys.prefix
    key = f"{prefix}mastra_workflow_snapshot:namespace:workflows:workflow_name:w:run_id:r"
    assert key in await raw.keys(prefix)
    assert await stored(raw, place) == {
        "namespace": "workflows",
        "workflow_name": "w",
        "run_id": "r",
        "resourceId": "u",
        "createdAt": "2026-01-15T09:30:00.000005Z",
        "snapshot": kept,
        "updatedAt": "2026-01-15T09:30:00.000005Z",
    }


async def test_a_run_without_a_resource_has_no_such_field(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-01: as in JavaScript, where undefined is not stored."""
    await persist(store)
    assert "resourceId" not in await stored(raw, place)


async def test_persisting_replaces_the_snapshot(store: RedisStore) -> None:
    """WF-02: nothing of the earlier one is left."""
    await persist(store, a=1)
    await store.workflows.persist_workflow_snapshot("w", "r", {"b": 2})
    assert await store.workflows.load_workflow_snapshot("w", "r") == {"b": 2}
    assert (await found(store)).status is None


async def test_persisting_keeps_what_is_omitted(store: RedisStore) -> None:
    """WF-02: the date and the resource stay, and updated_at is now."""
    await persist(store, resource_id="u")
    before = now()
    await store.workflows.persist_workflow_snapshot("w", "r", snapshot())
    run = await found(store)
    assert (run.resource_id, run.created_at) == ("u", T0)
    assert before <= run.updated_at <= now()


async def test_persisting_takes_what_is_given(store: RedisStore) -> None:
    """WF-02: another date and another resource replace what was stored."""
    await persist(store, resource_id="u")
    east = at(7).astimezone(tz=datetime.now().astimezone().tzinfo)
    await store.workflows.persist_workflow_snapshot(
        "w", "r", snapshot(), resource_id="v", created_at=east, updated_at=at(8)
    )
    run = await found(store)
    assert (run.resource_id, run.created_at, run.updated_at) == ("v", at(7), at(8))


async def test_a_first_persist_begins_now(store: RedisStore) -> None:
    """WF-02: created_at and updated_at are the same moment where neither is given."""
    before = now()
    await store.workflows.persist_workflow_snapshot("w", "r", snapshot())
    run = await found(store)
    assert before <= run.created_at == run.updated_at <= now()


async def test_an_unknown_run_is_absent(store: RedisStore) -> None:
    """GEN-05: by id, by name, as a snapshot, and to delete."""
    await persist(store)
    workflows = store.workflows
    assert await workflows.get_workflow_run_by_id("x") is None
    assert await workflows.get_workflow_run_by_id("x", workflow_name="w") is None
    assert await workflows.get_workflow_run_by_id("r", workflow_name="x") is None
    assert await workflows.load_workflow_snapshot("x", "r") is None
    assert await workflows.load_workflow_snapshot("w", "x") is None
    await workflows.delete_workflow_run_by_id("r", workflow_name="x")
    assert await listed(store) == ["r"]


async def test_deleting_removes_one_run(store: RedisStore, raw: Raw, place: Place) -> None:
    """WF-01: neither one of the same workflow nor of the same id goes with it."""
    await persist(store, "other", resource_id="u")
    await persist(store, workflow="other", resource_id="u")
    kept = await raw.keys(place.keys.prefix)
    await persist(store, resource_id="u", status="done")
    for _ in range(2):
        await store.workflows.delete_workflow_run_by_id("r", workflow_name="w")
        assert await raw.keys(place.keys.prefix) == kept
    assert set(names(await store.workflows.list_workflow_runs())) == {
        ("w", "other"),
        ("other", "r"),
    }


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=1)], ids=["past", "future"])
async def test_updates_keep_the_run_and_move_updated_at(
    store: RedisStore, ahead: timedelta
) -> None:
    """WF-08: strictly ahead, also where the clock is behind what is stored."""
    begun = now() + ahead
    await store.workflows.persist_workflow_snapshot(
        "w", "r", snapshot(), resource_id="u", created_at=begun, updated_at=begun
    )
    moments = [begun]
    for update in (
        result(store, "s", {"output": 1}),
        store.workflows.update_workflow_state("w", "r", {"a": 1}),
        result(store, "s", {"output": 1}),
    ):
        assert await update
        run = await found(store)
        assert (run.resource_id, run.created_at) == ("u", begun)
        assert run.updated_at > moments[-1]
        moments.append(run.updated_at)


async def test_a_returned_snapshot_is_the_callers(store: RedisStore) -> None:
    """GEN-08: changing what was given or returned changes nothing in the store."""
    given = snapshot()
    await store.workflows.persist_workflow_snapshot("w", "r", given)
    returned: list[Any] = [
        given,
        await store.workflows.load_workflow_snapshot("w", "r"),
        (await found(store)).snapshot,
        (await store.workflows.list_workflow_runs()).items[0].snapshot,
    ]
    for each in returned:
        each["context"]["input"] = "changed"
    assert await store.workflows.load_workflow_snapshot("w", "r") == snapshot()


async def test_a_corrupt_run_can_be_replaced_and_deleted(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-03: it is named by an error, the others can be read, and it does not stay for ever."""
    await persist(store, "good", workflow="good")
    for run_id in ("replaced", "deleted"):
        await persist(store, run_id)
        key = place.keys.run("workflows", "w", run_id)
        await raw("SET", key, '{"workflow_name":"w","run_id":7')
        for call in (
            store.workflows.load_workflow_snapshot("w", run_id),
            store.workflows.get_workflow_run_by_id(run_id),
            store.workflows.list_workflow_runs(workflow_name="w"),
            store.workflows.update_workflow_state("w", run_id, {}),
            result(store, "s", 1, run_id=run_id),
        ):
            with pytest.raises(CorruptRecordError) as corrupt:
                await call
            assert corrupt.value.key == key
        assert await listed(store, workflow_name="good") == ["good"]
        if run_id == "replaced":
            await persist(store, run_id, status="new")
    await store.workflows.delete_workflow_run_by_id("deleted", workflow_name="w")
    assert set(await listed(store)) == {"good", "replaced"}
    assert await listed(store, workflow_name="w", status="new") == ["replaced"]
    # Nobody could tell where the corrupt one was listed.
    report = await store.verify(repair=True)
    assert report.problems.keys() == {"stale entry"}


async def test_clearing_all_leaves_what_is_not_a_run(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-06: other domains stay, and so do keys of others with names that are close."""
    await store.memory.save_thread(thread())
    await store.cache.set("mastra_workflow_snapshot:x", 1)
    foreign = ["mastra_workflow_snapshots:x", "redis_store:workflow:x", "mastra_workflow_snapshot"]
    for name in foreign:
        await raw("SET", place.keys.prefix + name, "x")
    # The prefix has glob characters: this would match it, were they not escaped.
    outside = place.keys.prefix.replace("*", "x") + "mastra_workflow_snapshot:x"
    await raw("SET", outside, "x")
    before = await raw.keys(place.keys.prefix)
    await persist(store)
    await store.workflows.persist_workflow_snapshot("w", "r", {}, namespace="n")
    await store.workflows.dangerously_clear_all()
    assert await raw.keys(place.keys.prefix) == before
    assert await raw("DEL", outside) == 1
    await raw("DEL", *(place.keys.prefix + name for name in foreign))
    await store.cache.clear()


@pytest.mark.races
async def test_concurrent_updates_are_supported(store: RedisStore) -> None:
    """WF-06: Mastra's engine asks before it runs steps in parallel."""
    assert store.workflows.supports_concurrent_updates is True
