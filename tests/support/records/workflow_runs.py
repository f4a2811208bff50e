"""Short ways to store workflow runs, and to say which ones came back."""

import json
from collections.abc import Iterable
from typing import Any

from redis_store import RedisStore, WorkflowRun
from tests.support.deployments.place import Place
from tests.support.records.builders import at
from tests.support.wire.raw import Raw


def snapshot(status: str = "running", **fields: Any) -> dict[str, Any]:
    """Build a snapshot like those that Mastra's engine persists."""
    known: dict[str, Any] = {
        "status": status,
        "value": {},
        "context": {"input": {"q": "hi"}},
        "activePaths": [],
        "suspendedPaths": {},
        "timestamp": 1768469400000,
        "requestContext": {"tenant": "x"},
    }
    return known | fields


async def persist(
    store: RedisStore,
    run_id: str = "r",
    us: int = 0,
    *,
    workflow: str = "w",
    status: str = "running",
    resource_id: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Store a run that began so many microseconds after T0, and return its snapshot."""
    stored = snapshot(status, **fields)
    await store.workflows.persist_workflow_snapshot(
        workflow, run_id, stored, resource_id=resource_id, created_at=at(us), updated_at=at(us)
    )
    return stored


async def found(store: RedisStore, run_id: str = "r", workflow: str = "w") -> WorkflowRun:
    """Read a run that must be there."""
    run = await store.workflows.get_workflow_run_by_id(run_id, workflow_name=workflow)
    assert run is not None
    return run


def names(runs: Iterable[WorkflowRun]) -> list[tuple[str, str]]:
    """Their workflow names and run ids, in order."""
    return [(run.workflow_name, run.run_id) for run in runs]


def ids(runs: Iterable[WorkflowRun]) -> list[str]:
    """Their run ids, in order."""
    return [run.run_id for run in runs]


async def listed(store: RedisStore, **filters: Any) -> list[str]:
    """Run ids of a whole listing."""
    return ids(await store.workflows.list_workflow_runs(**filters))


async def result(
    store: RedisStore,
    step_id: str,
    result: Any,
    *,
    run_id: str = "r",
    workflow: str = "w",
    request_context: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Store a step's result."""
    return await store.workflows.update_workflow_results(
        workflow, run_id, step_id=step_id, result=result, request_context=request_context
    )


def record(run_id: str = "r", workflow: str = "w", **fields: Any) -> dict[str, Any]:
    """Build the stored form of a run, as another writer may leave it."""
    known: dict[str, Any] = {
        "namespace": "workflows",
        "workflow_name": workflow,
        "run_id": run_id,
        "snapshot": snapshot(),
        "createdAt": "2026-01-15T09:30:00.000Z",
        "updatedAt": "2026-01-15T09:30:00.000Z",
    }
    return known | fields


async def put(
    raw: Raw, place: Place, fields: dict[str, Any], resource_id: str | None = None
) -> str:
    """Store a run's record raw, as ``@mastra/redis`` does: with a resource, under its suffix."""
    key = place.keys.run("workflows", fields["workflow_name"], fields["run_id"])
    if resource_id is not None:
        key += place.keys.run_suffix(resource_id)
    await raw("SET", key, json.dumps(fields, separators=(",", ":"), ensure_ascii=False))
    return key


async def stored(raw: Raw, place: Place, run_id: str = "r", workflow: str = "w") -> dict[str, Any]:
    """Read a run's stored record."""
    fields: dict[str, Any] = json.loads(
        await raw("GET", place.keys.run("workflows", workflow, run_id))
    )
    return fields
