"""What logs and documents cost in round trips, in either layout."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from redis_store import RedisStore
from redis_store._engine.database import Database
from redis_store._engine.documents import Documents, Version
from redis_store._engine.hash_indexes import IndexEntry
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.logs import Item, Logs
from tests.integrations.conftest import database_of
from tests.support.wire.proxies import CountingProxy

ALL = ("all",)


class Pinned(NamedTuple):
    """Round trips."""

    plain: int
    tagged: int


COSTS = {
    "append, new": Pinned(1, 1),
    "append": Pinned(1, 1),
    "append, refused": Pinned(1, 2),
    "append, with a command elsewhere": Pinned(1, 2),
    "read": Pinned(1, 1),
    "read, last": Pinned(1, 1),
    "read, since": Pinned(1, 1),
    "heads": Pinned(1, 1),
    "pop": Pinned(1, 1),
    "clear": Pinned(1, 1),
    "list logs": Pinned(2, 2),
    "delete a log": Pinned(1, 3),
    "put, new": Pinned(1, 1),
    "put, same indexes": Pinned(1, 1),
    "put, other indexes": Pinned(2, 5),
    "put, other indexes, version known": Pinned(1, 4),
    "get": Pinned(1, 1),
    "get many": Pinned(1, 1),
    "list documents": Pinned(2, 2),
    "list documents by text": Pinned(2, 2),
    "delete a document": Pinned(2, 4),
    "delete a document, version known": Pinned(1, 3),
}


def _calls(
    logs: Logs, documents: Documents, version: Version
) -> dict[str, Callable[[], Awaitable[object]]]:
    also = [("HSET", "{elsewhere}", "f", "v")]
    same, other = [IndexEntry(ALL, 2)], [IndexEntry(("new",), 2)]
    return {
        "append, new": lambda: logs.append(("new",), [Item(b"x")], fields={"f": "v"}),
        "append": lambda: logs.append(("l",), [Item(b"x")] * 3, fields={"f": "v"}),
        "append, refused": lambda: logs.append(("no",), [Item(b"x")], expect="present"),
        "append, with a command elsewhere": lambda: logs.append(("l",), also=also),
        "read": lambda: logs.read(("l",)),
        "read, last": lambda: logs.read(("l",), last=10),
        "read, since": lambda: logs.read(("l",), since=800),
        "heads": lambda: logs.heads([("l",), ("m",)]),
        "pop": lambda: logs.pop(("l",)),
        "clear": lambda: logs.clear(("l",)),
        "list logs": lambda: logs.list_by(ALL),
        "delete a log": lambda: logs.delete(("l",)),
        "put, new": lambda: documents.put(("new",), b"", same),
        "put, same indexes": lambda: documents.put(("d",), b"", same),
        "put, other indexes": lambda: documents.put(("d",), b"", other),
        "put, other indexes, version known": lambda: documents.put(
            ("d",), b"", other, expect=version
        ),
        "get": lambda: documents.get(("d",)),
        "get many": lambda: documents.get_many([("d",), ("e",)]),
        "list documents": lambda: documents.list_by(ALL),
        "list documents by text": lambda: documents.list_by_text(("name",), "a"),
        "delete a document": lambda: documents.delete(("d",)),
        "delete a document, version known": lambda: documents.delete(("d",), expect=version),
    }


def _kinds(db: Database, ttl: timedelta | None) -> tuple[Logs, Documents]:
    keys = IntegrationKeys(db.keys, "toy")
    logs = Logs(db, keys, "log", listed_in=lambda _: [ALL], ttl=ttl)
    return logs, Documents(db, keys, "doc", ttl=ttl)


@pytest.mark.parametrize("ttl", [None, timedelta(hours=1)])
async def test_every_call_takes_its_round_trips(
    opened: RedisStore, metered: Database, proxy: CountingProxy, ttl: timedelta | None
) -> None:
    db = database_of(opened)
    found: dict[str, int] = {}
    for name in COSTS:
        await opened.dangerously_clear_integrations()
        logs, documents = _kinds(db, ttl)
        await logs.append(("l",), [Item(b"x", n) for n in range(1000)])
        await logs.append(("m",))
        entries = [IndexEntry(ALL, 1), IndexEntry(("name",), text="a")]
        version = await documents.put(("d",), b"", entries[:1])
        await documents.put(("e",), b"", entries[1:])
        assert version is not None
        call = _calls(*_kinds(metered, ttl), version)[name]
        await metered.command("EVAL", "return 1", 0)  # connected
        await logs.read(("l",))  # loads the script
        with proxy.measure() as cost:
            await call()
        found[name] = cost.round_trips
    await db.command("DEL", "{elsewhere}")
    assert found == {name: pinned[db.keys.hash_tags] for name, pinned in COSTS.items()}


async def test_a_script_on_demand_costs_one_round_trip_more_once(
    db: Database, metered: Database, proxy: CountingProxy
) -> None:
    logs, _ = _kinds(metered, None)
    await logs.append(("l",), [Item(b"x")])
    await db.command("SCRIPT", "FLUSH")
    costs: list[int] = []
    for _ in range(2):
        with proxy.measure() as cost:
            assert await logs.read(("l",)) is not None
        costs.append(cost.round_trips)
    assert costs == [2, 1]


async def test_reading_the_end_of_a_long_log_carries_no_more_than_that(
    metered: Database, proxy: CountingProxy
) -> None:
    logs, _ = _kinds(metered, None)
    await logs.append(("l",), [Item(b"x" * 100, n) for n in range(10_000)])
    for options in ({"last": 10}, {"since": 9990}):
        with proxy.measure() as cost:
            log = await logs.read(("l",), **options)
        assert log is not None
        assert len(log.items) == 10
        assert cost.bytes_received < 2500
