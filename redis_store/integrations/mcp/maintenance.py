"""Maintenance of event streams: read in full by ``verify``, removed by ``prune``.

A stream expires by itself after its last event; ``prune`` is for one that outlived what is kept.

Tests: ``tests/integrations/mcp/test_event_maintenance.py``.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from redis_store._connections.commands import Command
from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.scripts import of_integration
from redis_store.errors import CorruptRecordError
from redis_store.integrations.mcp.event_store import EVENTS, NAME, decoded_event
from redis_store.maintenance import Integration, Report
from redis_store.maintenance.integrations import Removal

_REMOVE = of_integration(__package__ or "", "remove_stream")


async def verify(db: Database, report: Report, *, repair: bool) -> None:
    """Check that every event can be read. Nothing can be repaired: no index lists streams."""
    del repair
    async for keys in _streams(db):
        for key in keys:
            report.checked[f"{NAME} streams"] += 1
            try:
                for _, fields in await db.command("XRANGE", key, "-", "+"):
                    decoded_event(key, fields)
            except CorruptRecordError:
                report.add("corrupt record", key)


async def prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    """Find streams whose last event is older than a moment."""
    limit_ms = limit_us // 1000
    async for keys in _streams(db):
        reading: list[Command] = [("XREVRANGE", key, "+", "-", "COUNT", 1) for key in keys]
        newest = await db.send(reading)
        due = [
            key
            for key, entries in zip(keys, newest, strict=True)
            if not entries or int(entries[0][0].partition(b"-")[0]) < limit_ms
        ]
        if due:
            yield partial(_remove, db, due, limit_ms)


async def _remove(db: Database, keys: Sequence[str], limit_ms: int) -> int:
    return sum(await db.send([_REMOVE.call([key], [limit_ms]) for key in keys]))


async def _streams(db: Database) -> AsyncIterator[Sequence[str]]:
    async for _, found in db.scan(IntegrationKeys(db.keys, NAME).pattern(EVENTS), "stream"):
        for first in range(0, len(found), SCAN_CHUNK):
            yield found[first : first + SCAN_CHUNK]


INTEGRATION = Integration(name=NAME, verify=verify, prune=prune)
