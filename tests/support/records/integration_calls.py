"""Every call of what integrations stand on: what a server sees of one."""

from datetime import timedelta
from typing import Any, cast

from redis_store import RedisStore
from redis_store._engine.database import Database
from redis_store._engine.documents import Documents
from redis_store._engine.hash_indexes import IndexEntry
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.logs import Item, Logs
from redis_store.maintenance.hash_records import HashVerification
from redis_store.maintenance.report import Report

ALL = ("all",)


async def use_integrations(store: RedisStore) -> None:
    """Make every call of logs and documents, and leave no key behind."""
    db = cast("Database", cast("Any", store)._db)  # noqa: SLF001 - the way in
    keys = IntegrationKeys(db.keys, "toy")
    for ttl in (None, timedelta(hours=1)):
        await _use_logs(Logs(db, keys, "log", listed_in=lambda _: [ALL], ttl=ttl))
        await _use_documents(Documents(db, keys, "doc", ttl=ttl))
    documents = Documents(db, keys, "doc")
    await documents.put(("damaged",), b"", [IndexEntry(ALL, 1)])
    await db.command("ZREM", documents.indexes.index(ALL), "\0007:damaged")
    await HashVerification(db, documents.indexes, Report(), repair=True).run()
    assert len(await documents.list_by(ALL)) == 1
    await store.dangerously_clear_integrations()


async def _use_logs(logs: Logs) -> None:
    assert await logs.append(("l",), [Item(b"a"), Item(b"b")], expect="missing")
    assert await logs.append(("l",), fields={"f": "v"}, expect="present")
    assert await logs.pop(("l",)) == Item(b"b")
    assert await logs.read(("l",), since=0) is not None
    assert len(await logs.list_by(ALL)) == 1
    await logs.clear(("l",))
    assert await logs.delete(("l",))


async def _use_documents(documents: Documents) -> None:
    version = await documents.put(("d",), b"1", [IndexEntry(ALL, 1), IndexEntry(("name",))])
    assert await documents.put(("d",), b"2", [IndexEntry(("name",))], expect=version)
    assert await documents.get(("d",)) is not None
    assert len(await documents.list_by_text(("name",), "")) == 1
    await documents.indexes.up_to(ALL, 5)
    assert [listed async for listed in documents.indexes.walk(("name",))]
    assert await documents.delete(("d",))
