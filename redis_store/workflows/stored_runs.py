"""Records of workflow runs: how a run is found, under each key it may have, and replaced."""

from collections.abc import Sequence

from redis_store._connections.commands import decoded
from redis_store._engine import codecs
from redis_store._engine.database import Database
from redis_store._engine.fingerprints import fingerprint, is_large
from redis_store._engine.indexes import RUNS
from redis_store._engine.keys import RUN_NAMESPACE
from redis_store._engine.transaction import Transaction
from redis_store.errors import CorruptRecordError
from redis_store.models import WorkflowRun
from redis_store.workflows.large_runs import LargeRun


class StoredRun:
    """A run's key and value as found. What is read of it is read once.

    Args:
        key: Where it is stored.
        json: Its record.
        head: See the property, if it is known already.
    """

    def __init__(self, key: str, json: bytes, *, head: WorkflowRun | None = None) -> None:
        self.key = key
        self.json = json
        self._head = head
        self._run: WorkflowRun | None = None
        self._large: LargeRun | None = None
        self._may_be_large = is_large(len(json))

    @property
    def large(self) -> LargeRun | None:
        """The run by spans, if it is large, and its JSON as it usually is."""
        if self._may_be_large and self._large is None:
            self._large = LargeRun.find(self.key, self.json)
            self._may_be_large = self._large is not None
        return self._large

    @property
    def run(self) -> WorkflowRun:
        """The run; raises CorruptRecordError if it is corrupt."""
        if self._run is None:
            large = self.large
            self._run = codecs.decode_run(self.key, self.json) if large is None else large.decode()
        return self._run

    @property
    def head(self) -> WorkflowRun | None:
        """What indexes know of the run; ``None`` if it is corrupt.

        The snapshot of a large run has no more than its ``status``.
        """
        if self._head is None:
            try:
                self._head = self.run if self.large is None else self.large.head
            except CorruptRecordError:
                return None
        return self._head

    def condition(self) -> bytes:
        """Return what stands for the record in a condition: its fingerprint, if it is large."""
        return fingerprint(self.json) if is_large(len(self.json)) else self.json


async def find_run(
    db: Database, namespace: str, workflow_name: str, run_id: str
) -> StoredRun | None:
    """Find a run. One round trip, two if its key has a resource suffix."""
    key, stored, listed = await _read_key(db, namespace, workflow_name, run_id)
    if stored is not None:
        return StoredRun(key, stored)
    suffixed = await _suffixed_keys(db, key, *listed) if namespace == RUN_NAMESPACE else []
    for name, found in (await db.get(suffixed)).items():
        if found is not None:
            return StoredRun(name, found)
    return None


async def find_all(db: Database, workflow_name: str, run_id: str) -> list[StoredRun]:
    """Find a run under every key that it is known to have. Costs the same as ``find_run``."""
    key, stored, listed = await _read_key(db, RUN_NAMESPACE, workflow_name, run_id)
    found = {key: stored, **await db.get(await _suffixed_keys(db, key, *listed))}
    return [StoredRun(name, json) for name, json in found.items() if json is not None]


def replace_run(
    tx: Transaction, before: StoredRun | None, after: StoredRun, *, is_listed: bool
) -> None:
    """Store a run over the one that was found, and update its index entries."""
    if before is None:
        tx.expect({after.key: None})
        tx.set(after.key, after.json)
    else:
        tx.replace(after.key, before.json, after.json)
    if is_listed:
        former = before.head if before else None
        RUNS.reindex(tx, after.key, before=former, after=after.head)


def delete_run(tx: Transaction, found: StoredRun) -> None:
    """Delete a run that was found, and its index entries."""
    tx.expect({found.key: found.condition()})
    tx.delete([found.key])
    RUNS.reindex(tx, found.key, before=found.head, after=None)


async def _read_key(
    db: Database, namespace: str, workflow_name: str, run_id: str
) -> tuple[str, bytes | None, list[list[bytes]]]:
    """Read a run's own key, and unless in scan mode the index of its suffixed keys."""
    key = db.keys.run(namespace, workflow_name, run_id)
    (index,) = db.keys.runs_by("suffixed", run_id)
    lookup = [] if db.scans else [("ZRANGE", index, 0, -1)]
    stored, *listed = await db.send([("GET", key), *lookup])
    return key, stored, listed


async def _suffixed_keys(db: Database, key: str, listed: Sequence[bytes] = ()) -> list[str]:
    """Return the keys with a resource suffix that a run may have."""
    if not db.scans:
        names = [db.keys.of_member(decoded(member)) for member in listed]
        return [name for name in names if name.startswith(key + db.keys.run_suffix(""))]
    pattern = db.keys.suffixed_runs_pattern(key)
    return [name async for _, names in db.scan(pattern, "string") for name in names]
