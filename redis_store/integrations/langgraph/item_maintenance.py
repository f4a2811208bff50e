"""Maintenance of items: listings verified, old items pruned."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store.integrations.langgraph.item_keys import (
    NAME,
    ItemKeys,
    ItemPlace,
    Namespace,
    entry_of,
    namespace_of_entry,
)
from redis_store.integrations.langgraph.items import Items, Wanted
from redis_store.maintenance import Integration, Report
from redis_store.maintenance.integrations import Removal


async def prune(db: Database, limit_us: int) -> AsyncIterator[Removal]:
    """Find items that were last stored before a moment."""
    keys, items = ItemKeys(db.keys), Items(db)
    async for namespace in _namespaces(db):
        due = await db.command("ZRANGEBYSCORE", keys.listing(namespace), "-inf", f"({limit_us}")
        for first in range(0, len(due), SCAN_CHUNK):
            batch = due[first : first + SCAN_CHUNK]
            places = {ItemPlace(namespace, key.decode()): () for key in batch}
            yield partial(items.drop, places, unless_changed_us=limit_us)


async def verify(db: Database, report: Report, *, repair: bool) -> None:
    """Check that every namespace with items is listed, and every item that is listed exists.

    Items that have expired stay listed until a search finds them; they are taken out, and are no
    problem.
    """
    keys, items = ItemKeys(db.keys), Items(db)
    async for namespace in _namespaces(db):
        report.checked[f"{NAME} namespaces"] += 1
        index, entry = keys.namespaces(namespace), entry_of(namespace)
        if await db.command("ZSCORE", index, entry) is None:
            report.add("missing entry", index, entry)
            if repair:
                await db.command("ZADD", index, 0, entry)
                report.repaired += 1
        if repair:
            await _drop_expired(db, items, namespace)
    for index in keys.all_namespaces():
        await _check_index(db, index, report, repair=repair)


async def _check_index(db: Database, index: str, report: Report, *, repair: bool) -> None:
    keys = ItemKeys(db.keys)
    listed: Sequence[bytes] = await db.command("ZRANGE", index, 0, -1)
    found = await db.send([("EXISTS", keys.listing(namespace_of_entry(entry))) for entry in listed])
    stale = [entry for entry, exists in zip(listed, found, strict=True) if not exists]
    for entry in stale:
        report.add("stale entry", index, entry.decode())
    if repair:
        await db.send([("ZREM", index, entry) for entry in stale])
        report.repaired += len(stale)


async def _drop_expired(db: Database, items: Items, namespace: Namespace) -> None:
    """Take the items of a namespace that have expired out of its listing, and their vectors."""
    paths: dict[str, list[str]] = {}
    for field in await db.command("HKEYS", ItemKeys(db.keys).codes(namespace)):
        key, path = field.decode().split("\0")
        paths.setdefault(key, []).append(path)
    places = await items.newest([namespace])
    for first in range(0, len(places), SCAN_CHUNK):
        batch = places[first : first + SCAN_CHUNK]
        found = await items.get([Wanted(place) for place in batch], refresh=False)
        gone = [place for place, item in zip(batch, found, strict=True) if item is None]
        await items.drop({place: paths.get(place.key, ()) for place in gone})


async def _namespaces(db: Database) -> AsyncIterator[Namespace]:
    keys = ItemKeys(db.keys)
    async for _, found in db.scan(keys.pattern("keys"), "zset"):
        for listing in found:
            yield keys.namespace_of(listing)


INTEGRATION = Integration(name=NAME, verify=verify, prune=prune)
