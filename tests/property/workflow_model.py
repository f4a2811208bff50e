"""The workflows domain in dicts: every run by its name, and what each call makes of it.

What only the store can know is taken over from it, once it was found possible: the times of a call
that was given none, and the order of runs that began at one moment (``settle``).
"""

import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any, NamedTuple, cast

from msgspec.structs import replace

from redis_store import Page, WorkflowRun
from tests.property.paging import cut
from tests.property.program_calls import Call
from tests.support.wire.raw import Raw

LISTED = "workflows"

Name = tuple[str, str, str]
Json = dict[str, Any]


class Seed(NamedTuple):
    """A run that another writer stored: maybe under a key that ends in the resource."""

    workflow: str
    run_id: str
    resource_id: str | None
    suffixed: bool
    began: datetime
    snapshot: Json
    as_text: bool

    @property
    def suffix(self) -> str:
        has_one = self.suffixed and self.resource_id is not None
        return f":resourceId:{self.resource_id}" if has_one else ""

    async def store(self, raw: Raw, key: str) -> None:
        """Store it at the key of its run."""
        record: Json = {
            "namespace": LISTED,
            "workflow_name": self.workflow,
            "run_id": self.run_id,
            "future": {"kept": True},
            "snapshot": json.dumps(self.snapshot) if self.as_text else self.snapshot,
            "createdAt": f"{self.began:%Y-%m-%dT%H:%M:%S.%fZ}",
            "updatedAt": f"{self.began:%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        if self.resource_id is not None:
            record["resourceId"] = self.resource_id
        await raw("SET", key + self.suffix, json.dumps(record))


class WorkflowModel:
    """What must be stored now; ``foreign`` are the runs that keep another writer's field."""

    def __init__(self, seeds: Iterable[Seed] = ()) -> None:
        # A key without suffix wins, and what it hides is never seen again.
        ranked = sorted(seeds, key=lambda seed: not seed.suffix)
        self.runs = {(LISTED, seed.workflow, seed.run_id): _seeded(seed) for seed in ranked}
        self.foreign = set(self.runs)
        self._order: list[Name] = []
        self._timed: set[tuple[Name, str]] = set()

    def settle(self, listed: list[WorkflowRun]) -> None:
        """Take over the times that are not known here, and one order, newest first."""
        found = {_name(run.workflow_name, run.run_id): run for run in listed}
        assert len(found) == len(listed)
        there = {name for name in self.runs if name[0] == LISTED}
        assert found.keys() == there, found.keys() ^ there
        for name, field in self._timed:
            if name in found:
                earliest, moment = getattr(self.runs[name], field), getattr(found[name], field)
                assert earliest <= moment <= max(earliest, datetime.now(UTC)), (name, field)
                setattr(self.runs[name], field, moment)
        self._timed.clear()
        self._order = list(found)
        dates = [self.runs[name].created_at for name in self._order]
        assert dates == sorted(dates, reverse=True)

    def persist_workflow_snapshot(
        self,
        workflow_name: str,
        run_id: str,
        snapshot: Json,
        *,
        resource_id: str | None = None,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        namespace: str = LISTED,
    ) -> None:
        name = namespace, workflow_name, run_id
        now, known = datetime.now(UTC), self.runs.get(name)
        began = created_at or (known and known.created_at)
        self.runs[name] = WorkflowRun(
            workflow_name=workflow_name,
            run_id=run_id,
            snapshot=snapshot,
            resource_id=resource_id or (known.resource_id if known else None),
            created_at=(began or now).astimezone(UTC),
            updated_at=(updated_at or now).astimezone(UTC),
        )
        given = {"created_at": began, "updated_at": updated_at}
        self._timed |= {(name, field) for field, moment in given.items() if moment is None}

    def load_workflow_snapshot(
        self, workflow_name: str, run_id: str, *, namespace: str = LISTED
    ) -> Json | None:
        run = self.runs.get((namespace, workflow_name, run_id))
        return run.snapshot if run else None

    def update_workflow_results(
        self,
        workflow_name: str,
        run_id: str,
        *,
        step_id: str,
        result: Any,
        request_context: Json | None = None,
    ) -> Json:
        snapshot = self.load_workflow_snapshot(workflow_name, run_id)
        if snapshot is None:
            return {}
        context = _object(snapshot.get("context"))
        context = {**context, step_id: _merged(context.get(step_id), result)}
        changed = {"context": context}
        if request_context:
            changed["requestContext"] = _object(snapshot.get("requestContext")) | request_context
        self._change(_name(workflow_name, run_id), snapshot | changed)
        return context

    def update_workflow_state(
        self,
        workflow_name: str,
        run_id: str,
        state: Json,
        *,
        expected_status: str | Collection[str] | None = None,
    ) -> Json | None:
        snapshot = self.load_workflow_snapshot(workflow_name, run_id)
        one = isinstance(expected_status, str)
        expected = [expected_status] if one else expected_status
        if snapshot is None or (expected is not None and snapshot.get("status") not in expected):
            return None
        self._change(_name(workflow_name, run_id), snapshot | state)
        return snapshot | state

    def get_workflow_run_by_id(
        self, run_id: str, *, workflow_name: str | None = None
    ) -> WorkflowRun | None:
        newest = self.list_workflow_runs(workflow_name=workflow_name)
        return next((run for run in newest if run.run_id == run_id), None)

    def list_workflow_runs(
        self,
        *,
        workflow_name: str | None = None,
        resource_id: str | None = None,
        status: str | None = None,
        from_date: datetime | None = None,
        to_date: datetime | None = None,
        page: int = 0,
        per_page: int | None = None,
    ) -> Page[WorkflowRun]:
        found = [
            run
            for run in map(self.runs.__getitem__, self._order)
            if workflow_name in (None, run.workflow_name)
            and resource_id in (None, run.resource_id)
            and status in (None, run.snapshot.get("status"))
            and (from_date is None or run.created_at >= from_date)
            and (to_date is None or run.created_at <= to_date)
        ]
        return cut(found, page, per_page)

    def delete_workflow_run_by_id(self, run_id: str, *, workflow_name: str) -> None:
        self.runs.pop(_name(workflow_name, run_id), None)
        self.foreign.discard(_name(workflow_name, run_id))

    def dangerously_clear_all(self) -> None:
        self.runs.clear()
        self.foreign.clear()

    def views(self) -> list[Call]:
        """Ask for all runs, by each filter alone, and for those that no list shows."""
        runs = self.runs.values()
        filters: list[Json] = [{}]
        filters += [{"workflow_name": name} for name in {run.workflow_name for run in runs}]
        filters += [{"status": status} for status in ("running", "done", "0:done")]
        filters += [{"resource_id": owner} for owner in {run.resource_id for run in runs} - {None}]
        hidden = [name for name in self.runs if name[0] != LISTED]
        return [
            *(Call("list_workflow_runs", each) for each in filters),
            *(Call("load_workflow_snapshot", _arguments(name)) for name in hidden),
        ]

    def _change(self, name: Name, snapshot: Json) -> None:
        """Change a run, whose time of update must move ahead, to now at least."""
        earliest = max(datetime.now(UTC), self.runs[name].updated_at + timedelta(microseconds=1))
        self.runs[name] = replace(self.runs[name], snapshot=snapshot, updated_at=earliest)
        self._timed.add((name, "updated_at"))


def _seeded(seed: Seed) -> WorkflowRun:
    return WorkflowRun(
        workflow_name=seed.workflow,
        run_id=seed.run_id,
        snapshot=seed.snapshot,
        resource_id=seed.resource_id,
        created_at=seed.began,
        updated_at=seed.began,
    )


def _name(workflow_name: str, run_id: str) -> Name:
    return LISTED, workflow_name, run_id


def _arguments(name: Name) -> Json:
    return {"namespace": name[0], "workflow_name": name[1], "run_id": name[2]}


def _object(value: Any) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _merged(before: Any, result: Any) -> Any:
    old, new = _output(before), _output(result)
    if not _is_list(old) or not _is_list(new):
        return result
    return result | {"output": [b if a is None else a for a, b in zip_longest(new, old)]}


def _output(value: Any) -> Any:
    return _object(value).get("output")


def _is_list(value: object) -> bool:
    return isinstance(value, list)
