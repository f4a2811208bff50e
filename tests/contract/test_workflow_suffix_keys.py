"""Runs that ``@mastra/redis`` stored under a key with a resource suffix."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.workflow_runs import (
    found,
    listed,
    names,
    persist,
    put,
    record,
    result,
    snapshot,
)
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


def owned(run_id: str = "r", resource_id: str = "u", **fields: Any) -> dict[str, Any]:
    """Build a record of a run that has a resource."""
    return record(run_id, resourceId=resource_id, **fields)


async def adopt(
    store: RedisStore, raw: Raw, place: Place, run_id: str = "r", resource_id: str = "u"
) -> str:
    """Store a run under a suffixed key and index it; return the key."""
    key = await put(raw, place, owned(run_id, resource_id), resource_id)
    await store.reindex()
    return key


async def run_keys(raw: Raw, place: Place) -> list[str]:
    """Every key that holds a run."""
    return await raw.keys(f"{place.keys.prefix}mastra_workflow_snapshot:")


# What the peer may have as a resource: the suffix ends the key, so all of it is the resource.
RESOURCES = ["u", "a:b", "*", "a:resourceId:b", "[a-z]", "", "é 😀", "{x}"]


@pytest.mark.parametrize("indexes", ["managed", "scan"])
async def test_it_is_read_and_listed(
    store: RedisStore, raw: Raw, place: Place, indexes: Any
) -> None:
    """WF-09: by every call, with the resource that the record names."""
    for number, resource_id in enumerate(RESOURCES):
        await adopt(store, raw, place, f"r{number}", resource_id)
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(
        place.url, key_prefix=prefix, hash_tags=hash_tags, indexes=indexes
    ) as reader:
        for number, resource_id in enumerate(RESOURCES):
            run_id = f"r{number}"
            assert await reader.workflows.load_workflow_snapshot("w", run_id) == snapshot()
            run = await reader.workflows.get_workflow_run_by_id(run_id)
            assert run == await found(reader, run_id)
            assert run is not None
            assert run.resource_id == resource_id
            if resource_id:
                assert await listed(reader, resource_id=resource_id) == [run_id]
        everything = [f"r{number}" for number in range(len(RESOURCES))]
        assert sorted(await listed(reader)) == everything
        assert sorted(await listed(reader, workflow_name="w", status="running")) == everything


async def test_it_is_updated_where_it_is(store: RedisStore, raw: Raw, place: Place) -> None:
    """WF-09: results, states and snapshots go to the key that the peer reads."""
    key = await adopt(store, raw, place)
    assert (await result(store, "s", 1))["s"] == 1
    merged = await store.workflows.update_workflow_state(
        "w", "r", {"status": "done"}, expected_status="running"
    )
    assert merged is not None
    assert merged["context"]["s"] == 1
    assert await listed(store, status="done", resource_id="u") == ["r"]
    await store.workflows.persist_workflow_snapshot("w", "r", snapshot("again"))
    run = await found(store)
    assert (run.status, run.resource_id) == ("again", "u")
    assert await listed(store, status="done") == []
    assert await run_keys(raw, place) == [key]


@pytest.mark.parametrize("indexes", ["managed", "scan"])
async def test_it_is_deleted(store: RedisStore, raw: Raw, place: Place, indexes: Any) -> None:
    """WF-09: and a neighbour whose id it starts with is not."""
    await adopt(store, raw, place)
    kept = await adopt(store, raw, place, "r2")
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(
        place.url, key_prefix=prefix, hash_tags=hash_tags, indexes=indexes
    ) as deleter:
        await deleter.workflows.delete_workflow_run_by_id("r", workflow_name="w")
    assert await run_keys(raw, place) == [kept]
    assert await listed(store) == ["r2"]
    assert await result(store, "s", 1) == {}


async def test_the_key_without_suffix_wins(store: RedisStore, raw: Raw, place: Place) -> None:
    """WF-09: where both exist, one run is listed, read and updated."""
    await put(raw, place, owned(snapshot=snapshot("suffixed")), "u")
    await put(raw, place, record(snapshot=snapshot("plain")))
    await store.reindex()
    assert await store.workflows.load_workflow_snapshot("w", "r") == snapshot("plain")
    assert (await found(store)).status == "plain"
    run = await store.workflows.get_workflow_run_by_id("r")
    assert run is not None
    assert run.status == "plain"
    assert names(await store.workflows.list_workflow_runs()) == [("w", "r")]
    assert await listed(store, status="suffixed") == await listed(store, resource_id="u") == []
    assert await store.workflows.update_workflow_state("w", "r", {"status": "done"}) is not None
    assert await listed(store, status="done") == ["r"]


async def test_the_key_without_suffix_wins_when_it_comes_later(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-09: also after the other was listed."""
    await adopt(store, raw, place)
    await put(raw, place, record(snapshot=snapshot("plain")))
    await store.reindex()
    assert await store.workflows.load_workflow_snapshot("w", "r") == snapshot("plain")
    assert names(await store.workflows.list_workflow_runs()) == [("w", "r")]
    assert (await store.workflows.list_workflow_runs()).items[0].status == "plain"
    assert await listed(store, status="running") == await listed(store, resource_id="u") == []


@pytest.mark.parametrize("indexes", ["managed", "scan"])
async def test_deleting_removes_both(
    store: RedisStore, raw: Raw, place: Place, indexes: Any
) -> None:
    """WF-09: what the winning key hid does not come back as the run."""
    await put(raw, place, owned(), "u")
    await put(raw, place, owned())
    await store.reindex()
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(
        place.url, key_prefix=prefix, hash_tags=hash_tags, indexes=indexes
    ) as deleter:
        await deleter.workflows.delete_workflow_run_by_id("r", workflow_name="w")
        assert await deleter.workflows.load_workflow_snapshot("w", "r") is None
        assert await listed(deleter) == []
    await store.reindex()
    assert await store.workflows.load_workflow_snapshot("w", "r") is None
    assert await run_keys(raw, place) == []


async def test_a_suffix_of_another_run_is_not_taken_for_it(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-09, GEN-07: of a run whose id is longer, or of another workflow."""
    await adopt(store, raw, place, "r2")
    await put(raw, place, owned("r") | {"workflow_name": "w2"}, "u")
    await store.reindex()
    assert await store.workflows.load_workflow_snapshot("w", "r") is None
    await persist(store, status="mine")
    assert (await found(store, "r2")).status == "running"
    assert len(await run_keys(raw, place)) == 3
