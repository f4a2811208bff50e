"""The secondary indexes: which sorted sets list a record, under which name, with which score.

They are written with every record and trusted by no reader: truth is the record.
"""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from redis_store import codecs
from redis_store.batch import Batch
from redis_store.keys import RUN_NAMESPACE, Keys
from redis_store.models import Resource, Score, Thread, WorkflowRun
from redis_store.pages import ThreadOrder, epoch_us
from redis_store.transaction import Transaction

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
    """

    name: str
    decode: Callable[[str, bytes], Any]
    entries: Callable[[Keys, str, Any], set[Entry]]
    best: Callable[[Keys, str, Any], str]


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
    return entries | {Entry(updated, member, epoch_us(run.updated_at))}


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
    """Enter a record where it belongs now, and remove it from where it did."""
    kept = {(entry.key, entry.member) for entry in after}
    for entry in before:
        if (entry.key, entry.member) not in kept:
            tx.call("ZREM", entry.key, entry.member)
    for entry in after:
        tx.call("ZADD", entry.key, entry.score_us, entry.member)


def _itself(_: Keys, key: str, __: object) -> str:
    return key


def _without_suffix(keys: Keys, _: str, run: WorkflowRun) -> str:
    return keys.run(RUN_NAMESPACE, run.workflow_name, run.run_id)


THREADS = Kind("threads", codecs.decode_thread, of_thread, _itself)
RESOURCES = Kind("resources", codecs.decode_resource, of_resource, _itself)
RUNS = Kind("runs", codecs.decode_run, of_run, _without_suffix)
SCORES = Kind("scores", codecs.decode_score, of_score, _itself)


async def best_only(batch: Batch, kind: Kind, records: dict[str, Any]) -> dict[str, Any]:
    """Leave out records that are there under a better key too. One round trip at most."""
    best = {key: kind.best(batch.keys, key, record) for key, record in records.items()}
    rivals = await batch.get([best[key] for key in records if best[key] != key])
    return {key: record for key, record in records.items() if rivals.get(best[key]) is None}
