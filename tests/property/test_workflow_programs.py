"""Programs of workflow calls do on real servers what they do in the model, call by call."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings

from redis_store import RedisStore
from redis_store._engine import fingerprints, json_spans
from tests.property.model_comparison import compare, follow, place_on, scanning
from tests.property.program_calls import Call
from tests.property.workflow_model import LISTED, Seed, WorkflowModel
from tests.property.workflow_programs import programs, seeds
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST
from tests.support.records.builders import T0
from tests.support.wire.raw import Raw

layouts = pytest.mark.parametrize("layout", ["plain", "tagged"])


# A snapshot stored as text, in which JavaScript cut an emoji in half.
HALF = Seed("w", "r", None, suffixed=False, began=T0, snapshot={"half": "\ud83d"}, as_text=True)
UPDATE = Call("update_workflow_state", {"workflow_name": "w", "run_id": "r", "state": {"a": 1}})


@layouts
@given(seeds=seeds, program=programs)
@example(seeds=[HALF], program=[UPDATE])
@settings(max_examples=40, deadline=None, print_blob=True)
async def test_any_program_does_what_the_model_does(
    seeds: list[Seed], program: list[Call], layout: str, servers: Mapping[str, Server]
) -> None:
    await _run(seeds, program, servers[FIRST], hash_tags=layout == "tagged")


@layouts
@given(seeds=seeds, program=programs)
@settings(max_examples=6, deadline=None, print_blob=True)
async def test_other_servers_do_the_same(
    seeds: list[Seed],
    program: list[Call],
    layout: str,
    other_server: str,
    servers: Mapping[str, Server],
) -> None:
    await _run(seeds, program, servers[other_server], hash_tags=layout == "tagged")


@layouts
@given(seeds=seeds, program=programs)
@example(seeds=[HALF], program=[UPDATE])
@settings(max_examples=40, deadline=None, print_blob=True)
async def test_programs_of_large_runs_do_the_same(
    seeds: list[Seed], program: list[Call], layout: str, servers: Mapping[str, Server]
) -> None:
    """WF-05, GEN-09: runs that are read by spans and changed by splices, as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprints, "_LARGE", 0)
        patch.setattr(json_spans, "_SLICE", 8)
        patch.setattr(json_spans, "_WINDOW", 8)
        await _run(seeds, program, servers[FIRST], hash_tags=layout == "tagged")


async def _run(seeds: list[Seed], program: list[Call], server: Server, *, hash_tags: bool) -> None:
    """Run a program where others left runs, and check at the end that all of it can go."""
    async with place_on(server, hash_tags=hash_tags) as (place, raw):
        for seed in seeds:
            await seed.store(raw, place.keys.run(LISTED, seed.workflow, seed.run_id))
        async with place.store() as store:
            await _follow(program, store, WorkflowModel(seeds), place, raw)
            await store.workflows.dangerously_clear_all()


async def _follow(
    program: list[Call], store: RedisStore, model: WorkflowModel, place: Place, raw: Raw
) -> None:
    async def check() -> None:
        model.settle((await store.workflows.list_workflow_runs()).items)
        await compare(model.views(), store.workflows, model)

    await check()
    await follow(program, store.workflows, model, check)
    report = await store.verify()
    assert report.ok, report.findings
    assert await _foreign(raw, place) == model.foreign
    async with scanning(place) as other:
        await compare(model.views(), other.workflows, model)


async def _foreign(raw: Raw, place: Place) -> set[tuple[str, str, str]]:
    """The runs whose stored records still hold what another writer put there."""
    keys = await raw.keys(f"{place.keys.prefix}mastra_workflow_snapshot:")
    records = [json.loads(await raw("GET", key)) for key in keys]
    return {
        (LISTED, record["workflow_name"], record["run_id"])
        for record in records
        if record.get("future") == {"kept": True}
    }
