"""What one call checks and writes, applied whole or refused whole: see ``commit``."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from redis_store._connections.commands import Argument
from redis_store._engine import lifetime, steps
from redis_store._engine.commit import Commit
from redis_store._engine.database import Batch
from redis_store._engine.finishing import finished
from redis_store._engine.plan import Found, Part, Plan
from redis_store._engine.splices import changes
from redis_store._engine.steps import Body, Step
from redis_store.errors import ConcurrentUpdateError

# Every round of contending writers has a winner, so this many can race on one record.
ATTEMPTS = 1000

_created_us = attrgetter("created_us")

# Bytes from which a value is compared by digest and changed by splicing.
_LONG = 512


class Transaction:
    """Collects the checks and writes of one call; ``commit`` applies them.

    Args:
        batch: The way to the server.
        repeatable: Whether the caller may apply its change to a record that already has it, which
            nobody can exclude where a reply is lost and others write too.
    """

    def __init__(self, batch: Batch, *, repeatable: bool = True) -> None:
        self._batch = batch
        self._repeatable = repeatable
        self._plan = Plan(batch.keys)
        self._kept: defaultdict[str, list[str]] = defaultdict(list)
        self.keys = batch.keys

    @property
    def dropped(self) -> int:
        """How many messages the transaction removed."""
        return self._plan.dropped

    def same(self, found: Mapping[str, bytes | None]) -> None:
        """Refuse unless every key still holds what was found (``None``: nothing).

        Of a long value only the digest crosses the wire.
        """
        for keys in self.keys.by_slot(found):
            values = {key: found[key] for key in keys}
            long = {key: value for key, value in values.items() if value and len(value) > _LONG}
            short = {key: value for key, value in values.items() if key not in long}
            checks = self._part(keys[0]).checks
            if short:
                checks.append(steps.expect(short))
            if long:
                checks.append(steps.expect_digest(long))

    def present(self, keys: Sequence[str]) -> None:
        """Refuse unless every key holds a string."""
        for group in self.keys.by_slot(keys):
            self._part(group[0]).checks.append(steps.expect_present(group))

    def located(self, thread_of: Mapping[str, str]) -> None:
        """Refuse unless each message is still in its thread.

        Only in the plain layout: no script sees a message's index and its thread on a cluster.
        """
        if not self.keys.hash_tags:
            self.same({self.keys.message_index(m): t.encode() for m, t in thread_of.items()})

    def owned(self, thread_id: str, resource_id: str) -> None:
        """Refuse unless the thread exists and belongs to the resource."""
        record = self.keys.thread(thread_id)
        self._part(record).checks.append(steps.expect_owner(record, resource_id))

    def claim(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Refuse unless the messages are new or in this thread; point their index at it."""
        if self.keys.hash_tags:
            self._plan.claims.add(thread_id, message_ids)
        elif message_ids:
            indexes = [self.keys.message_index(id_) for id_ in message_ids]
            part = self._part("")
            part.checks.append(steps.unclaimed(indexes, thread_id))
            part.writes.append(steps.claim())

    def touch(self, thread_id: str, owner: str | None, now_us: int) -> None:
        """Move the thread's ``updated_at`` strictly ahead, to now at least.

        Args:
            thread_id: The thread; it may be gone.
            owner: Its resource id; in the hash-tagged layout ``None`` where it is not known.
            now_us: Now.
        """
        record = self.keys.thread(thread_id)
        indexes = [] if owner is None else self._updated(thread_id, owner)
        inside = [] if self.keys.hash_tags else indexes
        part = self._part(record)
        part.sorted.update(inside)
        part.writes.append(steps.touch(record, inside, now_us, thread_id))
        outside = [index for index in indexes if index not in inside]
        first = len(self._plan.hints)
        # Only where the thread is listed: it may be under another owner when the hint arrives.
        self._plan.hints += [("ZADD", i, "XX", "GT", "CH", now_us, thread_id) for i in outside]

        def follow(touched: list[bytes]) -> None:
            if not self.keys.hash_tags or not touched:
                return
            raised = self._plan.hinted[first : first + len(outside)]
            mode: tuple[str, ...] = ("XX", "GT") if owner is None else ("GT",)
            if owner is None or int(touched[0]) > now_us or not all(raised):
                for index in self._updated(thread_id, touched[1].decode()):
                    self._plan.late.append(("ZADD", index, *mode, touched[0], thread_id))

        part.results.append(follow)
        self.keep(thread_id)

    def _updated(self, thread_id: str, owner: str) -> list[str]:
        return self.keys.thread_indexes(thread_id, owner, "updated_at")

    def put(self, thread_id: str, bodies: Sequence[Body]) -> None:
        """Store messages in a thread, each at its place, and list the thread as holding them."""
        bodies = sorted(bodies, key=_created_us)
        ids = [body.id for body in bodies]
        # By rising date, so the last one of a resource is its newest.
        newest = {body.resource_id: body.created_us for body in bodies}
        for resource_id, us in newest.items():
            self.hint("ZADD", self.keys.participants(resource_id), "GT", us, thread_id)
        self._near(thread_id, ids)
        self._thread_step(steps.put_messages(*self._messages_of(thread_id), bodies))
        self.keep(thread_id, ids)

    def keep(self, thread_id: str, written: Iterable[str] = ()) -> None:
        """Let a thread live on with the messages that are written, where threads expire."""
        self._kept[thread_id] += written

    def drop(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove messages from a thread; ``dropped`` counts those that existed."""
        self._plan.dropping += len(message_ids)
        self._near(thread_id, message_ids)
        step = steps.drop_messages(*self._messages_of(thread_id), message_ids)
        self._thread_step(step).results.append(self._count_dropped)

    def own(self, thread_id: str, resource_id: str) -> None:
        """Give all messages of a thread to a resource."""
        self._thread_step(steps.set_resource(*self._messages_of(thread_id), resource_id))

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Take messages from the threads they were in, and point their index at others.

        Refuse unless they still are where they were.
        """
        if self.keys.hash_tags:
            self._plan.claims.move(was_in, target)
            return
        self.located(was_in)
        for id_, thread_id in was_in.items():
            self.set(self.keys.message_index(id_), target[id_])
            self.drop(thread_id, [id_])

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Remove the index of messages; refuse unless they are where they were."""
        self.located(thread_of)
        if self.keys.hash_tags:
            self._plan.claims.forget(thread_of)
        else:
            self.delete(self.keys.message_index(id_) for id_ in thread_of)

    def set(self, key: str, value: bytes | str) -> None:
        """Store a string."""
        self._part(key).values[key] = value
        self._plan.outcomes[key] = value.encode() if isinstance(value, str) else value

    def replace(self, key: str, before: bytes, after: bytes) -> None:
        """Store a string in place of what was found; refuse if that is not there any more.

        Of a long value only what changed crosses the wire.
        """
        self.same({key: before})
        if len(after) <= _LONG:
            self.set(key, after)
            return
        self._part(key).writes.append(steps.splice(key, changes(before, after)))
        self._plan.outcomes[key] = after

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys."""
        for key in keys:
            self._part(key).gone.append(key)
            self._plan.outcomes[key] = None

    def call(self, command: str, key: str, *args: Argument) -> None:
        """Run a command on one sorted set or hash."""
        part = self._part(key)
        part.calls.append((command, key, *args))
        if command.startswith("Z"):
            part.sorted.add(key)
        elif command.startswith("H"):
            part.counters.add(key)

    def hint(self, command: str, key: str, *args: Argument) -> None:
        """Run a command that does no harm where the transaction is refused after all.

        In the hash-tagged layout it saves the round trip that ``call`` needs.
        """
        if self.keys.hash_tags:
            self._plan.hints.append((command, key, *args))
        else:
            self.call(command, key, *args)

    def then(self, settle: Callable[[], Awaitable[None]]) -> None:
        """Do something after all is written, where that takes more than one step."""
        if self.keys.hash_tags:
            self._plan.settlements.append(settle)

    async def commit(self) -> Found:
        """Apply the transaction: one round trip in the plain layout.

        In the hash-tagged layout: one for claims and for checking several threads, one per thread,
        one for what may only follow; four more where messages move.

        Returns:
            Nothing when it was applied; else the keys whose checks refused it, as they are now.
        """
        self._set_lifetimes()
        run = Commit(self._batch, self._plan, self._evict, repeatable=self._repeatable).run()
        # One step of the server is all or nothing whoever is cancelled; several are not.
        return await (finished(run) if self.keys.hash_tags else run)

    def _part(self, key: str) -> Part:
        slot = self.keys.slot(key)
        part = self._plan.parts.get(slot)
        if part is None:
            part = self._plan.parts[slot] = Part()
        return part

    def _near(self, thread_id: str, message_ids: Iterable[str]) -> None:
        """Run only where all of these messages are: a cluster looks at the keys it is told of.

        While a slot is on its way to another node, a script would break off at what already left.
        """
        if self.keys.hash_tags:
            bodies = [self.keys.message(thread_id, id_) for id_ in message_ids]
            checks = self._part(self.keys.order(thread_id)).checks
            checks.append(steps.declare_keys(bodies))

    def _messages_of(self, thread_id: str) -> tuple[str, str, str]:
        keys = self.keys
        return keys.order(thread_id), keys.owners(thread_id), keys.bodies(thread_id)

    def _thread_step(self, step: Step) -> Part:
        timeline, counts = step.keys
        part = self._part(timeline)
        part.sorted.add(timeline)
        part.counters.add(counts)
        part.writes.append(step)
        return part

    def _set_lifetimes(self) -> None:
        """Set lifetimes when all else is written: that may create keys."""
        ttl = self._batch.thread_ttl
        if ttl is None:
            return

        def follow(kept: list[Any]) -> None:
            self._plan.late += lifetime.of_indexes(self.keys, ttl, kept)

        for thread_id, ids in self._kept.items():
            keys = lifetime.keys_of(self.keys, thread_id)
            record, timeline, counts = keys
            prefix, pointers, ms = lifetime.arguments(self.keys, thread_id, ttl)
            part = self._part(record)
            part.lifetimes.append(steps.extend(record, timeline, counts, prefix, pointers, ms, ids))
            part.results.append(follow)

    def _count_dropped(self, existed: int) -> None:
        self._plan.dropped += existed

    async def _evict(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove copies of messages that their index does not lead to."""
        record = self.keys.thread(thread_id)
        index_of = {id_: self.keys.message_index(id_) for id_ in message_ids}
        for tx in attempts(self._batch):
            # The record first: who claims an id and then writes to the thread changes it.
            tx.same(await self._batch.get([record]))
            owners = await self._batch.get(list(index_of.values()))
            copies = [id_ for id_, i in index_of.items() if owners[i] != thread_id.encode()]
            tx.drop(thread_id, copies)
            if not copies or not await tx.commit():
                return


def attempts(batch: Batch, *, repeatable: bool = True) -> Iterator[Transaction]:
    """Give a fresh transaction per attempt; the caller stops when one is not refused.

    Raises:
        ConcurrentUpdateError: Others won every time. Nothing was written.
    """
    for _ in range(ATTEMPTS):
        yield Transaction(batch, repeatable=repeatable)
    raise ConcurrentUpdateError(ATTEMPTS)
