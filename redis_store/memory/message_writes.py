"""Saving messages: one optimistic step, which a refusal tells what it did not know."""

from collections.abc import Sequence

from msgspec.structs import replace

from redis_store._engine import codecs
from redis_store._engine.arguments import check_date, check_id, check_records, check_thread_id
from redis_store._engine.operations import Repository, operation
from redis_store._engine.plan import Found
from redis_store._engine.steps import Body
from redis_store._engine.timestamps import epoch_us
from redis_store._engine.transaction import Transaction, attempts
from redis_store.errors import ThreadNotFoundError
from redis_store.memory.locations import touch
from redis_store.models import Message, now


class Saving(Repository):
    """The call that saves messages."""

    @operation
    async def save_messages(self, messages: Sequence[Message]) -> list[Message]:
        """Store messages, new or not, and move their threads' ``updated_at`` strictly ahead.

        All or nothing per thread; in the plain layout across threads too. One round trip (two in
        the hash-tagged layout) for any number of messages; up to two more where a message moves
        here from another thread or carries another resource than its thread.

        Returns:
            The messages as given, in the order given. Of one id given twice the last is stored.

        Raises:
            InvalidArgumentError: One message is invalid. Nothing was stored.
            ThreadNotFoundError: A thread does not exist. Nothing was stored.
        """
        checked = check_records("messages", messages, Message, _checked)
        if not checked:
            return []
        plan = _Plan(checked)
        for tx in attempts(self._batch):
            plan.write(tx)
            refused = await tx.commit()
            if not refused:
                break
            self._learn(plan, refused)
        return checked

    def _learn(self, plan: "_Plan", refused: Found) -> None:
        """Take from a refusal where messages are and who owns threads."""
        threads = {self._keys.thread(id_): id_ for id_ in plan.threads()}
        indexes = {self._keys.message_index(id_): id_ for id_ in plan.target}
        for key, stored in refused.items():
            if key in indexes:
                plan.found_at(indexes[key], None if stored is None else stored.decode())
            elif stored is None:
                plan.found_no_thread(threads[key])
            else:
                plan.owner[threads[key]] = codecs.decode_thread(key, stored).resource_id


class _Plan:
    """A batch to save, and what is believed of its threads until a refusal tells better.

    The belief to start with is the common case: every message is new or stays in its thread, and
    carries the resource that owns the thread.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        kept = _last_of_each(messages)
        self.target = {message.id: message.thread_id for message in kept}
        self.owner: dict[str, str | None] = {m.thread_id: m.resource_id for m in messages[::-1]}
        self._resource = {message.id: message.resource_id for message in kept}
        self._moved: dict[str, str] = {}
        # A thread that only overridden messages name gets no body, but must exist too.
        self._bodies: dict[str, list[Body]] = {message.thread_id: [] for message in messages}
        for message in kept:
            json = codecs.encode("messages", message)
            body = Body(message.id, epoch_us(message.created_at), message.resource_id, json)
            self._bodies[message.thread_id].append(body)

    def threads(self) -> set[str]:
        """Every thread that the batch touches."""
        return {*self._bodies, *self._moved.values()}

    def found_at(self, message_id: str, thread_id: str | None) -> None:
        """Learn where a message is now."""
        if thread_id is None or thread_id == self.target[message_id]:
            self._moved.pop(message_id, None)
        else:
            self._moved[message_id] = thread_id
            self.owner.setdefault(thread_id, self._resource[message_id])

    def found_no_thread(self, thread_id: str) -> None:
        """Learn that a thread has no record."""
        if thread_id in self._bodies:
            raise ThreadNotFoundError(thread_id)
        self.owner[thread_id] = None

    def write(self, tx: Transaction) -> None:
        """Put every message where it belongs, and take those that move from where they were."""
        now_us = epoch_us(now())
        for thread_id in sorted(self.threads(), key=lambda id_: id_ not in self._bodies):
            touch(tx, thread_id, self.owner[thread_id], now_us)
        for thread_id, bodies in self._bodies.items():
            if bodies:
                tx.claim(thread_id, [body.id for body in bodies if body.id not in self._moved])
                tx.put(thread_id, bodies)
        tx.move(self._moved, self.target)


def _last_of_each(messages: Sequence[Message]) -> list[Message]:
    """Keep what saving one after the other would leave: the last of each id, at its place."""
    kept: dict[str, Message] = {}
    for message in messages:
        before = kept.get(message.id)
        if before is not None and _place(before) != _place(message):
            del kept[message.id]
        kept[message.id] = message
    return list(kept.values())


def _place(message: Message) -> tuple[object, ...]:
    return message.thread_id, message.created_at


def _checked(message: Message) -> Message:
    check_id("id", message.id)
    check_thread_id("thread_id", message.thread_id)
    check_id("resource_id", message.resource_id)
    check_id("role", message.role)
    check_id("type", message.type)
    created_at = check_date("created_at", message.created_at)
    if created_at is message.created_at:
        return message
    return replace(message, created_at=created_at)
