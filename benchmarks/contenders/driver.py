"""The calls that the library, stock and floor are measured by."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.contenders.serving import Call
from redis_store import Message


class Driver(Protocol):
    """Builds calls to one contender. Work done while building is not timed."""

    def get(self, thread_id: str) -> Call:
        """Read a thread."""
        ...

    def get_each(self, thread_ids: Sequence[str]) -> Call:
        """Read threads, by as many concurrent calls."""
        ...

    def last(self, thread_id: str, count: int) -> Call:
        """Read a thread's last messages, newest first; 0 is all, oldest first."""
        ...

    def save(self, messages: Sequence[Message]) -> Call:
        """Store messages of one thread and its new ``updatedAt``."""
        ...

    def update(self, thread_id: str, ids: Sequence[str], tag: str) -> Call:
        """Change the metadata of messages of one thread."""
        ...

    def threads_of(self, resource_id: str) -> Call:
        """Read a user's threads, newest first, at most 100."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...
