"""WorkflowStore: the snapshots that runs need to continue after their process died.

An update reads the record once and sends back only the difference, on condition that the record has
not changed meanwhile; the condition is a digest. So a result of 200 bytes in a snapshot of a
megabyte costs a megabyte down and a few hundred bytes up. Within a process, writers of one run wait
for each other, because a conflict would cost another megabyte; and whoever is next applies the
changes of all who wait. Large runs are read and changed in a thread: see ``large_runs``.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import Any

from msgspec import Raw

from redis_store import json_values
from redis_store._engine import clock, codecs, prepared_values, raw_fields
from redis_store._engine.arguments import (
    check_bound,
    check_date,
    check_dict,
    check_id,
    check_id_or_ids,
    check_object,
    check_paging,
    check_run,
    check_run_id,
    check_workflow_name,
)
from redis_store._engine.database import Database
from redis_store._engine.index_pages import Index, Listing, Query
from redis_store._engine.indexes import RUNS
from redis_store._engine.keys import RUN_NAMESPACE
from redis_store._engine.operations import Repository, operation, query, unbounded
from redis_store._engine.transaction import Transaction, transact
from redis_store.json_values import MAX_DEPTH, is_array, is_object
from redis_store.models import WorkflowRun
from redis_store.pages import Page, Paging
from redis_store.workflows.run_changes import change_run
from redis_store.workflows.snapshots import Snapshot
from redis_store.workflows.stored_runs import StoredRun, delete_run, find_all, find_run, replace_run


class WorkflowStore(Repository):
    """Snapshots of workflow runs.

    A run is identified by a namespace, a workflow name and a run id. Calls without ``namespace``
    use ``"workflows"``, and only runs in it are listed. A workflow name may not contain
    ``:run_id:``, a run id not ``:resourceId:``. Runs that ``@mastra/redis`` stored under a key with
    a resource suffix are found too, and keep their keys.
    """

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._runs: Listing[WorkflowRun] = Listing(db, RUNS)

    @property
    def supports_concurrent_updates(self) -> bool:
        """Whether no concurrent update of a run is lost: ``True``."""
        return True

    @operation
    async def persist_workflow_snapshot(
        self,
        workflow_name: str,
        run_id: str,
        snapshot: dict[str, Any],
        *,
        resource_id: str | None = None,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        namespace: str = RUN_NAMESPACE,
    ) -> None:
        """Store a run's snapshot; it replaces an earlier one. Two round trips.

        Args:
            workflow_name: The workflow.
            run_id: The run.
            snapshot: Any JSON object.
            resource_id: The run's owner; the stored one by default.
            created_at: When the run began; the stored date by default, now for a new run.
            updated_at: When the run was updated; now by default.
            namespace: The run's namespace.
        """
        check_run(namespace, workflow_name, run_id)
        check_dict("snapshot", snapshot)
        snapshot, encoded = prepared_values.prepare("snapshot", snapshot)
        if resource_id is not None:
            check_id("resource_id", resource_id)
        begun = None if created_at is None else check_date("created_at", created_at)
        updated = None if updated_at is None else check_date("updated_at", updated_at)
        key = self._keys.run(namespace, workflow_name, run_id)
        moment = updated if begun and updated else await clock.now(self._db)

        def replace(tx: Transaction, before: StoredRun | None) -> None:
            known = before.head if before else None
            run = WorkflowRun(
                workflow_name=workflow_name,
                run_id=run_id,
                snapshot=snapshot,
                resource_id=resource_id or (known.resource_id if known else None),
                created_at=begun or (known.created_at if known else moment),
                updated_at=updated or moment,
            )
            former = before.json if before and known else None
            json = codecs.encode_run(namespace, run, encoded, former)
            after = StoredRun(before.key if before else key, json, head=run)
            replace_run(tx, before, after, is_listed=namespace == RUN_NAMESPACE)

        async def attempt(tx: Transaction) -> None:
            before = await find_run(self._db, namespace, workflow_name, run_id)
            size = max(len(encoded), len(before.json) if before else 0)
            await self._db.compute(size, partial(replace, tx, before))

        async with self._db.locks.of(key):
            await transact(self._db, attempt)

    @query
    async def load_workflow_snapshot(
        self, workflow_name: str, run_id: str, *, namespace: str = RUN_NAMESPACE
    ) -> dict[str, Any] | None:
        """Read a run's snapshot, or ``None``. One round trip."""
        check_run(namespace, workflow_name, run_id)
        found = await find_run(self._db, namespace, workflow_name, run_id)
        return None if found is None else (await self._decoded(found)).snapshot

    @operation
    async def update_workflow_results(
        self,
        workflow_name: str,
        run_id: str,
        *,
        step_id: str,
        result: Any,
        request_context: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Store a step's result in the run's context, atomically. Two round trips.

        If the ``output`` of both the old and the new result is a list, the lists are merged by
        position: a new value wins unless it is null. ``request_context`` is merged one level.

        Returns:
            The whole context; ``{}`` for an unknown run, which is not created.
        """
        check_run(RUN_NAMESPACE, workflow_name, run_id)
        check_id("step_id", step_id)
        # Within the snapshot two levels lie above it, and one above a request context.
        result, encoded = prepared_values.prepare("result", result, depth=MAX_DEPTH - 2)
        if request_context is not None:
            request_context = check_object("request_context", request_context, MAX_DEPTH - 1)

        def change(_: WorkflowRun, snapshot: Snapshot) -> bool:
            known = snapshot.member("context", step_id)
            step = {step_id: _merged(known, result, Raw(encoded))}
            more = raw_fields.split(request_context or {})
            snapshot.merge("context", step)
            if more:
                snapshot.merge("requestContext", more)
            return True

        changed = await change_run(self._db, workflow_name, run_id, change)
        if changed is None:
            return {}
        return await self._db.compute(changed.size, partial(changed.field, "context"))

    @operation
    async def update_workflow_state(
        self,
        workflow_name: str,
        run_id: str,
        state: dict[str, Any],
        *,
        expected_status: str | Collection[str] | None = None,
    ) -> dict[str, Any] | None:
        """Merge fields into the run's snapshot, atomically. Two round trips.

        Args:
            workflow_name: The workflow.
            run_id: The run.
            state: The snapshot's fields to replace.
            expected_status: Apply only if the stored status is this, or one of these. If several
                calls race to leave that status, exactly one applies.

        Returns:
            The merged snapshot; ``None`` if the run is unknown or has another status.
        """
        check_run(RUN_NAMESPACE, workflow_name, run_id)
        state = check_object("state", state)
        expected = _statuses(expected_status)

        def change(run: WorkflowRun, snapshot: Snapshot) -> bool:
            if expected is not None and run.status not in expected:
                return False
            snapshot.assign(raw_fields.split(state))
            return True

        # If it were repeated after a lost reply, it would find the status that it has set itself.
        changed = await change_run(
            self._db, workflow_name, run_id, change, repeatable=expected is None
        )
        if changed is None:
            return None
        return await self._db.compute(changed.size, changed.snapshot)

    @query
    async def get_workflow_run_by_id(
        self, run_id: str, *, workflow_name: str | None = None
    ) -> WorkflowRun | None:
        """Read a run; if several workflows have this run id, the newest one. Two round trips.

        Returns:
            The run, or ``None``.
        """
        check_run_id(run_id)
        if workflow_name is not None:
            check_workflow_name(workflow_name)
            found = await find_run(self._db, RUN_NAMESPACE, workflow_name, run_id)
            return None if found is None else await self._decoded(found)
        index = self._index("run", run_id, lambda run: run.run_id == run_id)
        page = await self._runs.page(Paging(0, 1), Query([index], descending=True))
        return page.items[0] if page.items else None

    @query
    async def list_workflow_runs(
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
        """List the runs that match all filters, newest ``created_at`` first. Two round trips.

        With one filter or none it costs O(log n + page). With several, or with dates, it reads the
        names of all runs that each filter selects, but only the snapshots of the page.
        """
        paging = check_paging(page, per_page)
        from_us, to_us = check_bound("from_date", from_date), check_bound("to_date", to_date)
        indexes: list[Index[WorkflowRun]] = []
        if workflow_name is not None:
            check_workflow_name(workflow_name)
            indexes.append(
                self._index(
                    "workflow", workflow_name, lambda run: run.workflow_name == workflow_name
                )
            )
        if resource_id is not None:
            check_id("resource_id", resource_id)
            indexes.append(
                self._index("resource", resource_id, lambda run: run.resource_id == resource_id)
            )
        if status is not None:
            check_id("status", status)
            indexes.append(self._index("status", status, lambda run: run.status == status))
        indexes = indexes or [self._index("all", "", lambda _: True)]
        return await self._runs.page(
            paging, Query(indexes, descending=True, from_us=from_us, to_us=to_us)
        )

    @operation
    async def delete_workflow_run_by_id(self, run_id: str, *, workflow_name: str) -> None:
        """Delete a run; no-op for an unknown one. Two round trips."""
        check_run(RUN_NAMESPACE, workflow_name, run_id)
        key = self._keys.run(RUN_NAMESPACE, workflow_name, run_id)

        async def attempt(tx: Transaction) -> None:
            for found in await find_all(self._db, workflow_name, run_id):
                await self._db.compute(len(found.json), partial(delete_run, tx, found))

        async with self._db.locks.of(key):
            await transact(self._db, attempt)

    @unbounded
    async def dangerously_clear_all(self) -> None:
        """Remove every run under the store's prefix. Scans the whole keyspace of every node."""
        await self._db.clear(self._keys.workflow_patterns())

    def _index(
        self, attribute: str, value: str, lists: Callable[[WorkflowRun], bool]
    ) -> Index[WorkflowRun]:
        return Index(self._keys.runs_by(attribute, value), lists)

    async def _decoded(self, found: StoredRun) -> WorkflowRun:
        return await self._db.compute(len(found.json), lambda: found.run)


def _statuses(expected: object) -> frozenset[str] | None:
    if expected is None:
        return None
    return frozenset(check_id_or_ids("expected_status", expected))


def _merged(before: Raw | None, result: object, encoded: Raw) -> Raw:
    """Merge a step's new result over its old one; lists of outputs merge by position."""
    if before is None or not is_object(result):
        return encoded
    new_output: object = result.get("output")
    if not is_array(new_output):
        return encoded
    stored = raw_fields.fields_of(before) or {}
    old_output: object = raw_fields.value_of(stored.get("output"))
    if not is_array(old_output):
        return encoded
    pairs = zip_longest(new_output, old_output)
    merged = {**result, "output": [old if new is None else new for new, old in pairs]}
    return Raw(json_values.encode(merged))
