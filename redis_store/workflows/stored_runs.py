"""Records of workflow runs: how a run is found, under each key it may have, and replaced."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from redis_store._engine import codecs
from redis_store._engine.database import Database
from redis_store._engine.indexes import RUNS
from redis_store._engine.keys import RUN_NAMESPACE
from redis_store._engine.transaction import Transaction
from redis_store.models import WorkflowRun


class StoredRun(NamedTuple):
    """A run's key and value as found; ``readable`` is ``None`` if the value is corrupt."""

    key: str
    json: bytes
    readable: WorkflowRun | None

    @classmethod
    def of(cls, key: str, json: bytes) -> Self:
        """Decode a value as far as possible."""
        return cls(key, json, RUNS.read(key, json))

    @property
    def run(self) -> WorkflowRun:
        """The run; raises CorruptRecordError if it is corrupt."""
        return self.readable or codecs.decode_run(self.key, self.json)


async def find_run(
    db: Database, namespace: str, workflow_name: str, run_id: str
) -> StoredRun | None:
    """Find a run. One round trip, two if its key has a resource suffix."""
    key, stored, listed = await _read_key(db, namespace, workflow_name, run_id)
    if stored is not None:
        return StoredRun.of(key, stored)
    suffixed = await _suffixed_keys(db, key, *listed) if namespace == RUN_NAMESPACE else []
    for name, found in (await db.get(suffixed)).items():
        if found is not None:
            return StoredRun.of(name, found)
    return None


async def find_all(db: Database, workflow_name: str, run_id: str) -> list[StoredRun]:
    """Find a run under every key that it is known to have. Costs the same as ``find_run``."""
    key, stored, listed = await _read_key(db, RUN_NAMESPACE, workflow_name, run_id)
    found = {key: stored, **await db.get(await _suffixed_keys(db, key, *listed))}
    return [StoredRun.of(name, json) for name, json in found.items() if json is not None]


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
        former = before.readable if before else None
        RUNS.reindex(tx, after.key, before=former, after=after.readable)


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
        names = [db.keys.of_member(member.decode()) for member in listed]
        return [name for name in names if name.startswith(key + db.keys.run_suffix(""))]
    pattern = db.keys.suffixed_runs_pattern(key)
    return [name async for _, names in db.scan(pattern, "string") for name in names]
