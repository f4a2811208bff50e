"""SaveBatch: the messages of one ``save_messages``, as writes of a transaction."""

from collections.abc import Sequence
from operator import attrgetter

from redis_store._engine import codecs
from redis_store._engine.database import Values
from redis_store._engine.keys import Keys
from redis_store._engine.steps import Body
from redis_store._engine.timestamps import epoch_us
from redis_store.errors import ThreadNotFoundError
from redis_store.memory.locations import thread_at
from redis_store.memory.thread_transaction import ThreadTransaction
from redis_store.models import Message


class SaveBatch:
    """Messages to save, and what is assumed of their threads until a conflict corrects it.

    The first assumption is the usual case: every message is new or stays in its thread, and its
    resource owns the thread. So the usual case takes one step and no read.
    """

    def __init__(
        self, keys: Keys, prepared: Sequence[tuple[Message, bytes]], *, creates: bool
    ) -> None:
        self._keys = keys
        messages = [message for message, _ in prepared]
        # Of one object given twice, both have the same JSON.
        json_of = {id(message): json for message, json in prepared}
        kept = _last_of_each(messages)
        self._target = {message.id: message.thread_id for message in kept}
        # Reversed, so that the first message of each thread decides which owner is assumed.
        self._first_owner = {m.thread_id: m.resource_id for m in messages[::-1]}
        self._owner: dict[str, str | None] = dict(self._first_owner)
        # By thread that is made if it does not exist: the date of its oldest message.
        by_date = sorted(messages, key=attrgetter("created_at"), reverse=True) if creates else ()
        self._oldest = {m.thread_id: m.created_at for m in by_date}
        self._resource = {message.id: message.resource_id for message in kept}
        self._moved: dict[str, str] = {}
        # From all messages, not from those kept: a thread that only an overridden message names
        # gets no body, but must exist too.
        self._bodies: dict[str, list[Body]] = {message.thread_id: [] for message in messages}
        for message in kept:
            us, json = epoch_us(message.created_at), json_of[id(message)]
            body = Body(message.id, us, message.resource_id, json)
            self._bodies[message.thread_id].append(body)

    def learn(self, known: Values) -> None:
        """Correct the assumptions by what conflicts told: where messages are, who owns threads."""
        if not known:
            return
        threads = {self._keys.thread(id_): id_ for id_ in self._threads()}
        pointers = {self._keys.message_pointer(id_): id_ for id_ in self._target}
        # `write` sets conditions on pointers and thread records only, so what is no pointer is a
        # record.
        for key, stored in known.items():
            if key in pointers:
                self._found_at(pointers[key], None if stored is None else thread_at(key, stored))
            elif stored is None:
                self._found_no_thread(threads[key])
            else:
                self._owner[threads[key]] = codecs.decode_thread(key, stored).resource_id

    def write(self, tx: ThreadTransaction, now_us: int) -> None:
        """Put every message into its thread; take those that move out of their former threads."""
        # The threads that get messages first, for the reason that `MessageWrites._change` gives.
        for thread_id in sorted(self._threads(), key=lambda id_: id_ not in self._bodies):
            owner, oldest = self._owner[thread_id], self._oldest.get(thread_id)
            # A thread that was found to have another owner exists.
            if oldest and owner and owner == self._first_owner[thread_id]:
                tx.touch_or_create(thread_id, owner, epoch_us(oldest), now_us)
            else:
                tx.touch(thread_id, owner, now_us)
        for thread_id, bodies in self._bodies.items():
            if bodies:
                # The pointer of a message that moves names another thread: `move` replaces it.
                tx.claim(thread_id, [body.id for body in bodies if body.id not in self._moved])
                tx.put(thread_id, bodies)
        tx.move(self._moved, self._target)

    def _threads(self) -> set[str]:
        return {*self._bodies, *self._moved.values()}

    def _found_at(self, message_id: str, thread_id: str | None) -> None:
        if thread_id is None or thread_id == self._target[message_id]:
            self._moved.pop(message_id, None)
        else:
            self._moved[message_id] = thread_id
            # The former thread is touched too, so it needs an assumed owner as well.
            self._owner.setdefault(thread_id, self._resource[message_id])

    def _found_no_thread(self, thread_id: str) -> None:
        if thread_id not in self._bodies:
            # A pointer to a thread that is gone: nothing to touch, the message simply moves.
            self._owner[thread_id] = None
        elif thread_id in self._oldest:
            self._owner[thread_id] = self._first_owner[thread_id]
        else:
            raise ThreadNotFoundError(thread_id)


def _last_of_each(messages: Sequence[Message]) -> list[Message]:
    """Keep the last message of each id, where saving them one by one would leave it."""
    kept: dict[str, Message] = {}
    for message in messages:
        before = kept.get(message.id)
        # A message with a new date or thread is inserted again, behind others of that date; one
        # that keeps both stays where it was.
        if before is not None and _position(before) != _position(message):
            del kept[message.id]
        kept[message.id] = message
    return list(kept.values())


def _position(message: Message) -> tuple[object, ...]:
    return message.thread_id, message.created_at
