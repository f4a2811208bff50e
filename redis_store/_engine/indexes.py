"""Indexes: which sorted sets list a record, under which member, with which score.

They are written with every record and trusted by no reader: truth is the record.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from redis_store._connections.commands import Command
from redis_store._engine import codecs
from redis_store._engine.database import Database, Values
from redis_store._engine.keys import RUN_NAMESPACE, Keys
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction
from redis_store.errors import CorruptRecordError
from redis_store.models import Resource, Score, Thread, WorkflowRun
from redis_store.pages import ThreadOrder

R = TypeVar("R")

SORT_FIELDS: tuple[ThreadOrder, ...] = ("created_at", "updated_at")


class Entry(NamedTuple):
    """A record's entry in one sorted set."""

    key: str
    member: str
    score_us: int


class Kind(NamedTuple, Generic[R]):
    """A kind of record that is listed: how it is read, and where it must be found.

    Attributes:
        name: The kind, in the plural.
        decode: Reads the record stored at a key, or raises CorruptRecordError.
        entries: All its entries, given its key.
        preferred_key: A run with a resource suffix is shadowed by one stored without; this is that
            one's key. For other records it is their own.
        entries_if_shadowed: The entries that a shadowed record keeps.
        settles: Whether writers look again whether their entries are those of the record that is
            there, where records and entries are in different slots.
    """

    name: str
    decode: Callable[[str, bytes], R]
    entries: Callable[[Keys, str, R], set[Entry]]
    preferred_key: Callable[[Keys, str, R], str]
    entries_if_shadowed: Callable[[Keys, str, R], set[Entry]]
    settles: bool = True

    def read(self, key: str, stored: bytes | None) -> R | None:
        """Decode a record; ``None`` if it is missing or corrupt.

        For records about to be replaced, deleted or listed: corruption must block none of that.
        """
        try:
            return None if stored is None else self.decode(key, stored)
        except CorruptRecordError:
            return None

    def read_all(
        self, found: Values, on_corrupt: Callable[[CorruptRecordError], None] | None = None
    ) -> dict[str, R]:
        """Decode the records that are there and not corrupt.

        Args:
            found: Stored values by key.
            on_corrupt: Called for each record that is corrupt.
        """
        records: dict[str, R] = {}
        for key, stored in found.items():
            try:
                if stored is not None:
                    records[key] = self.decode(key, stored)
            except CorruptRecordError as error:
                if on_corrupt is not None:
                    on_corrupt(error)
        return records

    def reindex(self, tx: Transaction, key: str, *, before: R | None, after: R | None) -> None:
        """Move a record's index entries with it; call this when ``tx`` has the record's write.

        Args:
            tx: Writes or deletes the record.
            key: Where the record is stored.
            before: The record that is there; ``None`` if it is new or corrupt.
            after: The record as ``tx`` stores it; ``None`` if ``tx`` deletes it.
        """
        new = self._entries(tx.keys, key, after)
        relist(tx, self._entries(tx.keys, key, before), new)
        if self.settles:
            tx.reconcile(partial(settle, tx.db, self, {key: tx.value_after(key)}, {key: new}))

    def entries_of_stored(self, keys: Keys, key: str, stored: bytes | None) -> set[Entry]:
        """All entries of a stored record; none if it is missing or corrupt."""
        return self._entries(keys, key, self.read(key, stored))

    def _entries(self, keys: Keys, key: str, record: R | None) -> set[Entry]:
        return set() if record is None else self.entries(keys, key, record)


def _of_thread(keys: Keys, _: str, thread: Thread) -> set[Entry]:
    """A thread is listed under its owner and among all, by both dates."""
    scores = [epoch_us(getattr(thread, field)) for field in SORT_FIELDS]
    indexes = [keys.thread_indexes(thread.id, thread.resource_id, field) for field in SORT_FIELDS]
    return {
        Entry(index, thread.id, score_us)
        for score_us, listing in zip(scores, indexes, strict=True)
        for index in listing
    }


def _of_resource(keys: Keys, _: str, resource: Resource) -> set[Entry]:
    """A resource is listed by its last update, for the sake of retention."""
    score_us = epoch_us(resource.updated_at)
    return {Entry(keys.resources_shard(resource.id), resource.id, score_us)}


def _of_run(keys: Keys, key: str, run: WorkflowRun) -> set[Entry]:
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
    return entries | _of_shadowed_run(keys, key, run)


def _of_shadowed_run(keys: Keys, key: str, run: WorkflowRun) -> set[Entry]:
    """A run under a key with a resource suffix stays findable by its run id."""
    if key == _without_suffix(keys, key, run):
        return set()
    (index,) = keys.runs_by("suffixed", run.run_id)
    return {Entry(index, keys.member(key), epoch_us(run.created_at))}


def _of_score(keys: Keys, _: str, score: Score) -> set[Entry]:
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


def _own_key(_: Keys, key: str, __: object) -> str:
    return key


def _without_suffix(keys: Keys, _: str, run: WorkflowRun) -> str:
    return keys.run(RUN_NAMESPACE, run.workflow_name, run.run_id)


def _none(_: Keys, __: str, ___: object) -> set[Entry]:
    return set()


THREADS = Kind("threads", codecs.decode_thread, _of_thread, _own_key, _none)
# Retention alone uses the index of resources, and judges each record when it removes it: an entry
# that two writers left with the older date costs a look, so no call pays a round trip for it.
RESOURCES = Kind("resources", codecs.decode_resource, _of_resource, _own_key, _none, settles=False)
RUNS = Kind("runs", codecs.decode_run, _of_run, _without_suffix, _of_shadowed_run)
SCORES = Kind("scores", codecs.decode_score, _of_score, _own_key, _none)


async def without_shadowed(db: Database, kind: Kind[R], records: Mapping[str, R]) -> dict[str, R]:
    """Leave out records whose preferred key is stored too. One round trip at most."""
    preferred = {key: kind.preferred_key(db.keys, key, record) for key, record in records.items()}
    rivals = await db.get([preferred[key] for key in records if preferred[key] != key])
    return {
        key: record
        for key, record in records.items()
        if preferred[key] == key or rivals[preferred[key]] is None
    }


async def entries_of(
    db: Database, kind: Kind[R], records: Mapping[str, R]
) -> dict[str, Collection[Entry]]:
    """Tell where records must be listed, by key. One round trip at most."""
    preferred = await without_shadowed(db, kind, records)
    return {
        key: (kind.entries if key in preferred else kind.entries_if_shadowed)(db.keys, key, record)
        for key, record in records.items()
    }


def relist(tx: Transaction, before: Collection[Entry], after: Collection[Entry]) -> None:
    """Enter a record where it belongs now, and only then remove it from where it did."""
    kept = {(entry.key, entry.member) for entry in after}
    entering: list[Command] = [("ZADD", e.key, e.score_us, e.member) for e in after]
    leaving = [("ZREM", e.key, e.member) for e in before if (e.key, e.member) not in kept]
    tx.run([*entering, *leaving])


async def settle(
    db: Database, kind: Kind[R], stored: Values, listed: Mapping[str, Collection[Entry]]
) -> None:
    """Let the indexes follow records that changed while they were written: one round trip or more.

    In the hash-tagged layout a record is written before its entries, so the entries of two writers
    may arrive in the other order than their records. Whoever finds another's record when its own
    entries are there enters what it finds; so the last one to look leaves the right entries.

    Args:
        db: The way to the server.
        kind: The kind of the records.
        stored: The records as they were written, by key; ``None`` for one that was deleted.
        listed: The entries that were made for them.
    """
    while True:
        tx = Transaction(db)
        tx.expect(stored)
        stored = await tx.check()
        if not stored:
            return
        tx, before = Transaction(db), listed
        listed = {
            key: ()
            if (record := kind.read(key, json)) is None
            else kind.entries(db.keys, key, record)
            for key, json in stored.items()
        }
        for key, entries in listed.items():
            relist(tx, before[key], entries)
        await tx.commit()
