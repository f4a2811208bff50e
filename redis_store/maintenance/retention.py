"""Retention: maximum ages of records, and removal of older ones."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import msgspec

from redis_store._connections.commands import decoded, encoded
from redis_store._engine import clock, codecs
from redis_store._engine.database import SCAN_CHUNK, Database
from redis_store._engine.indexes import (
    MESSAGES,
    RESOURCES,
    RUNS,
    SCORES,
    THREADS,
    Entry,
    Kind,
    relist,
)
from redis_store._engine.timestamps import epoch_us, to_us
from redis_store._engine.transaction import Transaction, transact
from redis_store.errors import ConfigurationError, CorruptRecordError
from redis_store.maintenance.integrations import Removal, registered
from redis_store.maintenance.report import Progress
from redis_store.memory.message_filter import Filter
from redis_store.memory.message_vectors import sweep
from redis_store.memory.thread_deletion import delete_thread
from redis_store.memory.thread_transaction import ThreadTransaction, transact_threads
from redis_store.memory.windows import Window
from redis_store.memory.windows import positions as positions_of
from redis_store.models import Message, Thread

# A record without a date reads as of 1970; as nobody knows its age, it stays.
_UNDATED_US = 0


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """The maximum age of each kind of record; ``None`` is for ever.

    Attributes:
        threads: Since a thread's last update; its messages go with it.
        messages: Since a message was created.
        resources: Since a resource's last update.
        snapshots: Since a workflow run's last update.
        scores: Since a score was created.
        integrations: Since the last update of what an integration stores as one, such as a session.

    Raises:
        ConfigurationError: An age is not positive.
    """

    threads: timedelta | None = None
    messages: timedelta | None = None
    resources: timedelta | None = None
    snapshots: timedelta | None = None
    scores: timedelta | None = None
    integrations: timedelta | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            age = getattr(self, name)
            if age is not None and (not isinstance(age, timedelta) or age <= timedelta(0)):
                raise ConfigurationError(
                    f"retention.{name} must be a positive timedelta",
                    code="CONFIGURATION_INVALID_RETENTION",
                    details={"argument": name},
                )


class Pruned(msgspec.Struct, frozen=True):
    """The removed records of one kind; ``done`` is false if ``max_batches`` left some."""

    kind: str
    deleted: int
    done: bool


class _Rule(NamedTuple):
    """A kind of record, with the sorted sets that list it by age."""

    name: str
    kind: Kind[Any]
    shards: Sequence[str]


class Pruning:
    """Removes records that are strictly older than a retention allows.

    A record is removed only if it has not changed since it was read, so records in use stay. A run
    may be interrupted; the next one removes the rest.
    """

    def __init__(self, db: Database, retention: Retention) -> None:
        self._db = db
        self._keys = db.keys
        self._retention = retention

    async def run(
        self, max_batches: int | None, progress: Callable[[Progress], object] | None
    ) -> list[Pruned]:
        """Prune every kind with a maximum age, in batches of 200, at most ``max_batches`` each."""
        results: list[Pruned] = []
        for name, removals in self._removals(await clock.now(self._db)).items():
            deleted, batches, done = 0, 0, True
            async for remove in removals:
                if batches == max_batches:
                    done = False
                    break
                deleted += await remove()
                batches += 1
                if progress is not None:
                    progress(Progress(name, deleted))
            results.append(Pruned(name, deleted, done))
        return results

    def _removals(self, now: datetime) -> dict[str, AsyncIterator[Removal]]:
        """Return the removals that are due, in batches, by kind with a maximum age."""
        keys = self._keys
        rules = (
            _Rule("threads", THREADS, keys.all_threads("updated_at")),
            _Rule("resources", RESOURCES, keys.all_resources()),
            _Rule("snapshots", RUNS, keys.runs_by("updated", "")),
            _Rule("scores", SCORES, keys.scores_by("all", "")),
        )
        due = {
            rule.name: self._due(rule, _limit(now, age))
            for rule in rules
            if (age := getattr(self._retention, rule.name)) is not None
        }
        if self._retention.messages is not None:
            due["messages"] = self._due_messages(_limit(now, self._retention.messages))
        if self._retention.integrations is not None:
            limit_us = _limit(now, self._retention.integrations)
            due |= {
                integration.name: integration.prune(self._db, limit_us)
                for integration in registered()
                if integration.prune is not None
            }
        return due

    async def _due(self, rule: _Rule, limit_us: int) -> AsyncIterator[Removal]:
        for shard in rule.shards:
            while members := await self._older(shard, limit_us):
                yield partial(self._remove, rule, shard, members, limit_us)

    async def _older(self, index: str, limit_us: int) -> list[str]:
        ranges = [
            ("-inf", f"({min(_UNDATED_US, limit_us)}"),
            (f"({_UNDATED_US}", f"({limit_us}"),
        ]
        replies = await self._db.send(
            [("ZRANGEBYSCORE", index, *each, "LIMIT", 0, SCAN_CHUNK) for each in ranges]
        )
        return [decoded(member) for reply in replies for member in reply]

    async def _remove(self, rule: _Rule, shard: str, members: list[str], limit_us: int) -> int:
        """Remove the records that are as old as their entries say; correct the other entries."""
        record_of = self._keys.records_of(rule.kind.name, members)
        key_of = {key: member for member, key in record_of.items()}
        found = await self._db.get(list(key_of))

        async def attempt(tx: Transaction) -> list[str]:
            # Records that changed meanwhile are in use: the next batch looks at them again.
            read = {key: stored for key, stored in found.items() if key not in tx.known}
            tx.expect(read)
            due: list[str] = []
            for key, stored in read.items():
                entries = rule.kind.entries_of_stored(self._keys, key, stored)
                # A record that does not belong in this shard counts as young: only its entry goes.
                dated_us = next((e.score_us for e in entries if e.key == shard), limit_us)
                if dated_us >= limit_us or dated_us == _UNDATED_US:
                    relist(tx, [Entry(shard, key_of[key], 0)], entries)
                    continue
                due.append(key)
                # Threads are deleted afterwards, each with its messages.
                if rule.kind is not THREADS:
                    relist(tx, entries, ())
                    tx.delete([key])
            return due

        due = await transact(self._db, attempt)
        if rule.kind is not THREADS:
            return len(due)
        removed = await self._remove_threads([key_of[key] for key in due], limit_us)
        await self._sweep(THREADS.read_all({key: found[key] for key in due}).values())
        return removed

    async def _sweep(self, records: Iterable[Thread | Message]) -> None:
        """Remove the vectors of what was removed."""
        await sweep(self._db, {record.resource_id for record in records})

    async def _remove_threads(self, thread_ids: Sequence[str], limit_us: int) -> int:
        def is_due(thread: Thread | None) -> bool:
            return thread is not None and _is_before(thread.updated_at, limit_us)

        removed = [await delete_thread(self._db, id_, is_due) for id_ in thread_ids]
        return sum(removed)

    async def _due_messages(self, limit_us: int) -> AsyncIterator[Removal]:
        old = Filter(to_us=limit_us - 1)
        for shard in self._keys.all_threads("created_at"):
            async for thread_ids in self._threads(shard):
                # By thread, how many messages stay although their scores say that they are old: the
                # next window skips them.
                kept = Counter(dict.fromkeys(thread_ids, 0))
                while kept:
                    windows = [
                        Window(
                            thread_id=id_, direction="asc", filter=old, skip=skip, take=SCAN_CHUNK
                        )
                        for id_, skip in kept.items()
                    ]
                    due = {
                        window.thread_id: [position.id for position in positions]
                        for window, (_, positions) in zip(
                            windows, await positions_of(self._db, windows), strict=True
                        )
                        if positions
                    }
                    kept = Counter({id_: kept[id_] for id_ in due})
                    for id_, ids in due.items():
                        yield partial(self._remove_messages, id_, ids, limit_us, kept)

    async def _threads(self, shard: str) -> AsyncIterator[list[str]]:
        cursor = b"0"
        while True:
            cursor, flat = await self._db.command("ZSCAN", shard, cursor, "COUNT", SCAN_CHUNK)
            yield [decoded(member) for member in flat[::2]]
            if cursor == b"0":
                return

    async def _remove_messages(
        self, thread_id: str, ids: list[str], limit_us: int, kept: Counter[str]
    ) -> int:
        """Remove messages that are still old; this does not count as use of the thread.

        Timeline entries without a message are removed too.
        """
        key_of = {id_: self._keys.message(thread_id, id_) for id_ in ids}
        pointer_of = {id_: self._keys.message_pointer(id_) for id_ in ids}
        found = await self._db.get([*key_of.values(), *pointer_of.values()])
        due = [id_ for id_ in ids if self._is_old(key_of[id_], found[key_of[id_]], limit_us)]
        kept[thread_id] += len(ids) - len(due)

        async def attempt(tx: ThreadTransaction) -> ThreadTransaction:
            still = [i for i in due if tx.known.keys().isdisjoint((key_of[i], pointer_of[i]))]
            tx.expect({key_of[id_]: found[key_of[id_]] for id_ in still})
            tx.drop(thread_id, still)
            here = [id_ for id_ in still if found[pointer_of[id_]] == encoded(thread_id)]
            tx.forget(dict.fromkeys(here, thread_id))
            return tx

        dropped = (await transact_threads(self._db, attempt)).dropped
        bodies = {key_of[id_]: found[key_of[id_]] for id_ in due}
        await self._sweep(MESSAGES.read_all(bodies).values())
        return dropped

    def _is_old(self, key: str, stored: bytes | None, limit_us: int) -> bool:
        try:
            return stored is None or _is_before(
                codecs.decode_message(key, stored).created_at, limit_us
            )
        except CorruptRecordError:
            return False


def _limit(now: datetime, age: timedelta) -> int:
    # In µs, not as a datetime: an age may reach back beyond the year 1.
    return epoch_us(now) - to_us(age)


def _is_before(moment: datetime, limit_us: int) -> bool:
    us = epoch_us(moment)
    return us < limit_us and us != _UNDATED_US
