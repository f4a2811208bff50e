"""Id claims: which thread holds a message id, where pointer and message are in different slots.

In the hash-tagged layout no step sees both a message and its pointer (id → thread); the pointer
decides. An id is claimed before its message is written: a free id by the first writer to come, one
that moves by the writer that finds it where it was read. After the write the claim is confirmed. A
copy that the pointer does not lead to (the message was moved, or its writer lost the id meanwhile)
is evicted: the thread's record is read, then the pointer, and the copy is removed if neither has
changed. Whoever writes to the thread after claiming the id changes the record, so a message that
its pointer leads to is never removed. An id is forgotten once its message is removed, and recalled
if the message exists again.

A crash leaves a pointer that leads nowhere, or a second copy. Readers skip the first; ``verify``
repairs both.

Tests: ``tests/contract/test_save_races.py``, ``tests/contract/test_save_moves.py``,
``tests/contract/test_update_moves.py``, ``tests/engine/test_sharded_commit.py``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis_store._connections.commands import Command, encoded
from redis_store._engine.database import Values
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import CAS


class IdClaims:
    """The message ids that one transaction gives to threads, moves and forgets.

    A method with replies takes those to the commands of the method that its docstring names.

    Attributes:
        forgotten: The threads of the ids that it takes from them one by one.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        # Threads by message id; of a moved one both, before and after. Commands are built and
        # replies are read in the order of these dicts: nothing may be added in between.
        self._claimed: dict[str, str] = {}
        self._moved: dict[str, tuple[str, str]] = {}
        self.forgotten: dict[str, str] = {}
        self._emptied: dict[str, Sequence[str]] = {}

    @property
    def reserves(self) -> bool:
        """Whether ids are claimed or moved: they are reserved before all other steps."""
        return bool(self._claimed or self._moved)

    def add(self, thread_id: str, message_ids: Iterable[str]) -> None:
        """Give messages to a thread, unless they are in another one."""
        self._claimed |= dict.fromkeys(message_ids, thread_id)

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Give messages to another thread, unless they left the one they were in."""
        self._moved |= {id_: (thread_id, target[id_]) for id_, thread_id in was_in.items()}

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Take messages from their threads."""
        self.forgotten |= thread_of

    def forget_all(self, thread_id: str, message_ids: Sequence[str]) -> None:
        """Take all messages from a thread. Whoever does looks whether it has messages again."""
        self._emptied[thread_id] = message_ids

    def claim(self) -> list[Command]:
        """Build two commands per id: take it if it is free, and ask which thread holds it."""
        return self._take_and_ask(self._claimed)

    def conflicts(self, replies: Sequence[Any]) -> Values:
        """Return the pointers that lead to another thread, by the replies to ``claim``."""
        return self._lost(self._claimed, replies[1::2])

    def taken(self, replies: Sequence[Any]) -> dict[str, str]:
        """Return the threads of the ids that ``claim`` took, by its replies."""
        # Those that SET NX did not take were in the thread before, or are another writer's.
        taken = zip(self._claimed.items(), replies[::2], strict=True)
        return dict(thread_of for thread_of, is_new in taken if is_new)

    def release(self, taken: Mapping[str, str]) -> list[Command]:
        """Give back ids that ``claim`` took."""
        return [("DEL", self._keys.message_pointer(id_)) for id_ in taken]

    def take_over(self) -> list[Command]:
        """Take the ids that move, each if its pointer still leads to where its message was."""
        return [
            CAS.call([self._keys.message_pointer(id_)], [before, after])
            for id_, (before, after) in self._moved.items()
        ]

    def not_taken(self, replies: Sequence[Any]) -> Values:
        """Return the pointers that lead elsewhere, by the replies to ``take_over``."""
        # A pointer to the new thread was taken: a repeat after a lost reply finds its own.
        return {
            self._keys.message_pointer(id_): holder
            for (id_, (_, after)), holder in zip(self._moved.items(), replies, strict=True)
            if holder != 1 and holder != encoded(after)
        }

    def give_back(self) -> list[Command]:
        """Undo ``take_over``, except for ids that somebody has taken since."""
        return [
            CAS.call([self._keys.message_pointer(id_)], [after, before])
            for id_, (before, after) in self._moved.items()
        ]

    def confirm(self) -> list[Command]:
        """Claim the ids again, as others may have removed them, and ask which thread holds each."""
        # SET NX, not SET: of an id that another writer has taken meanwhile, ours is the copy.
        return self._take_and_ask(self._targets())

    def copies(self, replies: Sequence[Any]) -> dict[str, list[str]]:
        """Return the copies by thread, by the replies to ``confirm``."""
        groups: dict[str, list[str]] = {}
        # A moved message is still in the thread that it left.
        for id_, (before, _) in self._moved.items():
            groups.setdefault(before, []).append(id_)
        lost = self._lost(self._targets(), replies[1::2])
        for id_, thread_id in self._targets().items():
            if self._keys.message_pointer(id_) in lost:
                groups.setdefault(thread_id, []).append(id_)
        return groups

    def arrivals(self) -> dict[str, list[str]]:
        """Return the messages that move, by the thread that they move to."""
        groups: dict[str, list[str]] = {}
        for id_, (_, after) in self._moved.items():
            groups.setdefault(after, []).append(id_)
        return groups

    def forgetting(self) -> list[Command]:
        """Remove the pointers of forgotten ids, except of those that lead elsewhere by now."""
        emptied = ((id_, thread_id) for thread_id, ids in self._emptied.items() for id_ in ids)
        return [
            CAS.call([self._keys.message_pointer(id_)], [thread_id, ""])
            for id_, thread_id in (*self.forgotten.items(), *emptied)
        ]

    def look_again(self, thread_of: Mapping[str, str]) -> list[Command]:
        """Ask, once pointers are removed, whether the messages exist all the same.

        Another writer may have saved such a message. If it writes it later than this, its
        confirmation claims the id.
        """
        return [("EXISTS", self._keys.message(thread, id_)) for id_, thread in thread_of.items()]

    def recall(self, thread_of: Mapping[str, str], replies: Sequence[Any]) -> list[Command]:
        """Claim the ids whose messages exist, by the replies to ``look_again``."""
        return [
            ("SET", self._keys.message_pointer(id_), thread_id, "NX")
            for (id_, thread_id), exists in zip(thread_of.items(), replies, strict=True)
            if exists
        ]

    def _targets(self) -> dict[str, str]:
        return self._claimed | {id_: after for id_, (_, after) in self._moved.items()}

    def _take_and_ask(self, thread_of: Mapping[str, str]) -> list[Command]:
        # GET as well: SET NX does not say who holds a taken id; nor, if it is repeated after a lost
        # reply, that it took the id itself.
        commands: list[Command] = []
        for id_, thread_id in thread_of.items():
            pointer = self._keys.message_pointer(id_)
            commands += [("SET", pointer, thread_id, "NX"), ("GET", pointer)]
        return commands

    def _lost(self, thread_of: Mapping[str, str], holders: Sequence[Any]) -> Values:
        return {
            self._keys.message_pointer(id_): holder
            for (id_, thread_id), holder in zip(thread_of.items(), holders, strict=True)
            if holder != encoded(thread_id)
        }
