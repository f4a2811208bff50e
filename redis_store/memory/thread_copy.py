"""ThreadCopy: the messages of a clone while it is made."""

from itertools import accumulate
from typing import NamedTuple

from redis_store._engine.database import Values
from redis_store._engine.timestamps import epoch_us
from redis_store.memory.windows import Position
from redis_store.models import Message


class CopiedMessage(NamedTuple):
    """A message of the clone: its date and score, its new and old id, and its owner."""

    created_us: int
    score: int
    id: str
    source_id: str
    resource_id: str


class ThreadCopy:
    """The messages copied so far, under the clone's id but not yet visible to others.

    Attributes:
        thread_id: The clone's id.
        copied: Its messages; sorted once ``finish`` was called.
        messages: The copied messages by id; ``None`` if the caller wants only ids.
        first: Key and body of the first one; while it is there, nothing was discarded.
        dates_changed: Whether a date no longer matches its score, so the copy must be re-sorted.
    """

    def __init__(self, thread_id: str, *, keep_messages: bool) -> None:
        self.thread_id = thread_id
        self.messages: dict[str, Message] | None = {} if keep_messages else None
        self.clear()

    def clear(self) -> None:
        """Forget all messages."""
        self.copied: list[CopiedMessage] = []
        self.first: Values = {}
        self.dates_changed = False
        if self.messages is not None:
            self.messages = {}

    def add(self, position: Position, key: str, body: bytes, message: Message) -> None:
        """Add a copied message."""
        us = epoch_us(message.created_at)
        # The date of the body, which may have changed since the position was read.
        self.dates_changed |= us != position.created_us
        self.copied.append(
            CopiedMessage(us, position.score, message.id, position.id, message.resource_id)
        )
        self.first = self.first or {key: body}
        if self.messages is not None:
            self.messages[message.id] = message

    def finish(self) -> None:
        """Sort the messages by the dates that they were copied with."""
        if self.dates_changed:
            # Old scores break ties, so messages of one date keep their sequence.
            self.copied.sort()
            scores = accumulate((each.created_us for each in self.copied), _next_score)
            pairs = zip(self.copied, scores, strict=True)
            self.copied = [each._replace(score=score) for each, score in pairs]

    @property
    def id_map(self) -> dict[str, str]:
        """The clone's message ids by the source's."""
        return {each.source_id: each.id for each in self.copied}


def _next_score(before: int, created_us: int) -> int:
    # The rule of every timeline: scores rise strictly and are never below the date.
    return max(before + 1, created_us)
