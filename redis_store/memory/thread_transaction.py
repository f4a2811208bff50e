"""ThreadTransaction: a transaction that knows threads, their messages and their lifetimes.

In the plain layout a message's pointer (id → thread) and the thread change in one step. In the
hash-tagged layout they lie in different slots: there ``IdClaims`` decide who holds an id.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from operator import attrgetter
from typing import TypeVar

from redis_store._connections.commands import Reply
from redis_store._engine import steps
from redis_store._engine.commit import Commit
from redis_store._engine.database import Database, Values
from redis_store._engine.sharded_commit import ShardedCommit
from redis_store._engine.slot_script import SlotScript
from redis_store._engine.steps import Body
from redis_store._engine.transaction import Transaction, transact_in
from redis_store.memory import lifetime

T = TypeVar("T")

_created_us = attrgetter("created_us")


class ThreadTransaction(Transaction):
    """Writes to threads, in the plain layout."""

    def __init__(
        self, db: Database, known: Values | None = None, commit: Commit | None = None
    ) -> None:
        super().__init__(db, known, commit)
        self._written: defaultdict[str, list[str]] = defaultdict(list)
        self._dropping = 0
        self._missing = 0

    @property
    def dropped(self) -> int:
        """How many messages the applied transaction removed."""
        return self._dropping - self._missing

    def expect_owner(self, thread_id: str, resource_id: str | None) -> None:
        """Refuse unless the resource owns the thread; ``None``: unless there is no such thread."""
        record = self.keys.thread(thread_id)
        if resource_id is None:
            self.expect({record: None})
        else:
            self._commit.slot(record).conditions.append(steps.expect_owner(record, resource_id))

    def expect_location(self, thread_of: Mapping[str, str]) -> None:
        """Refuse unless each message is still in its thread."""
        self.expect({self.keys.message_pointer(m): t.encode() for m, t in thread_of.items()})

    def claim(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Refuse unless the messages are new or in this thread; point them at it."""
        if message_ids:
            pointers = [self.keys.message_pointer(id_) for id_ in message_ids]
            script = self._commit.slot(pointers[0])
            script.conditions.append(steps.unclaimed(pointers, thread_id))
            script.write(steps.claim())

    def touch(self, thread_id: str, owner: str | None, now_us: int) -> None:
        """Move ``updated_at`` strictly ahead, to now at least, if the owner is as known.

        Args:
            thread_id: The thread.
            owner: Its resource id; ``None`` if the thread is known to be gone.
            now_us: Now.
        """
        self.expect_owner(thread_id, owner)
        if owner is not None:
            record = self.keys.thread(thread_id)
            indexes = self.keys.thread_indexes(thread_id, owner, "updated_at")
            script = self._commit.slot(record)
            script.guard(zsets=indexes)
            script.write(steps.touch(record, indexes, now_us, thread_id))
            self.extend(thread_id)

    def put(self, thread_id: str, bodies: Sequence[Body]) -> None:
        """Store messages in a thread, each at its place, and list the thread as holding them."""
        ids = [body.id for body in bodies]
        self._declare_messages(thread_id, ids)
        script, where = self._messages_of(thread_id)
        script.write(steps.put_messages(*where, bodies))
        newest = {body.resource_id: body.created_us for body in sorted(bodies, key=_created_us)}
        for resource_id, us in newest.items():
            index = self.keys.threads_with_messages_of(resource_id)
            self.advise("ZADD", index, "GT", us, thread_id)
        self.extend(thread_id, ids)

    def drop(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove messages from a thread; ``dropped`` counts those that existed."""

        def count(existed: int) -> None:
            self._missing += len(message_ids) - existed

        self._dropping += len(message_ids)
        self._declare_messages(thread_id, message_ids)
        script, where = self._messages_of(thread_id)
        script.write(steps.drop_messages(*where, message_ids), count)

    def set_resource(self, thread_id: str, resource_id: str) -> None:
        """Give all messages of a thread to a resource."""
        script, where = self._messages_of(thread_id)
        script.write(steps.set_resource(*where, resource_id))

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Take messages from the threads they were in, and point them at others.

        Refuse unless they still are where they were.
        """
        self.expect_location(was_in)
        for id_, thread_id in was_in.items():
            self.set(self.keys.message_pointer(id_), target[id_])
            self.drop(thread_id, [id_])

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Remove the pointers of messages; refuse unless they are where they were."""
        self.expect_location(thread_of)
        self.delete(self.keys.message_pointer(id_) for id_ in thread_of)

    def extend(self, thread_id: str, written: Iterable[str] = ()) -> None:
        """Extend the lifetime of a thread with the messages written, where threads expire."""
        self._written[thread_id] += written

    async def commit(self, *, repeatable: bool = True) -> bool:
        """Apply the transaction: see ``Transaction``."""
        ttl = self.db.thread_ttl
        if ttl is not None:
            for thread_id, ids in self._written.items():
                step = lifetime.extend(self.keys, thread_id, ttl, ids)
                script = self._commit.slot(step.keys[0])
                script.extend_lifetime(step, partial(self._follow_lifetime, ttl))
        return await super().commit(repeatable=repeatable)

    def _messages_of(self, thread_id: str) -> tuple[SlotScript, tuple[str, str, str]]:
        """Return the script that changes a thread's messages, and where they are."""
        timeline, counts = self.keys.timeline(thread_id), self.keys.resource_counts(thread_id)
        script = self._commit.slot(timeline)
        script.guard(zsets=[timeline], hashes=[counts])
        return script, (timeline, counts, self.keys.bodies(thread_id))

    def _declare_messages(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Name the keys that the script builds: a cluster needs to know them."""

    def _follow_lifetime(self, ttl: timedelta, kept: Sequence[Reply]) -> None:
        """Take the reply of a lifetime's extension: the same step extended the pointers."""


class ShardedThreadTransaction(ThreadTransaction):
    """Writes to threads, in the hash-tagged layout."""

    def __init__(self, db: Database, known: Values | None = None) -> None:
        self._sharded = ShardedCommit(db)
        self._sharded.evict = self._evict
        super().__init__(db, known, self._sharded)

    def expect_location(self, thread_of: Mapping[str, str]) -> None:
        """Leave this to the claims: no script sees a message's pointer and its thread."""

    def claim(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Refuse unless the messages are new or in this thread; point them at it."""
        self._sharded.claims.add(thread_id, message_ids)

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Point messages at other threads; phase 4 evicts what is left in those they were in."""
        self._sharded.claims.move(was_in, target)

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Remove the pointers of messages, unless they lead elsewhere by now."""
        self._sharded.claims.forget(thread_of)

    def touch(self, thread_id: str, owner: str | None, now_us: int) -> None:
        """Move ``updated_at`` ahead: see ``ThreadTransaction``."""
        self.expect_owner(thread_id, owner)
        if owner is not None:
            self._touch(thread_id, owner, now_us)

    def touch_whoever_owns(self, thread_id: str, now_us: int) -> None:
        """Move ``updated_at`` ahead if the thread exists; the script tells the owner."""
        self._touch(thread_id, None, now_us)

    def _touch(self, thread_id: str, owner: str | None, now_us: int) -> None:
        record = self.keys.thread(thread_id)
        raised: list[Reply] = []
        if owner is not None:
            for index in self._updated(thread_id, owner):
                # XX: when this arrives, the thread may be listed under another owner.
                self._sharded.advise(
                    ("ZADD", index, "XX", "GT", "CH", now_us, thread_id), raised.append
                )

        def correct(touched: Sequence[Reply]) -> None:
            """List the thread with the date and the owner that the script found."""
            if touched and (owner is None or int(touched[0]) > now_us or not all(raised)):
                only_listed = ("XX", "GT") if owner is None else ("GT",)
                for index in self._updated(thread_id, touched[1].decode()):
                    self._sharded.publish(("ZADD", index, *only_listed, touched[0], thread_id))

        self._commit.slot(record).write(steps.touch(record, (), now_us, thread_id), correct)
        self.extend(thread_id)

    def _updated(self, thread_id: str, owner: str) -> list[str]:
        return self.keys.thread_indexes(thread_id, owner, "updated_at")

    def _declare_messages(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Pass the messages' keys as KEYS.

        While their slot migrates, the node then answers TRYAGAIN instead of running the script on
        half a thread.
        """
        bodies = [self.keys.message(thread_id, id_) for id_ in message_ids]
        script = self._commit.slot(self.keys.timeline(thread_id))
        script.conditions.append(steps.declare_keys(bodies))

    def _follow_lifetime(self, ttl: timedelta, kept: Sequence[Reply]) -> None:
        """Extend the pointers, which are in other slots."""
        for command in lifetime.of_pointers(self.keys, ttl, kept):
            self._sharded.publish(command)

    async def _evict(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove copies of messages that their pointers do not lead to."""
        pointer_of = {id_: self.keys.message_pointer(id_) for id_ in message_ids}

        async def attempt(tx: ThreadTransaction) -> None:
            # The record first: whoever claims an id and then writes to the thread changes it.
            await tx.read(self.keys.thread(thread_id))
            holders = await self.db.get(list(pointer_of.values()))
            copies = [id_ for id_, p in pointer_of.items() if holders[p] != thread_id.encode()]
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
) -> Awaitable[T]:
    """Make attempts until one is applied: see ``transact_in``."""
    return transact_in(partial(begin, db), attempt, repeatable=repeatable)
