"""Clock: dates that callers did not give, the client's or, with ``clock="server"``, the server's.

One server tells the time for all keys, also on a cluster, so that dates of different threads are in
one order too.

Tests: ``tests/contract/test_server_clock.py``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from redis_store import models
from redis_store._engine.database import Database
from redis_store._engine.scripts import NOW
from redis_store._engine.timestamps import from_epoch_us
from redis_store.models import is_default

R = TypeVar("R", bound=msgspec.Struct)

_DATES = ("created_at", "updated_at")


async def now(db: Database) -> datetime:
    """Return the time that writes are dated with: one round trip if it is the server's."""
    if not db.server_clock:
        return models.now()
    seconds, us = await db.run(NOW, [db.keys.marker()], [])
    return from_epoch_us(int(seconds) * 1_000_000 + int(us))


async def date(db: Database, given: R, checked: R) -> None:
    """Replace dates that the caller did not give by the server's, if that has the clock.

    One round trip, if there are any. Whoever saves the record again then saves the same dates.

    Args:
        db: The way to the server.
        given: The caller's record.
        checked: The same record as it is to be stored.
    """
    if undated(db, [checked]):
        put_date(given, checked, await now(db))


def undated(db: Database, records: Sequence[msgspec.Struct]) -> list[int]:
    """Return the indexes of the records that ``put_date`` must date; none by the client's clock."""
    return [at for at, each in enumerate(records) if is_undated(each)] if db.server_clock else []


def is_undated(record: msgspec.Struct) -> bool:
    """Whether the caller has not given all dates of a record."""
    return any(is_default(getattr(record, name)) for name in _dates_of(record))


def put_date(given: R, checked: R, moment: datetime) -> None:
    """Put a date where there is none, into both records."""
    for name in _dates_of(checked):
        if is_default(getattr(checked, name)):
            # Another call that saves the record at the same time may have dated it.
            if is_default(getattr(given, name)):
                setattr(given, name, moment)
            setattr(checked, name, getattr(given, name))


def _dates_of(record: msgspec.Struct) -> list[str]:
    return [name for name in _DATES if name in record.__struct_fields__]
