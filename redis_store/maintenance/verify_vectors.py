"""VectorCheck: the vectors of messages, checked and swept; see ``verify``.

Tests: ``tests/maintenance/test_vectors.py``.
"""

from collections.abc import Sequence

from redis_store._connections.commands import decoded
from redis_store._engine.database import Database
from redis_store.maintenance.report import Report
from redis_store.memory.message_vectors import MessageVectors
from redis_store.memory.vector_codes import VectorKeys, place_of


class VectorCheck:
    """Checks that every vector has a code, and every code a vector and the name of a message.

    That a message is gone is no problem: no reader returns it. A repair removes its vector.
    """

    def __init__(self, db: Database, report: Report, *, repair: bool) -> None:
        self._db = db
        self._keys = VectorKeys(db.keys)
        self._report = report
        self._repair = repair

    async def run(self) -> None:
        """Scan the keyspace twice; the fields of one resource are read whole."""
        for kind, pattern in self._keys.patterns.items():
            async for _, found in self._db.scan(pattern, "hash"):
                for key in found:
                    await self._check(self._keys.resource_of(kind, key), kind)

    async def _check(self, resource_id: str, kind: str) -> None:
        names = [self._keys.codes(resource_id), self._keys.vectors(resource_id)]
        here, other = names if kind == "codes" else names[::-1]
        fields, others = await self._db.send([("HKEYS", here), ("HKEYS", other)])
        self._report.checked[kind] += len(fields)
        await self._remove(here, sorted(set(fields) - set(others)))
        if kind == "codes" and self._names_messages(here, fields) and self._repair:
            await MessageVectors(self._db, resource_id).sweep()

    def _names_messages(self, key: str, fields: Sequence[bytes]) -> bool:
        try:
            for field in fields:
                place_of(field)
        except ValueError:
            self._report.add("corrupt record", key)
            return False
        return True

    async def _remove(self, key: str, stale: Sequence[bytes]) -> None:
        for field in stale:
            self._report.add("stale entry", key, decoded(field))
        if self._repair and stale:
            await self._db.command("HDEL", key, *stale)
            self._report.repaired += len(stale)
