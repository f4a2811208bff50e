"""What a store of workflow runs should show after any calls, and calls of any kind."""

from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st

from redis_store import WorkflowStore
from tests.support.records.builders import at

RUNS = list(product(("w", "w2"), ("a", "b", "c")))
STATUSES = ("running", "done", None)

Name = tuple[str, str]


class Operation(NamedTuple):
    """A call, with what it writes."""

    kind: str
    name: Name
    status: str | None
    resource_id: str | None
    us: int | None


operations = st.lists(
    st.builds(
        Operation,
        st.sampled_from(["persist", "state", "expect", "result", "delete"]),
        st.sampled_from(RUNS),
        st.sampled_from(STATUSES),
        st.sampled_from(["u", "v", None]),
        st.integers(0, 3) | st.none(),
    ),
    max_size=25,
)


class ModelRun(NamedTuple):
    """A run as it should be."""

    status: str | None
    resource_id: str | None
    us: int


class Model:
    """The runs that should be there."""

    def __init__(self) -> None:
        self.runs: dict[Name, ModelRun] = {}

    async def apply(self, workflows: WorkflowStore, operation: Operation) -> None:
        """Do the same to the model and to a store, and compare what the call returns."""
        name, known = operation.name, self.runs.get(operation.name)
        match operation.kind:
            case "persist":
                await self._persist(workflows, operation)
            case "delete":
                self.runs.pop(name, None)
                await workflows.delete_workflow_run_by_id(name[1], workflow_name=name[0])
            case "result":
                context = await workflows.update_workflow_results(*name, step_id="s", result=1)
                assert context == ({"s": 1} if known else {})
            case kind:
                await self._update(workflows, operation, "running" if kind == "expect" else None)

    async def _persist(self, workflows: WorkflowStore, operation: Operation) -> None:
        known = self.runs.get(operation.name, ModelRun(None, None, 4))
        us = known.us if operation.us is None else operation.us
        resource_id = operation.resource_id or known.resource_id
        self.runs[operation.name] = ModelRun(operation.status, resource_id, us)
        await workflows.persist_workflow_snapshot(
            *operation.name,
            snapshot={"status": operation.status},
            resource_id=operation.resource_id,
            created_at=at(us),
        )

    async def _update(
        self, workflows: WorkflowStore, operation: Operation, expected: str | None
    ) -> None:
        merged = await workflows.update_workflow_state(
            *operation.name, state={"status": operation.status}, expected_status=expected
        )
        known = self.runs.get(operation.name)
        if known is None or expected not in {None, known.status}:
            assert merged is None
        else:
            assert merged is not None
            self.runs[operation.name] = known._replace(status=operation.status)

    def listed(
        self, workflow: str | None, status: str | None, resource_id: str | None
    ) -> set[Name]:
        """The runs that fulfil all filters; ``None`` filters nothing."""
        return {
            name
            for name, run in self.runs.items()
            if workflow in {None, name[0]}
            and status in {None, run.status}
            and resource_id in {None, run.resource_id}
        }
