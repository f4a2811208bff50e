"""What one call checks and writes, applied whole or refused whole.

In the plain layout a transaction is one script call, across threads and indexes. In the hash-tagged
layout every slot that needs a script gets one call, and plain commands ride along with the last:
first the claims of message ids (hints), then the threads (truth), then the remaining hints. What a
crash leaves in between is a hint without a record, which readers skip.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha1
from typing import Any, NamedTuple, cast

import msgspec

from redis_store import lifetime
from redis_store.batch import Batch
from redis_store.claims import Claims
from redis_store.client import Argument, Command, Replies, Reply
from redis_store.edits import changes
from redis_store.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConcurrentUpdateError,
    ReplicationError,
)
from redis_store.finishing import finished
from redis_store.scripts import COMMIT

# Every round of contending writers has a winner, so this many can race on one record.
ATTEMPTS = 1000

# Bytes from which a value is compared by digest and changed by splicing.
_LONG = 512

Found = dict[str, bytes | None]


class Step(NamedTuple):
    """A named step of ``commit.lua`` and what it takes."""

    name: str
    keys: list[str]
    args: list[Argument]


class Body(NamedTuple):
    """A message ready to be stored."""

    id: str
    created_us: int
    resource_id: str
    json: bytes


class _Part:
    """What a transaction does in one slot (in the plain layout: all of it)."""

    def __init__(self) -> None:
        self.sorted: set[str] = set()
        self.counters: set[str] = set()
        self.checks: list[Step] = []
        self.writes: list[Step] = []
        self.lifetimes: list[Step] = []
        self.results: list[Callable[[Any], None]] = []
        self.values: dict[str, bytes | str] = {}
        self.gone: list[str] = []
        self.calls: list[Command] = []

    @property
    def needs_script(self) -> bool:
        return bool(self.checks or self.writes)

    @property
    def writes_anything(self) -> bool:
        return bool(self.writes or self.values or self.gone or self.calls)

    def commands(self) -> list[Command]:
        """The part as plain commands, where no script is needed."""
        sets: list[Command] = [("SET", key, value) for key, value in self.values.items()]
        return [*sets, *(("UNLINK", key) for key in self.gone), *self.calls]

    def script(self, *, checks_only: bool = False) -> Command:
        """The part as one script call."""
        types = [
            Step("sorted", [*self.sorted], [len(self.sorted)]),
            Step("counters", [*self.counters], [len(self.counters)]),
        ]
        steps = [*types, *self.checks]
        if not checks_only:
            steps += [*self.writes, *self._plain_steps(), *self.lifetimes]
        keys = [key for step in steps for key in step.keys]
        args = [arg for step in steps for arg in (step.name, *step.args)]
        return COMMIT.call(keys, args)

    def _plain_steps(self) -> Iterator[Step]:
        if self.values:
            yield Step("set", [*self.values], [len(self.values), *self.values.values()])
        if self.gone:
            yield Step("del", self.gone, [len(self.gone)])
        for command, key, *args in self.calls:
            yield Step("call", [str(key)], [command, len(args), *args])


class Transaction:
    """Collects the checks and writes of one call; ``commit`` applies them.

    Args:
        batch: The way to the server.
        repeatable: Whether the caller may apply its change to a record that already has it, which
            nobody can exclude where a reply is lost and others write too.
    """

    def __init__(self, batch: Batch, *, repeatable: bool = True) -> None:
        self._batch = batch
        self.keys = batch.keys
        self._parts: dict[int, _Part] = {}
        self._claims = Claims(batch.keys)
        self._hints: list[Command] = []
        self._late: list[Command] = []
        self._settlements: list[Callable[[], Awaitable[None]]] = []
        self._kept: defaultdict[str, list[str]] = defaultdict(list)
        self._hinted: list[Reply] = []
        self._confirmed: list[Reply] = []
        self.dropped = 0
        self._dropping = 0
        self._repeatable = repeatable
        self._outcomes: Found = {}
        self._in_doubt: BackendError | None = None
        self._unconfirmed: ReplicationError | None = None

    def same(self, found: Mapping[str, bytes | None]) -> None:
        """Refuse unless every key still holds what was found (``None``: nothing).

        Of a long value only the digest crosses the wire.
        """
        groups: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        for key, value in found.items():
            step = "hashed" if len(value or b"") > _LONG else "same"
            groups[self.keys.slot(key), step].append(key)
        for (_, step), keys in groups.items():
            values = [found[key] or b"" for key in keys]
            args = [_digest(value) for value in values] if step == "hashed" else values
            self._part(keys[0]).checks.append(Step(step, keys, [len(keys), *args]))

    def present(self, keys: Sequence[str]) -> None:
        """Refuse unless every key holds a string."""
        groups: defaultdict[int, list[str]] = defaultdict(list)
        for key in keys:
            groups[self.keys.slot(key)].append(key)
        for group in groups.values():
            self._part(group[0]).checks.append(Step("present", group, [len(group)]))

    def located(self, thread_of: Mapping[str, str]) -> None:
        """Refuse unless each message is still in its thread.

        Only in the plain layout: no script sees a message's index and its thread on a cluster.
        """
        if not self.keys.hash_tags:
            self.same({self.keys.message_index(m): t.encode() for m, t in thread_of.items()})

    def owned(self, thread_id: str, resource_id: str) -> None:
        """Refuse unless the thread exists and belongs to the resource."""
        record = self.keys.thread(thread_id)
        self._part(record).checks.append(Step("thread", [record], [resource_id]))

    def claim(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Refuse unless the messages are new or in this thread; point their index at it."""
        if self.keys.hash_tags:
            self._claims.add(thread_id, message_ids)
        elif message_ids:
            indexes = [self.keys.message_index(id_) for id_ in message_ids]
            part = self._part("")
            part.checks.append(Step("free", indexes, [len(indexes), thread_id]))
            part.values |= dict.fromkeys(indexes, thread_id)

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
        part.writes.append(Step("touch", [record, *inside], [now_us, len(inside), thread_id]))
        outside = [index for index in indexes if index not in inside]
        first = len(self._hints)
        # Only where the thread is listed: it may be under another owner when the hint arrives.
        self._hints += [("ZADD", i, "XX", "GT", "CH", now_us, thread_id) for i in outside]

        def follow(touched: list[bytes]) -> None:
            if not self.keys.hash_tags or not touched:
                return
            raised = self._hinted[first : first + len(outside)]
            mode: tuple[str, ...] = ("XX", "GT") if owner is None else ("GT",)
            if owner is None or int(touched[0]) > now_us or not all(raised):
                for index in self._updated(thread_id, touched[1].decode()):
                    self._late.append(("ZADD", index, *mode, touched[0], thread_id))

        part.results.append(follow)
        self.keep(thread_id)

    def _updated(self, thread_id: str, owner: str) -> list[str]:
        return self.keys.thread_indexes(thread_id, owner, "updated_at")

    def put(self, thread_id: str, bodies: Sequence[Body]) -> None:
        """Store messages in a thread, each at its place, and list the thread as holding them."""
        bodies = sorted(bodies, key=lambda body: body.created_us)
        owners = Counter(body.resource_id for body in bodies)
        args: list[Argument] = [self.keys.bodies(thread_id), len(bodies), len(owners)]
        for body in bodies:
            args += (body.id, body.created_us, body.json)
        for resource_id, count in owners.items():
            args += (resource_id, count)
        self._thread_step("put", thread_id, args)
        self.keep(thread_id, (body.id for body in bodies))
        # By rising date, so the last one of a resource is its newest.
        newest = {body.resource_id: body.created_us for body in bodies}
        for resource_id, us in newest.items():
            self.hint("ZADD", self.keys.participants(resource_id), "GT", us, thread_id)

    def keep(self, thread_id: str, written: Iterable[str] = ()) -> None:
        """Let a thread live on with the messages that are written, where threads expire."""
        self._kept[thread_id] += written

    def drop(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove messages from a thread; ``dropped`` counts those that existed."""
        args: list[Argument] = [self.keys.bodies(thread_id), len(message_ids), *message_ids]
        self._dropping += len(message_ids)
        self._thread_step("drop", thread_id, args).results.append(self._count_dropped)

    def own(self, thread_id: str, resource_id: str) -> None:
        """Give all messages of a thread to a resource."""
        json = msgspec.json.encode(resource_id)
        self._thread_step("own", thread_id, [self.keys.bodies(thread_id), json, resource_id])

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Take messages from the threads they were in, and point their index at others.

        Refuse unless they still are where they were.
        """
        if self.keys.hash_tags:
            self._claims.move(was_in, target)
            return
        self.located(was_in)
        for id_, thread_id in was_in.items():
            self.set(self.keys.message_index(id_), target[id_])
            self.drop(thread_id, [id_])

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Remove the index of messages; refuse unless they are where they were."""
        self.located(thread_of)
        if self.keys.hash_tags:
            self._claims.forget(thread_of)
        else:
            self.delete(self.keys.message_index(id_) for id_ in thread_of)

    def set(self, key: str, value: bytes | str) -> None:
        """Store a string."""
        self._part(key).values[key] = value
        self._outcomes[key] = value.encode() if isinstance(value, str) else value

    def replace(self, key: str, before: bytes, after: bytes) -> None:
        """Store a string in place of what was found; refuse if that is not there any more.

        Of a long value only what changed crosses the wire.
        """
        self.same({key: before})
        if len(after) <= _LONG:
            self.set(key, after)
            return
        edits = changes(before, after)
        args: list[Argument] = [len(edits)]
        for edit in edits:
            args += edit
        self._part(key).writes.append(Step("splice", [key], args))
        self._outcomes[key] = after

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys."""
        for key in keys:
            self._part(key).gone.append(key)
            self._outcomes[key] = None

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
            self._hints.append((command, key, *args))
        else:
            self.call(command, key, *args)

    def then(self, settle: Callable[[], Awaitable[None]]) -> None:
        """Do something after all is written, where that takes more than one step."""
        if self.keys.hash_tags:
            self._settlements.append(settle)

    async def commit(self) -> Found:
        """Apply the transaction: one round trip in the plain layout.

        In the hash-tagged layout: one for claims and for checking several threads, one per thread,
        one for what may only follow; four more where messages move.

        Returns:
            Nothing when it was applied; else the keys whose checks refused it, as they are now.
        """
        # One step of the server is all or nothing whoever is cancelled; several are not.
        return await (finished(self._commit()) if self.keys.hash_tags else self._commit())

    async def _commit(self) -> Found:
        self._set_lifetimes()
        scripted = [part for part in self._parts.values() if part.needs_script]
        refused: Found = {}
        if self._claims or len(scripted) > 1:
            refused = await self._prepare(scripted)
        refused = refused or await self._take_over() or await self._write(scripted)
        if not refused:
            await self._follow()
            if self._unconfirmed is not None:
                raise self._unconfirmed
        return refused

    def _part(self, key: str) -> _Part:
        return self._parts.setdefault(self.keys.slot(key), _Part())

    def _thread_step(self, name: str, thread_id: str, args: list[Argument]) -> _Part:
        keys = [self.keys.order(thread_id), self.keys.owners(thread_id)]
        part = self._part(keys[0])
        part.sorted.add(keys[0])
        part.counters.add(keys[1])
        part.writes.append(Step(name, keys, args))
        return part

    def _set_lifetimes(self) -> None:
        """Set lifetimes when all else is written: that may create keys."""
        ttl = self._batch.thread_ttl
        if ttl is None:
            return

        def follow(kept: list[Any]) -> None:
            self._late += lifetime.of_indexes(self.keys, ttl, kept)

        for thread_id, ids in self._kept.items():
            keys = lifetime.keys_of(self.keys, thread_id)
            args = [*lifetime.arguments(self.keys, thread_id, ttl), len(ids), *ids]
            part = self._part(keys[0])
            part.lifetimes.append(Step("keep", keys, args))
            part.results.append(follow)

    def _count_dropped(self, existed: int) -> None:
        self.dropped += existed

    def _loose(self) -> list[Command]:
        parts = [part for part in self._parts.values() if not part.needs_script]
        return [command for part in parts for command in part.commands()]

    async def _prepare(self, scripted: list[_Part]) -> Found:
        """Claim ids, and check every part before the first one writes: no script spans slots."""
        claim = self._claims.claim()
        checks = [part.script(checks_only=True) for part in scripted]
        replies = await self._send([*claim, *checks])
        claimed, checked = replies[: len(claim)], replies[len(claim) :]
        refused = self._claims.refused(claimed)
        for reply in checked:
            refused |= _refused(reply)
        if refused:
            await self._send(self._claims.release(claimed))
        return refused

    async def _take_over(self) -> Found:
        """Take the ids that move; all or none."""
        refused = self._claims.not_taken(await self._send(self._claims.take_over()))
        if refused:
            await self._send(self._claims.give_back())
        return refused

    async def _write(self, scripted: list[_Part]) -> Found:
        """Write part by part, after those that only check."""
        results: list[tuple[Callable[[Any], None], Any]] = []
        steps = _steps(scripted)
        for parts in steps:
            refused = await self._write_parts(parts, results, is_last=parts is steps[-1])
            if refused:
                if self._was_applied(refused):
                    self.dropped = self._dropping
                    return {}
                await self._undo_moves()
                return refused
        for take, result in results:
            take(result)
        return {}

    async def _write_parts(
        self,
        parts: list[_Part],
        results: list[tuple[Callable[[Any], None], Any]],
        *,
        is_last: bool,
    ) -> Found:
        """Run scripts at once; hints and the confirmation ride along with the last ones."""
        hints, confirm = (self._hints, self._claims.confirm()) if is_last else ([], [])
        replies = await self._apply([*hints, *(part.script() for part in parts)], confirm)
        end = len(hints) + len(parts)
        self._hinted, self._confirmed = replies[: len(hints)], replies[end:]
        refused: Found = {}
        for part, reply in zip(parts, replies[len(hints) : end], strict=True):
            if reply[0]:
                results += zip(part.results, reply[1:], strict=True)
            else:
                refused |= _refused(reply)
        return refused

    async def _apply(self, commands: Sequence[Command], confirm: Sequence[Command]) -> Replies:
        """Send what writes; once more where its reply was lost, as the checks tell what became."""
        try:
            return await self._send(commands, then=confirm, repeatable=False)
        except (BackendUnavailableError, BackendTimeoutError) as error:
            if not error.details.get("in_doubt"):
                raise
            self._in_doubt = error
        return await self._send(commands, then=confirm)

    def _was_applied(self, refused: Found) -> bool:
        """Whether a second attempt was refused because the first one was applied.

        Raises:
            BackendError: Nobody can tell, and to repeat the change might do harm.
        """
        if self._in_doubt is None:
            return False
        if all(key in self._outcomes and self._outcomes[key] == refused[key] for key in refused):
            return True
        if not self._repeatable:
            raise self._in_doubt
        return False

    async def _send(
        self, commands: Sequence[Command], *, then: Sequence[Command] = (), repeatable: bool = True
    ) -> Replies:
        """Send commands; that too few replicas confirm them must not stop what is to follow."""
        try:
            return await self._batch.send(commands, then=then, repeatable=repeatable)
        except ReplicationError as error:
            self._unconfirmed = error
            return cast("Replies", error.replies)

    async def _undo_moves(self) -> None:
        """Give ids back to where their messages are, and remove the copies made so far."""
        await self._send(self._claims.give_back())
        for thread_id, ids in self._claims.arrivals().items():
            await self._evict(thread_id, ids)

    async def _follow(self) -> None:
        """Write what may only follow the threads, and settle whose the messages are."""
        forgetting = self._claims.forgetting()
        there = self._claims.forgotten()
        replies = await self._send([*forgetting, *self._loose(), *self._late], then=there)
        await self._send(self._claims.recall(replies[len(replies) - len(there) :]))
        for thread_id, ids in self._claims.copies(self._confirmed).items():
            await self._evict(thread_id, ids)
        for settle in self._settlements:
            await settle()

    async def _evict(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Remove copies of messages that their index does not lead to."""
        record = self.keys.thread(thread_id)
        index_of = {id_: self.keys.message_index(id_) for id_ in message_ids}
        for tx in attempts(self._batch, "move"):
            # The record first: who claims an id and then writes to the thread changes it.
            tx.same(await self._batch.get([record]))
            owners = await self._batch.get(list(index_of.values()))
            copies = [id_ for id_, i in index_of.items() if owners[i] != thread_id.encode()]
            tx.drop(thread_id, copies)
            if not copies or not await tx.commit():
                return


def _steps(scripted: list[_Part]) -> list[list[_Part]]:
    """Put together what can run at once: what only checks; then each part that writes."""
    checking = [part for part in scripted if not part.writes_anything]
    writing = [[part] for part in scripted if part.writes_anything]
    return [checking, *writing] if checking else writing


def _digest(value: bytes) -> str:
    """Return the digest that ``redis.sha1hex`` computes; it guards against races, not attacks."""
    return sha1(value, usedforsecurity=False).hexdigest()


def _refused(reply: list[Any]) -> Found:
    if reply[0]:
        return {}
    return {key.decode(): value for key, value in zip(reply[1::2], reply[2::2], strict=True)}


def attempts(batch: Batch, operation: str, *, repeatable: bool = True) -> Iterator[Transaction]:
    """Give a fresh transaction per attempt; the caller stops when one is not refused.

    Raises:
        ConcurrentUpdateError: Others won every time. Nothing was written.
    """
    for _ in range(ATTEMPTS):
        yield Transaction(batch, repeatable=repeatable)
    raise ConcurrentUpdateError(
        f"{operation}: other writers won {ATTEMPTS} times in a row",
        code=f"{operation}_CONCURRENT_UPDATE".upper(),
        details={"attempts": ATTEMPTS},
    )
