"""ThreadTransaction: a transaction with writes for threads, their messages and lifetimes.

In the plain layout a message's pointer (id → thread) and its thread change in one step. In the
hash-tagged layout they are in different slots; there ``IdClaims`` decide which thread holds an id.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TypeVar

from redis_store._connections.commands import Reply, decoded, encoded
from redis_store._engine import codecs, steps
from redis_store._engine.commit import Commit
from redis_store._engine.database import Database, Values
from redis_store._engine.indexes import THREADS, settle
from redis_store._engine.keys import ThreadKeys
from redis_store._engine.sharded_commit import ShardedCommit
from redis_store._engine.slot_script import SlotScript, Take
from redis_store._engine.steps import Body
from redis_store._engine.timestamps import from_epoch_us
from redis_store._engine.transaction import Transaction, transact_in
from redis_store.memory import lifetime
from redis_store.models import Thread

T = TypeVar("T")

_created_us = attrgetter("created_us")


class ThreadTransaction(Transaction):
    """Writes to threads, in the plain layout."""

    def __init__(
        self, db: Database, known: Values | None = None, commit: Commit | None = None
    ) -> None:
        super().__init__(db, known, commit)
        self._threads: dict[str, tuple[SlotScript, ThreadKeys]] = {}
        self._written: dict[str, list[str]] = {}
        self._dropping = 0
        self._missing = 0

    @property
    def dropped(self) -> int:
        """How many messages the applied transaction removed."""
        return self._dropping - self._missing

    def expect_location(self, thread_of: Mapping[str, str]) -> None:
        """Refuse unless each message is still in its thread."""
        self.expect({self.keys.message_pointer(m): encoded(t) for m, t in thread_of.items()})

    def claim(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Refuse unless the messages are new or in this thread; point them at it."""
        if message_ids:
            pointers = [self.keys.message_pointer(id_) for id_ in message_ids]
            # The two steps pair up: the n-th `claim` writes the pointers of the n-th `unclaimed`.
            # So both must be added together, and to the same script.
            script = self._script(pointers[0])
            script.conditions.append(steps.unclaimed(pointers, thread_id))
            script.write(steps.claim())

    def touch(self, thread_id: str, owner: str | None, now_us: int) -> None:
        """Move ``updated_at`` strictly ahead, at least to now; refuse if the owner is another.

        Args:
            thread_id: The thread.
            owner: Its resource id; ``None`` for a thread that must not exist.
            now_us: The time in µs.
        """
        script, (record, *_) = self._thread(thread_id)
        if owner is None:
            script.expect(record, None)
        else:
            # The owner's index is written too, so the owner is a condition.
            script.conditions.append(steps.expect_owner(record, owner))
            self._touch(thread_id, owner, now_us)

    def touch_or_create(self, thread_id: str, owner: str, created_us: int, now_us: int) -> None:
        """Move ``updated_at`` strictly ahead, of a new thread if there is none.

        Args:
            thread_id: The thread.
            owner: Its resource id; refuse if the thread exists and has another.
            created_us: The ``created_at`` of a new thread in µs; at most now is stored.
            now_us: The time in µs.
        """
        moment = from_epoch_us(min(created_us, now_us))
        thread = Thread(id=thread_id, resource_id=owner, created_at=moment, updated_at=moment)
        script, (record, *_) = self._thread(thread_id)
        script.conditions.append(steps.expect_no_other_owner(record, owner))
        self._create(thread)
        self._touch(thread_id, owner, now_us)

    def _create(self, thread: Thread) -> None:
        script, (record, *_) = self._thread(thread.id)
        scores = {e.key: e.score_us for e in THREADS.entries(self.keys, record, thread)}
        script.guard(zsets=[*scores])
        json = codecs.encode_thread(thread)
        script.write(steps.create_thread(record, json, scores, thread.id))

    def _touch(self, thread_id: str, owner: str, now_us: int) -> None:
        script, (record, *_) = self._thread(thread_id)
        indexes = self.keys.thread_indexes(thread_id, owner, "updated_at")
        script.guard(zsets=indexes)
        script.write(steps.touch(record, indexes, now_us, thread_id))
        self.extend(thread_id)

    def put(self, thread_id: str, bodies: Sequence[Body]) -> None:
        """Store messages in a thread by date, and list the thread for their resources."""
        script, (_, timeline, counts, prefix) = self._thread(thread_id)
        ids = [body.id for body in bodies]
        # Sorted by date, so the newest message of each resource is the one that stays.
        newest = {body.resource_id: body.created_us for body in sorted(bodies, key=_created_us)}
        self._declare_messages(thread_id, ids)
        for resource_id, us in newest.items():
            index = self.keys.threads_with_messages_of(resource_id)
            # Advisory: if the commit is refused, readers find no message behind the entry.
            self.advise("ZADD", index, "GT", us, thread_id)
        script.guard(zsets=[timeline], hashes=[counts])
        script.write(steps.put_messages(timeline, counts, prefix, bodies))
        self.extend(thread_id, ids)

    def drop(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove messages from a thread; ``dropped`` counts those that existed."""

        # Counts what was missing, not what existed: if a reply is lost and the commit turns out to
        # be applied, no count arrives, and all messages are taken to have existed.
        def count(existed: int) -> None:
            self._missing += len(message_ids) - existed

        script, (_, timeline, counts, prefix) = self._thread(thread_id)
        self._dropping += len(message_ids)
        self._declare_messages(thread_id, message_ids)
        script.guard(zsets=[timeline], hashes=[counts])
        script.write(steps.drop_messages(timeline, counts, prefix, message_ids), count)

    def drop_all(self, thread_id: str) -> Sequence[str]:
        """Remove a thread's messages and their pointers.

        Returns:
            A list that will have the messages whose pointers are forgotten in a later step.
        """
        self._drop_all(thread_id, self.keys.message_pointer(""), None)
        return ()

    def _drop_all(self, thread_id: str, pointer_prefix: str, take: Take | None) -> None:
        script, (_, timeline, counts, prefix) = self._thread(thread_id)
        script.guard(zsets=[timeline], hashes=[counts])
        step = steps.drop_all_messages(timeline, counts, prefix, pointer_prefix, thread_id)
        script.write(step, take)

    def set_resource(self, thread_id: str, resource_id: str) -> None:
        """Give all messages of a thread to a resource."""
        script, (_, timeline, counts, prefix) = self._thread(thread_id)
        script.guard(zsets=[timeline], hashes=[counts])
        script.write(steps.set_resource(timeline, counts, prefix, resource_id))

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Take messages out of their threads and point them at others.

        Refuse unless they are still where they were.
        """
        self.expect_location(was_in)
        for id_, thread_id in was_in.items():
            self.set(self.keys.message_pointer(id_), target[id_])
            self.drop(thread_id, [id_])

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Remove the pointers of messages; refuse unless they are still in these threads."""
        pointers = {self.keys.message_pointer(m): encoded(t) for m, t in thread_of.items()}
        self.expect(pointers)
        self.delete(pointers)

    def extend(self, thread_id: str, written: Iterable[str] = ()) -> None:
        """Extend the lifetime of a thread and its new messages; no-op without ``thread_ttl``."""
        if self.db.thread_ttl is not None:
            self._written.setdefault(thread_id, []).extend(written)

    def _finish(self) -> None:
        """Add the steps that set lifetimes, last: they must cover every key that is written."""
        for thread_id, ids in self._written.items():
            script, where = self._thread(thread_id)
            script.extend_lifetime(lifetime.extend(self.db, where, ids), self._extend_pointers)

    def _thread(self, thread_id: str) -> tuple[SlotScript, ThreadKeys]:
        """Return the script of a thread's slot, and the thread's keys."""
        thread = self._threads.get(thread_id)
        if thread is None:
            where = self.keys.of_thread(thread_id)
            thread = self._threads[thread_id] = self._script(where.record), where
        return thread

    def _declare_messages(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Declare the keys that the script builds itself; only a cluster needs to know them."""

    def _extend_pointers(self, kept: Sequence[Reply]) -> None:
        """Receive the messages whose lifetime was extended; the same step did their pointers."""


class ShardedThreadTransaction(ThreadTransaction):
    """Writes to threads, in the hash-tagged layout."""

    def __init__(self, db: Database, known: Values | None = None) -> None:
        # The commit knows ids only; how a message is removed from its thread is handed in.
        self._sharded = ShardedCommit(db)
        self._sharded.evict = self._evict
        super().__init__(db, known, self._sharded)

    @property
    def has_writes(self) -> bool:
        """Whether there is more to do than to check."""
        return self._sharded.has_claims or super().has_writes

    def expect_location(self, thread_of: Mapping[str, str]) -> None:
        """Do nothing: no script sees both a pointer and the thread, so the claims check this."""

    def claim(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Refuse unless the messages are new or in this thread; point them at it."""
        if message_ids:
            self._sharded.claims.add(thread_id, message_ids)

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Point messages at other threads; phase 4 evicts them from those they were in."""
        if was_in:
            self._sharded.claims.move(was_in, target)

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Remove the pointers of messages, unless they name other threads by now."""
        if thread_of:
            self._sharded.claims.forget(thread_of)

    def drop_all(self, thread_id: str) -> Sequence[str]:
        """Remove a thread's messages, then their pointers: see ``ThreadTransaction``."""
        script, (_, timeline, _, prefix) = self._thread(thread_id)
        script.conditions.append(steps.declare_messages(timeline, prefix))
        forgotten: list[str] = []

        def forget(ids: Sequence[bytes]) -> None:
            forgotten.extend(decoded(id_) for id_ in ids)
            self._sharded.claims.forget_all(thread_id, forgotten)

        # If the reply is lost, the pointers stay, and lead nowhere.
        self._drop_all(thread_id, "", forget)
        return forgotten

    def touch_whoever_owns(self, thread_id: str, now_us: int) -> None:
        """Move ``updated_at`` ahead if the thread exists, whoever owns it."""
        self._touch(thread_id, None, now_us)

    def _create(self, thread: Thread) -> None:
        script, (record, *_) = self._thread(thread.id)
        entries = THREADS.entries(self.keys, record, thread)
        added: list[Reply] = []
        for entry in entries:
            # NX: if the thread exists, it is listed, and by its own dates. Before the advice of
            # `_touch`, which raises only what is listed.
            self._sharded.ask(("ZADD", entry.key, "NX", entry.score_us, entry.member), added.append)

        def correct(made: Reply) -> None:
            """Settle the entries if they are others' of a new thread, or ours of another one."""
            if any(reply != made for reply in added):
                listed = {record: entries}
                self.reconcile(partial(settle, self.db, THREADS, {record: None}, listed))

        json = codecs.encode_thread(thread)
        script.write(steps.create_thread(record, json, {}, thread.id), correct)

    def _touch(self, thread_id: str, owner: str | None, now_us: int) -> None:
        script, (record, *_) = self._thread(thread_id)
        raised: list[Reply] = []
        listed = [] if owner is None else self.keys.thread_indexes(thread_id, owner, "updated_at")
        for index in listed:
            # XX: by the time this arrives, the thread may be listed under another owner, and must
            # not be listed here again. CH: the reply tells whether the entry was raised.
            advice = ("ZADD", index, "XX", "GT", "CH", now_us, thread_id)
            self._sharded.ask(advice, raised.append)

        def correct(touched: Sequence[Reply]) -> None:
            """List the thread with the date that the script set, under the owner that it found."""
            # Nothing to correct if the script set `now_us` and every index took it. XX for an owner
            # that was no condition: the thread may be deleted or handed over since. A record that
            # names no owner is corrupt, and listed nowhere.
            is_owned = len(touched) > 1
            if is_owned and (owner is None or int(touched[0]) > now_us or not all(raised)):
                only_listed = ("XX", "GT") if owner is None else ("GT",)
                for index in self.keys.thread_indexes(thread_id, decoded(touched[1]), "updated_at"):
                    self._sharded.publish(("ZADD", index, *only_listed, touched[0], thread_id))

        script.write(steps.touch(record, (), now_us, thread_id), correct)
        self.extend(thread_id)

    def _declare_messages(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Pass the messages' keys as KEYS.

        While their slot migrates, the node then answers TRYAGAIN instead of running the script on
        half a thread.
        """
        script, (*_, prefix) = self._thread(thread_id)
        script.conditions.append(steps.declare_keys([prefix + id_ for id_ in message_ids]))

    def _extend_pointers(self, kept: Sequence[Reply]) -> None:
        """Extend the pointers of the messages, which are in other slots."""
        for command in lifetime.of_pointers(self.db, kept):
            self._sharded.publish(command)

    async def _evict(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove the messages of a thread whose pointers name other threads."""
        pointer_of = {id_: self.keys.message_pointer(id_) for id_ in message_ids}

        async def attempt(tx: ThreadTransaction) -> None:
            # Before the pointers: whoever claims an id for this thread then changes the record, so
            # that the commit is refused instead of removing a message that has come back.
            await tx.read(self.keys.thread(thread_id))
            holders = await self.db.get(list(pointer_of.values()))
            copies = [id_ for id_, p in pointer_of.items() if holders[p] != encoded(thread_id)]
            if copies:
                tx.drop(thread_id, copies)

        await transact_threads(self.db, attempt)


def begin(db: Database, known: Values | None = None) -> ThreadTransaction:
    """Begin a transaction of the database's layout."""
    return (ShardedThreadTransaction if db.keys.hash_tags else ThreadTransaction)(db, known)


def transact_threads(
    db: Database,
    attempt: Callable[[ThreadTransaction], Awaitable[T]],
    *,
    repeatable: bool = True,
    known: Values | None = None,
) -> Awaitable[T]:
    """Make attempts until one is applied: see ``transact_in``."""
    return transact_in(partial(begin, db), attempt, repeatable=repeatable, known=known)
