"""Changes of stored runs: what calls do to a snapshot, as writes of one transaction.

Tests: ``tests/contract/test_workflow_results.py``, ``tests/contract/test_workflow_races.py``,
``tests/contract/test_large_runs.py``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Self

from msgspec import Raw

from redis_store import json_values
from redis_store._engine import clock, raw_fields, splices
from redis_store._engine.database import Database
from redis_store._engine.fingerprints import fingerprint
from redis_store._engine.indexes import RUNS
from redis_store._engine.keys import RUN_NAMESPACE
from redis_store._engine.timestamps import later_than
from redis_store._engine.transaction import Transaction, transact
from redis_store.models import WorkflowRun
from redis_store.workflows.large_runs import LargeRun, LargeSnapshot
from redis_store.workflows.snapshots import Snapshot, SplitSnapshot
from redis_store.workflows.stored_runs import StoredRun, find_run, replace_run

# Changes a snapshot, or returns ``False``; what it raises, it raises before the first change. The
# run may be no more than its head: see ``StoredRun``.
Change = Callable[[WorkflowRun, Snapshot], bool]


class ChangedRun(NamedTuple):
    """A run as it was after one change.

    Attributes:
        size: The length of its record; 0 if it is decoded already.
        snapshot: Decodes its snapshot.
        field: Decodes a field of its snapshot, which has it.
    """

    size: int
    snapshot: Callable[[], dict[str, Any]]
    field: Callable[[str], Any]

    @classmethod
    def decoded(cls, snapshot: dict[str, Any]) -> Self:
        """Build one from its decoded snapshot."""
        return cls(0, lambda: snapshot, snapshot.__getitem__)


class PendingChange:
    """The change of one call.

    Attributes:
        change: What it does.
        is_done: Whether it was applied, or need not be.
        outcome: The changed run; ``None`` if the run is unknown, or ``change`` returned ``False``;
            or what ``change`` raised.
    """

    def __init__(self, change: Change) -> None:
        self.change = change
        self.is_done = False
        self.outcome: ChangedRun | Exception | None = None

    def apply(self, run: WorkflowRun, snapshot: Snapshot) -> bool:
        """Change a snapshot, unless that raises: other calls' changes are applied all the same."""
        self.outcome = None
        try:
            return self.change(run, snapshot)
        except Exception as exc:  # noqa: BLE001 - any: the call gets it
            self.outcome = exc
            return False

    def result(self) -> ChangedRun | None:
        """Return the outcome, or raise it."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def change_run(
    db: Database, workflow_name: str, run_id: str, change: Change, *, repeatable: bool = True
) -> ChangedRun | None:
    """Change a run's snapshot, atomically. Two round trips.

    Changes that wait for the same run are applied together, one after another: two round trips for
    all of them.

    Args:
        db: The database.
        workflow_name: The workflow.
        run_id: The run.
        change: What to do.
        repeatable: See ``Commit.run``.

    Returns:
        The run after this change; ``None`` if it is unknown or ``change`` returned ``False``.
    """
    lock = db.locks.of(db.keys.run(RUN_NAMESPACE, workflow_name, run_id))
    pending: list[PendingChange] = lock.pending
    mine = PendingChange(change)

    async def attempt(changes: Sequence[PendingChange], now: datetime, tx: Transaction) -> None:
        found = await find_run(db, RUN_NAMESPACE, workflow_name, run_id)
        size = 0 if found is None else len(found.json)
        await db.compute(size, partial(_apply, tx, found, changes, now))

    # Those that a failed call has taken along are applied again by their own calls. So one that
    # must not be repeated neither goes along nor takes any.
    if repeatable:
        pending.append(mine)
    try:
        async with lock:
            if not mine.is_done:
                together = [mine]
                if repeatable:
                    together += [each for each in pending if each is not mine]
                    pending.clear()
                now = await clock.now(db)
                await transact(db, partial(attempt, together, now), repeatable=repeatable)
                for each in together:
                    each.is_done = True
    finally:
        if mine in pending:
            pending.remove(mine)
    return mine.result()


def _apply(
    tx: Transaction, found: StoredRun | None, changes: Sequence[PendingChange], now: datetime
) -> None:
    """Apply changes to a run, one after another, and write the last outcome."""
    if found is None:
        for each in changes:
            each.outcome = None
    elif found.large is None:
        _join(tx, found, changes, now)
    else:
        _splice(tx, found, found.large, changes, now)


def _join(
    tx: Transaction, found: StoredRun, changes: Sequence[PendingChange], now: datetime
) -> None:
    record = raw_fields.decode_fields(found.key, found.json)
    # A snapshot that is missing or stored as text has no fields: use its decoded form.
    fields = raw_fields.fields_of(record.get("snapshot")) or raw_fields.split(found.run.snapshot)
    snapshot, after = SplitSnapshot(fields), found
    later = later_than(found.run.updated_at, now)
    record["updatedAt"] = Raw(json_values.encode(later))
    for each in changes:
        if each.apply(found.run, snapshot):
            record["snapshot"] = raw_fields.join(snapshot.fields)
            after = StoredRun(found.key, bytes(raw_fields.join(record)))
            each.outcome = ChangedRun.decoded(after.run.snapshot)
    if after is not found:
        replace_run(tx, found, after, is_listed=True)


def _splice(
    tx: Transaction,
    found: StoredRun,
    large: LargeRun,
    changes: Sequence[PendingChange],
    now: datetime,
) -> None:
    snapshot, size = LargeSnapshot(large), len(found.json)
    is_changed = False
    for each in changes:
        if each.apply(large.head, snapshot):
            copy = snapshot.copy()
            each.outcome = ChangedRun(size, copy.decode, copy.decode_field)
            is_changed = True
    if is_changed:
        later = later_than(large.head.updated_at, now)
        edits = snapshot.splices(later)
        after = fingerprint(splices.apply(found.json, edits))
        tx.splice(found.key, found.condition(), edits, after)
        RUNS.reindex(tx, found.key, before=large.head, after=snapshot.head(later))
