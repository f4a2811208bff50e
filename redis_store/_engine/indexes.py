"""Indexes: which sorted sets list a record, under which member, with which score.

Every write of a record updates them. No reader trusts them: the record decides.

Tests: ``tests/contract/test_workflow_indexes.py``, ``tests/contract/test_score_races.py``,
``tests/contract/test_stale_thread_entries.py``, ``tests/engine/test_sharded_commit.py``.
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
from redis_store.json_values import is_encodable
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
    """A kind of indexed record: how it is decoded, and which entries it has.

    Attributes:
        name: The kind, in the plural.
        decode: Decodes the record stored at a key, or raises CorruptRecordError.
        entries: All entries of the record stored at a key.
        preferred_key: A run with a resource suffix is shadowed by one stored without; this is that
            one's key. Of any other record it is its own.
        entries_if_shadowed: The entries that a shadowed record keeps.
        settles: Whether writers check afterwards that their entries match the stored record, where
            records and entries are in different slots.
    """

    name: str
    decode: Callable[[str, bytes], R]
    entries: Callable[[Keys, str, R], set[Entry]]
    preferred_key: Callable[[Keys, str, R], str]
    entries_if_shadowed: Callable[[Keys, str, R], set[Entry]]
    settles: bool = True

    def read(self, key: str, stored: bytes | None) -> R | None:
        """Decode a record; ``None`` if it is missing or corrupt.

        For records that are being replaced, deleted or indexed: corruption must not block that.
        """
        try:
            return None if stored is None else self.decode(key, stored)
        except CorruptRecordError:
            return None

    def read_all(
        self, found: Values, on_corrupt: Callable[[CorruptRecordError], None] | None = None
    ) -> dict[str, R]:
        """Decode the records that exist and are not corrupt.

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
        """Update a record's index entries; call this once ``tx`` has the write of the record.

        Args:
            tx: Writes or deletes the record.
            key: Where the record is stored.
            before: The stored record; ``None`` if there is none, or it is corrupt.
            after: The record that ``tx`` stores; ``None`` if ``tx`` deletes it.
        """
        new = self._entries(tx.keys, key, after)
        relist(tx, self._entries(tx.keys, key, before), new)
        if self.settles:
            # Part of the commit, which ends although its caller is cancelled: settled after it,
            # the index of a written record could stay wrong.
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
    """A resource is listed by its last update, for retention."""
    score_us = epoch_us(resource.updated_at)
    return {Entry(keys.resources_shard(resource.id), resource.id, score_us)}


def _of_run(keys: Keys, key: str, run: WorkflowRun) -> set[Entry]:
    """A run is listed by each attribute that filters runs, and by its last update.

    A status with half a surrogate pair cannot be a filter.
    """
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
        if value is not None and is_encodable(value)
        for index in keys.runs_by(attribute, value, member)
    }
    (updated,) = keys.runs_by("updated", "", member)
    entries.add(Entry(updated, member, epoch_us(run.updated_at)))
    return entries | _of_shadowed_run(keys, key, run)


def _of_shadowed_run(keys: Keys, key: str, run: WorkflowRun) -> set[Entry]:
    """A run whose key has a resource suffix is always listed by its run id."""
    if key == _without_suffix(keys, key, run):
        return set()
    (index,) = keys.runs_by("suffixed", run.run_id)
    return {Entry(index, keys.member(key), epoch_us(run.created_at))}


def _of_score(keys: Keys, _: str, score: Score) -> set[Entry]:
    """A score is listed by each attribute that filters scores."""
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
    """Name a span within a trace; the length makes the pair of ids unambiguous."""
    return f"{len(trace_id)}:{trace_id}:{span_id}"


def _own_key(_: Keys, key: str, __: object) -> str:
    return key


def _without_suffix(keys: Keys, _: str, run: WorkflowRun) -> str:
    return keys.run(RUN_NAMESPACE, run.workflow_name, run.run_id)


def _none(_: Keys, __: str, ___: object) -> set[Entry]:
    return set()


THREADS = Kind("threads", codecs.decode_thread, _of_thread, _own_key, _none)
# Only retention uses the index of resources, and it checks each record before it deletes it. An
# entry that two writers left with the older date costs it one read, so no call pays a round trip
# to settle.
RESOURCES = Kind("resources", codecs.decode_resource, _of_resource, _own_key, _none, settles=False)
RUNS = Kind("runs", codecs.decode_run, _of_run, _without_suffix, _of_shadowed_run)
SCORES = Kind("scores", codecs.decode_score, _of_score, _own_key, _none)
# Those that no index of this module lists: runs of other namespaces; and messages, which are in the
# timelines of their threads.
UNLISTED_RUNS = Kind("unlisted runs", codecs.decode_run, _none, _own_key, _none)
MESSAGES = Kind("messages", codecs.decode_message, _none, _own_key, _none)


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
    """Return the entries that records must have, by key. One round trip at most."""
    preferred = await without_shadowed(db, kind, records)
    return {
        key: (kind.entries if key in preferred else kind.entries_if_shadowed)(db.keys, key, record)
        for key, record in records.items()
    }


def relist(tx: Transaction, before: Collection[Entry], after: Collection[Entry]) -> None:
    """Add the entries of a record's new version, then remove those that only its old one had."""
    # By set and member: an entry whose score alone changes is overwritten, and must not be removed.
    kept = {(entry.key, entry.member) for entry in after}
    entering: list[Command] = [("ZADD", e.key, e.score_us, e.member) for e in after]
    leaving = [("ZREM", e.key, e.member) for e in before if (e.key, e.member) not in kept]
    # In this order: if the server is out of memory, ZADD fails before an entry is removed.
    tx.run([*entering, *leaving])


async def settle(
    db: Database, kind: Kind[R], stored: Values, listed: Mapping[str, Collection[Entry]]
) -> None:
    """Correct the entries of records that others changed meanwhile: one round trip or more.

    In the hash-tagged layout a record is written before its entries, so two writers' entries may
    arrive in the opposite order of their records. A writer that finds another one's record after
    adding its own entries replaces them by those of the record it finds. So the last writer to
    look leaves the right entries.

    Args:
        db: The database.
        kind: The kind of the records.
        stored: The records as they were written, by key; ``None`` for a deleted one.
        listed: The entries that were added for them.
    """
    while True:
        # Look after writing entries, never before: a change in between would go unseen. A
        # correction writes entries as well, so it is followed by another look.
        tx = Transaction(db)
        tx.expect(stored)
        stored = await tx.check()
        if not stored:
            return
        # Only the records that changed are left. Another writer may have added their entries
        # already; adding them twice does no harm.
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
