"""Claims: which thread a message id leads to, where no step sees both (hash-tagged layout).

A message's pointer (id → thread) lies in another slot than the message, and the pointer decides. An
id is claimed before its message is written: a free one by whoever comes first, one that moves by
whoever finds it where it was read. After the write the claim is confirmed. A copy that the pointer
does not lead to (the one that was moved, or one whose writer lost the id meanwhile) is evicted: its
thread's record is read, then the pointer, and the copy goes if neither changed. Whoever writes to
the thread after claiming the id changes the record, so no copy that counts can go. An id is
forgotten after its message was removed, and recalled if the message is there again.

A crash leaves an id that leads nowhere, or a second copy. Readers skip the first; ``verify``
repairs both.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis_store._connections.commands import Command
from redis_store._engine.database import Values
from redis_store._engine.keys import Keys
from redis_store._engine.scripts import CAS


class IdClaims:
    """The ids that one transaction gives to threads, and those that it forgets."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._claimed: dict[str, str] = {}
        self._moved: dict[str, tuple[str, str]] = {}
        self._forgotten: dict[str, str] = {}

    @property
    def reserves(self) -> bool:
        """Whether ids are claimed or moved, so that they must be reserved before anything else."""
        return bool(self._claimed or self._moved)

    def add(self, thread_id: str, message_ids: Iterable[str]) -> None:
        """Give messages to a thread, unless they are another's."""
        self._claimed |= dict.fromkeys(message_ids, thread_id)

    def move(self, was_in: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Give messages to another thread, unless they left the one they were in."""
        self._moved |= {id_: (thread_id, target[id_]) for id_, thread_id in was_in.items()}

    def forget(self, thread_of: Mapping[str, str]) -> None:
        """Take messages from their threads."""
        self._forgotten |= thread_of

    def claim(self) -> list[Command]:
        """Two commands for each id: take it if it is free, and ask whose it is."""
        return self._take_and_ask(self._claimed)

    def conflicts(self, replies: Sequence[Any]) -> Values:
        """The pointers that lead to another thread, by the replies to ``claim``."""
        return self._lost(self._claimed, replies[1::2])

    def release(self, replies: Sequence[Any]) -> list[Command]:
        """Give back what ``claim`` took, by its replies."""
        taken = zip(self._claimed, replies[::2], strict=True)
        return [("DEL", self._keys.message_pointer(id_)) for id_, is_new in taken if is_new]

    def take_over(self) -> list[Command]:
        """Take the ids that move, each if it still leads to where its message was."""
        return [
            CAS.call([self._keys.message_pointer(id_)], [before, after])
            for id_, (before, after) in self._moved.items()
        ]

    def not_taken(self, replies: Sequence[Any]) -> Values:
        """The pointers that lead elsewhere, by the replies to ``take_over``."""
        return {
            self._keys.message_pointer(id_): holder
            for (id_, threads), holder in zip(self._moved.items(), replies, strict=True)
            if holder is None or holder.decode() not in threads
        }

    def give_back(self) -> list[Command]:
        """Undo ``take_over``, for ids that nobody took since."""
        return [
            CAS.call([self._keys.message_pointer(id_)], [after, before])
            for id_, (before, after) in self._moved.items()
        ]

    def confirm(self) -> list[Command]:
        """Claim once more what somebody may have forgotten meanwhile, and ask whose it is."""
        return self._take_and_ask(self._targets())

    def copies(self, replies: Sequence[Any]) -> dict[str, list[str]]:
        """Messages by thread that do not belong there, by the replies to ``confirm``."""
        groups: dict[str, list[str]] = {}
        for id_, (before, _) in self._moved.items():
            groups.setdefault(before, []).append(id_)
        lost = self._lost(self._targets(), replies[1::2])
        for id_, thread_id in self._targets().items():
            if self._keys.message_pointer(id_) in lost:
                groups.setdefault(thread_id, []).append(id_)
        return groups

    def arrivals(self) -> dict[str, list[str]]:
        """The messages that move, by the thread they move to."""
        groups: dict[str, list[str]] = {}
        for id_, (_, after) in self._moved.items():
            groups.setdefault(after, []).append(id_)
        return groups

    def forgetting(self) -> list[Command]:
        """Remove the pointers of forgotten ids."""
        pointers = ((self._keys.message_pointer(id_), t) for id_, t in self._forgotten.items())
        return [CAS.call([pointer], [thread_id, ""]) for pointer, thread_id in pointers]

    def look_again(self) -> list[Command]:
        """Ask, after ``forgetting``, whether the messages are there again."""
        bodies = (self._keys.message(thread, id_) for id_, thread in self._forgotten.items())
        return [("EXISTS", body) for body in bodies]

    def recall(self, replies: Sequence[Any]) -> list[Command]:
        """Claim the forgotten ids whose messages are there, by the replies to ``look_again``."""
        return [
            ("SET", self._keys.message_pointer(id_), thread_id, "NX")
            for (id_, thread_id), exists in zip(self._forgotten.items(), replies, strict=True)
            if exists
        ]

    def _targets(self) -> dict[str, str]:
        return self._claimed | {id_: after for id_, (_, after) in self._moved.items()}

    def _take_and_ask(self, thread_of: Mapping[str, str]) -> list[Command]:
        commands: list[Command] = []
        for id_, thread_id in thread_of.items():
            pointer = self._keys.message_pointer(id_)
            commands += [("SET", pointer, thread_id, "NX"), ("GET", pointer)]
        return commands

    def _lost(self, thread_of: Mapping[str, str], holders: Sequence[Any]) -> Values:
        return {
            self._keys.message_pointer(id_): holder
            for (id_, thread_id), holder in zip(thread_of.items(), holders, strict=True)
            if holder != thread_id.encode()
        }
