"""What names a run, whatever its names are made of."""

from collections.abc import AsyncIterator

import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.builders import at
from tests.support.records.workflow_runs import found, listed, names, persist, result
from tests.support.wire.raw import Raw


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store)


async def test_the_resource_is_no_part_of_the_identity(store: RedisStore) -> None:
    """WF-01: a run saved with one is found, updated, listed and deleted without naming it."""
    await persist(store, resource_id="u")
    await persist(store, resource_id="v")
    assert await listed(store) == await listed(store, resource_id="v") == ["r"]
    assert await listed(store, resource_id="u") == []
    assert await result(store, "s", 1) == {"input": {"q": "hi"}, "s": 1}
    assert await store.workflows.update_workflow_state("w", "r", {"a": 1}) is not None
    assert (await found(store)).resource_id == "v"
    await store.workflows.delete_workflow_run_by_id("r", workflow_name="w")
    assert await store.workflows.load_workflow_snapshot("w", "r") is None
    assert await listed(store) == await listed(store, resource_id="v") == []


async def test_the_run_id_alone_finds_the_newest(store: RedisStore) -> None:
    """WF-03: of several workflows that have it; a name chooses one of them."""
    for us, workflow in ((1, "a"), (3, "b"), (2, "c")):
        await persist(store, us=us, workflow=workflow)
    run = await store.workflows.get_workflow_run_by_id("r")
    assert run is not None
    assert run.workflow_name == "b"
    for workflow in "abc":
        assert (await found(store, workflow=workflow)).workflow_name == workflow


async def test_a_namespace_is_part_of_the_identity(store: RedisStore) -> None:
    """WF-01: the same names elsewhere are another run, which the calls without one do not see."""
    kept = await persist(store)
    for namespace in ("n", "workflows:x", "*"):
        for run_id in ("r", "only there"):
            await store.workflows.persist_workflow_snapshot(
                "w", run_id, {"status": namespace}, namespace=namespace
            )
    for namespace in ("n", "workflows:x", "*"):
        other = await store.workflows.load_workflow_snapshot("w", "r", namespace=namespace)
        assert other == {"status": namespace}
    await store.reindex()
    assert await store.workflows.load_workflow_snapshot("w", "r") == kept
    assert names(await store.workflows.list_workflow_runs()) == [("w", "r")]
    await store.workflows.delete_workflow_run_by_id("r", workflow_name="w")
    assert await store.workflows.get_workflow_run_by_id("r") is None
    assert await store.workflows.load_workflow_snapshot("w", "r", namespace="n") is not None


HOSTILE = [
    *(
        "*",
        "?",
        "[a]",
        "]",
        "\\",
        ":",
        "{",
        "}",
        "{}",
        "a{b}c",
        " ",
        "\n",
        "\x00",
        "%",
        "%d",
        "é",
        "😀",
    ),
    *(
        "\u2028",
        "namespace",
        ":run_id",
        ":resourceId",
        ":workflow_name:",
        "id:run_id",
        '"',
        "'",
        "$",
    ),
    *("context", "input", "__proto__", "1", "null", "x" * 500, "é" * 512),
]


async def test_hostile_ids_are_like_any_other(store: RedisStore) -> None:
    """GEN-07: as workflow, run, step and resource; no two are the same run."""
    names_of = {id_: id_ if not id_.endswith(":run_id") else "w" for id_ in HOSTILE}
    runs_of = {id_: id_ if not id_.endswith(":resourceId") else "r" for id_ in HOSTILE}
    for us, id_ in enumerate(HOSTILE):
        await persist(store, runs_of[id_], us, workflow=names_of[id_], resource_id=id_, context={})
    assert (await store.workflows.list_workflow_runs(per_page=0)).total == len(HOSTILE)
    for us, id_ in enumerate(HOSTILE):
        context = await result(store, id_, us, run_id=runs_of[id_], workflow=names_of[id_])
        assert context == {id_: us}
        run = await found(store, runs_of[id_], names_of[id_])
        assert (run.created_at, run.resource_id) == (at(us), id_)
        assert run == await store.workflows.get_workflow_run_by_id(runs_of[id_])
        assert (await store.workflows.list_workflow_runs(resource_id=id_)).items == [run]
    for left, id_ in enumerate(HOSTILE):
        page = await store.workflows.list_workflow_runs(per_page=0)
        assert page.total == len(HOSTILE) - left
        await store.workflows.delete_workflow_run_by_id(runs_of[id_], workflow_name=names_of[id_])


# Each is a prefix, a suffix or a pattern of another, or ends where another's key goes on.
CLOSE = [
    "w",
    "w:",
    "ww",
    "W",
    "w*",
    "*",
    "?",
    "[a-z]",
    "w\\",
    ":w",
    "w:0",
    "0:w",
    "w ",
    "é",
    "e\u0301",
]


async def test_a_close_name_does_not_leak(store: RedisStore) -> None:
    """WF-04, GEN-07: neither of a workflow, nor of a resource, a status or a run."""
    for us, name in enumerate(CLOSE):
        await persist(store, name, us, workflow=name, resource_id=name, status=name)
    workflows = store.workflows
    for name in CLOSE:
        for attribute in ("workflow_name", "resource_id", "status"):
            assert await listed(store, **{attribute: name}) == [name]
        run = await workflows.get_workflow_run_by_id(name)
        assert run is not None
        assert (run.workflow_name, run.resource_id, run.status) == (name, name, name)
    for gone in range(len(CLOSE)):
        await workflows.delete_workflow_run_by_id(CLOSE[gone], workflow_name=CLOSE[gone])
        assert set(await listed(store)) == set(CLOSE[gone + 1 :])
