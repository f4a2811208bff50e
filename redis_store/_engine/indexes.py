"""The secondary indexes: which sorted sets list a record, under which name, with which score.

They are written with every record and trusted by no reader: truth is the record.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from anyio import CancelScope

from redis_store._engine import codecs
from redis_store._engine.database import Batch
from redis_store._engine.keys import RUN_NAMESPACE, Keys
from redis_store._engine.plan import Found
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction
from redis_store.errors import CorruptRecordError
from redis_store.models import Resource, Score, Thread, WorkflowRun
from redis_store.pages import ThreadOrder

ORDERS: tuple[ThreadOrder, ...] = ("created_at", "updated_at")


class Entry(NamedTuple):
    """A record's entry in one sorted set."""

    key: str
    member: str
    score_us: int


class Kind(NamedTuple):
    """A kind of record that is listed: how it is read, and where it must be found.

    Attributes:
        name: The kind, in the plural.
        decode: Reads the record stored at a key.
        entries: All its entries, given its key.
        best: The key that counts instead, if it is there too.
        hidden: The entries that are left where the best key is there too.
    """

    name: str
    decode: Callable[[str, bytes], Any]
    entries: Callable[[Keys, str, Any], set[Entry]]
    best: Callable[[Keys, str, Any], str]
    hidden: Callable[[Keys, str, Any], set[Entry]]


def of_thread(keys: Keys, _: str, thread: Thread) -> set[Entry]:
    """A thread is listed under its owner and among all, by both dates."""
    return {
        Entry(index, thread.id, epoch_us(getattr(thread, order_by)))
        for order_by in ORDERS
        for index in keys.thread_indexes(thread.id, thread.resource_id, order_by)
    }


def of_resource(keys: Keys, _: str, resource: Resource) -> set[Entry]:
    """A resource is listed by its last update, for the sake of retention."""
    score_us = epoch_us(resource.updated_at)
    return {Entry(keys.resources_shard(resource.id), resource.id, score_us)}


def of_run(keys: Keys, key: str, run: WorkflowRun) -> set[Entry]:
    """A run is listed by what it can be looked up by, and by its last update."""
    member, score_us = keys.member(key), epoch_us(run.created_at)
    attributes = {
        "all": "",
        "workflow": run.workflow_name,
        "run": run.run_id,
        "resource": run.resource_id,
        "status": run.status,
    }
    entries = {
        Entry(index, member, score_us)
        for attribute, value in attributes.items()
        if value is not None
        for index in keys.runs_by(attribute, value, member)
    }
    (updated,) = keys.runs_by("updated", "", member)
    entries.add(Entry(updated, member, epoch_us(run.updated_at)))
    return entries | of_hidden_run(keys, key, run)


def of_hidden_run(keys: Keys, key: str, run: WorkflowRun) -> set[Entry]:
    """A run under a key with a resource suffix is found by its run id, also where it is hidden."""
    if key == _without_suffix(keys, key, run):
        return set()
    (index,) = keys.runs_by("suffixed", run.run_id)
    return {Entry(index, keys.member(key), epoch_us(run.created_at))}


def of_score(keys: Keys, _: str, score: Score) -> set[Entry]:
    """A score is listed by what it can be looked up by."""
    attributes = {
        "all": "",
        "scorer": score.scorer_id,
        "run": score.run_id,
        "entity": score.entity_id,
    }
    if score.trace_id is not None and score.span_id is not None:
        attributes["span"] = span(score.trace_id, score.span_id)
    score_us = epoch_us(score.created_at)
    return {
        Entry(index, score.id, score_us)
        for attribute, value in attributes.items()
        for index in keys.scores_by(attribute, value, score.id)
    }


def span(trace_id: str, span_id: str) -> str:
    """Name a span within a trace; the length keeps the two ids apart."""
    return f"{len(trace_id)}:{trace_id}:{span_id}"


def relist(tx: Transaction, before: Collection[Entry], after: Collection[Entry]) -> None:
    """Enter a record where it belongs now, and only then remove it from where it did."""
    kept = {(entry.key, entry.member) for entry in after}
    for entry in after:
        tx.call("ZADD", entry.key, entry.score_us, entry.member)
    for entry in before:
        if (entry.key, entry.member) not in kept:
            tx.call("ZREM", entry.key, entry.member)


def _itself(_: Keys, key: str, __: object) -> str:
    return key


def _without_suffix(keys: Keys, _: str, run: WorkflowRun) -> str:
    return keys.run(RUN_NAMESPACE, run.workflow_name, run.run_id)


def _nowhere(_: Keys, __: str, ___: object) -> set[Entry]:
    return set()


THREADS = Kind("threads", codecs.decode_thread, of_thread, _itself, _nowhere)
RESOURCES = Kind("resources", codecs.decode_resource, of_resource, _itself, _nowhere)
RUNS = Kind("runs", codecs.decode_run, of_run, _without_suffix, of_hidden_run)
SCORES = Kind("scores", codecs.decode_score, of_score, _itself, _nowhere)


async def best_only(batch: Batch, kind: Kind, records: dict[str, Any]) -> dict[str, Any]:
    """Leave out records that are there under a better key too. One round trip at most."""
    best = {key: kind.best(batch.keys, key, record) for key, record in records.items()}
    rivals = await batch.get([best[key] for key in records if best[key] != key])
    return {
        key: record
        for key, record in records.items()
        if best[key] == key or rivals[best[key]] is None
    }


async def entries_of(
    batch: Batch, kind: Kind, records: dict[str, Any]
) -> dict[str, Collection[Entry]]:
    """Tell where records must be listed, by key. One round trip at most."""
    best = await best_only(batch, kind, records)
    return {
        key: (kind.entries if key in best else kind.hidden)(batch.keys, key, record)
        for key, record in records.items()
    }


async def settle(
    batch: Batch, kind: Kind, stored: Found, listed: Mapping[str, Collection[Entry]]
) -> None:
    """Let the indexes follow records that changed while they were written: one round trip or more.

    In the hash-tagged layout a record is written before its entries, so the entries of two writers
    may arrive in the other order than their records. Whoever finds another's record when its own
    entries are there enters what he finds. The plain layout has no such moment.

    Args:
        batch: The way to the server.
        kind: What kind of records.
        stored: The records as they were written, by key; ``None`` for one that was deleted.
        listed: The entries that were made for them.
    """
    if not batch.keys.hash_tags:
        return
    with CancelScope(shield=True):
        while stored:
            check = Transaction(batch)
            check.same(stored)
            stored = await check.commit()
            tx, before = Transaction(batch), listed
            listed = {key: _readable(batch.keys, kind, key, json) for key, json in stored.items()}
            for key, entries in listed.items():
                relist(tx, before[key], entries)
            await tx.commit()


def _readable(keys: Keys, kind: Kind, key: str, stored: bytes | None) -> Collection[Entry]:
    try:
        return () if stored is None else kind.entries(keys, key, kind.decode(key, stored))
    except CorruptRecordError:
        return ()
