"""Maintenance of logs and documents, as an integration registers it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial

import pytest

from redis_store import Pruned, RedisStore
from redis_store._engine import hash_indexes
from redis_store._engine.database import Database
from redis_store._engine.documents import Documents
from redis_store._engine.hash_indexes import Id, IndexEntry, Listed
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.logs import Item, Logs
from redis_store._engine.timestamps import epoch_us
from redis_store.maintenance import Integration, Report, Retention, hash_records, integrations
from redis_store.maintenance.hash_records import HashVerification, erase, prune
from redis_store.maintenance.integrations import Removal, register
from redis_store.models import IntegrationRecord, now
from tests.integrations.conftest import database_of
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.raw import Raw

ALL = ("all",)
HOUR_US = 3_600_000_000


def _kinds(db: Database) -> tuple[Logs, Documents]:
    keys = IntegrationKeys(db.keys, "toy")
    logs = Logs(db, keys, "log", listed_in=lambda id_: [("owner", id_[0]), ALL])
    return logs, Documents(db, keys, "doc")


def _delete(logs: Logs, entry: Listed) -> "asyncio.Future[bool]":
    return asyncio.ensure_future(logs.delete(entry.id, unchanged_since_us=int(entry.score)))


async def _verify(db: Database, report: Report, *, repair: bool) -> None:
    for kind in _kinds(db):
        await HashVerification(db, kind.indexes, report, repair=repair).run()


async def _erase(db: Database, resource_id: str) -> AsyncIterator[int]:
    logs, documents = _kinds(db)
    owned = ("owner", resource_id)
    async for erased in erase(logs.indexes, owned, lambda entry: logs.delete(entry.id)):
        yield erased
    async for erased in erase(documents.indexes, owned, lambda entry: documents.delete(entry.id)):
        yield erased


async def _prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    logs, _ = _kinds(db)
    async for removal in prune(logs.indexes, ALL, limit_us, partial(_delete, logs)):
        yield removal


async def _export(db: Database, resource_id: str) -> AsyncIterator[IntegrationRecord]:
    logs, _ = _kinds(db)
    async for listed in logs.indexes.walk(("owner", resource_id)):
        for entry in listed:
            log = await logs.read(entry.id)
            assert log is not None
            content = [item.body.decode() for item in log.items]
            yield IntegrationRecord(integration="toy", kind="log", id=entry.id[1], content=content)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(integrations, "_registered", {})
        register(
            Integration(name="toy", verify=_verify, prune=_prune, erase=_erase, export=_export)
        )
        yield


async def furnish(db: Database, *owners: str) -> None:
    logs, documents = _kinds(db)
    for owner in owners:
        for n in range(3):
            await logs.append((owner, f"{n}"), [Item(b"%d" % n)])
            entries = [IndexEntry(("owner", owner), n), IndexEntry(ALL, n, text=owner)]
            await documents.put((owner, f"{n}"), b"", entries)


async def entries(db: Database) -> list[tuple[Id, list[Listed]]]:
    indexes = [kind.indexes for kind in _kinds(db)]
    by = [ALL, ("owner", "ana"), ("owner", "bob")]
    return [(each, await of.page(each)) for of in indexes for each in by]


@on_each_topology
async def test_sound_records_have_no_problems(opened: RedisStore, db: Database) -> None:
    await furnish(db, "ana", "}{:")
    report = await opened.verify()
    assert report.ok
    assert report.checked["log"] == report.checked["doc"] == 6
    assert report.checked["indexes"] == 6


@on_each_topology
async def test_damage_is_found_and_repaired(opened: RedisStore, db: Database, raw: Raw) -> None:
    await furnish(db, "ana", "bob")
    before = await entries(db)
    logs, documents = _kinds(db)
    owner, every = logs.indexes.index(("owner", "ana")), documents.indexes.index(ALL)
    await raw("DEL", owner)
    first, second, *_ = await documents.indexes.page(ALL)
    await raw("ZADD", every, 99, first.member)
    await raw("ZREM", every, second.member)
    await raw("ZADD", every, 5, Listed(("ghost",), 5, "x").member)
    await raw("ZADD", documents.indexes.index(("unknown",)), 5, first.member)
    report = await opened.verify()
    assert report.problems == {"missing entry": 5, "stale entry": 2}
    assert report.repaired == 0
    report = await opened.verify(repair=True)
    assert report.repaired == 7
    assert (await opened.verify()).ok
    assert await entries(db) == before
    assert await documents.indexes.page(("unknown",)) == []


async def test_a_corrupt_record_is_reported_and_stays(
    opened: RedisStore, db: Database, raw: Raw
) -> None:
    await furnish(db, "ana")
    logs, documents = _kinds(db)
    corrupt = [logs.indexes.record(("ana", "0")), documents.indexes.record(("ana", "0"))]
    await raw("HSET", corrupt[0], "updated", "x")
    await raw("HSET", corrupt[1], "indexes", "x")
    report = await opened.verify(repair=True)
    assert report.problems == {"corrupt record": 2}
    assert {finding.key for finding in report.findings} == set(corrupt)
    assert [await raw("EXISTS", key) for key in corrupt] == [1, 1]
    await raw("ZADD", logs.indexes.index(("odd",)), 1, "odd")
    assert (await opened.verify()).problems == {"corrupt record": 3}


@on_each_topology
async def test_a_user_is_exported_and_erased(opened: RedisStore, db: Database, raw: Raw) -> None:
    await furnish(db, "ana", "bob")
    exported = [each async for each in opened.export_resource("ana")]
    assert sorted(each.content[0] for each in exported if isinstance(each, IntegrationRecord)) == [
        *"012"
    ]
    before = await raw.keys(db.keys.prefix)
    erased = await opened.erase_resource("ana")
    assert erased.integrations == {"toy": 6}
    assert (await opened.erase_resource("ana")).integrations == {}
    left = await raw.keys(db.keys.prefix)
    assert [key for key in before if "3:ana" not in key] == left
    assert (await opened.verify()).ok


async def test_an_erasure_goes_on_where_it_was_killed(
    opened: RedisStore, db: Database, raw: Raw
) -> None:
    """A record is gone, and its entry is not."""
    await furnish(db, "ana")
    logs, _ = _kinds(db)
    await raw("DEL", logs.indexes.record(("ana", "0")))
    assert (await opened.erase_resource("ana")).integrations == {"toy": 5}
    assert await logs.indexes.page(("owner", "ana")) == []


async def test_old_logs_are_pruned_and_used_ones_stay(
    place: Place, opened: RedisStore, db: Database, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_records, "SCAN_CHUNK", 2)
    logs, _ = _kinds(db)
    await furnish(db, "ana", "bob")
    for owner in ("ana", "bob"):
        await raw(
            "HSET", logs.indexes.record((owner, "0")), "updated", epoch_us(now()) - 2 * HOUR_US
        )
    await logs.indexes.restore([("ana", "0"), ("bob", "0")])
    # Entries that are wrong: a log that was used since, and one that is gone.
    every = logs.indexes.index(ALL)
    await raw("ZADD", every, 5, Listed(("ana", "1"), 5, "").member)
    await raw("ZADD", every, 5, Listed(("gone", "1"), 5, "").member)
    async with place.store(retention=Retention(integrations=timedelta(hours=1))) as store:
        assert await store.prune() == [Pruned("toy", 2, done=True)]
        assert await store.prune() == [Pruned("toy", 0, done=True)]
    assert {id_ for id_, _ in await logs.list_by(ALL)} == {
        (owner, n) for owner in ("ana", "bob") for n in "12"
    }
    assert (await opened.verify()).ok


@on_each_topology
async def test_racing_writers_leave_at_most_what_verify_repairs(
    place: Place, opened: RedisStore, db: Database
) -> None:
    """In the plain layout they leave nothing wrong at all."""
    async with place.store() as other:
        stores = [_kinds(db), _kinds(database_of(other))]

        async def write(n: int) -> None:
            logs, documents = stores[n % 2]
            entry = IndexEntry(("status", f"{n % 3}"), n)
            await documents.put(("d", f"{n % 2}"), b"%d" % n, [entry])
            await logs.append(("l", f"{n % 2}"), [Item(b"x")])
            if n % 7 == 0:
                await asyncio.gather(logs.delete(("l", "0")), documents.delete(("d", "0")))

        await asyncio.gather(*(write(n) for n in range(60)))
    report = await opened.verify(repair=True)
    if not db.keys.hash_tags:
        assert report.ok
    assert report.problems.keys() <= {"missing entry", "stale entry"}
    assert (await opened.verify()).ok


async def test_a_stale_entry_that_is_valid_again_stays(db: Database) -> None:
    """A reader found no record, which was stored again before it removed the entry."""
    _, documents = _kinds(db)
    entry = IndexEntry(ALL, 1)
    await documents.put(("a",), b"1", [entry])
    indexes = documents.indexes
    listed = await indexes.page(ALL)
    await documents.delete(("a",))
    stored = await indexes.read([("a",)])
    await documents.put(("a",), b"2", [entry])
    assert await indexes.current(ALL, listed, stored) == [False]
    assert await indexes.page(ALL) == listed
    changed = IndexEntry(ALL, 2)
    await documents.put(("a",), b"3", [changed])
    await indexes.current(ALL, listed, stored)
    assert [each.score for each in await indexes.page(ALL)] == [2], "its score had changed"


async def test_an_index_is_walked_in_chunks(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_indexes, "READ_CHUNK", 50)
    _, documents = _kinds(db)
    await asyncio.gather(*(documents.put((f"{n}",), b"", [IndexEntry(ALL, n)]) for n in range(400)))
    chunks = [listed async for listed in documents.indexes.walk(ALL)]
    assert len(chunks) > 1
    assert {entry.id for chunk in chunks for entry in chunk} == {(f"{n}",) for n in range(400)}
