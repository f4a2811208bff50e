"""What a contender written in Python can do."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.serving import Job
from redis_store import Message


class Contender(Protocol):
    """Builds calls. What is built here, before the call runs, is not timed."""

    def get(self, thread_id: str) -> Job:
        """Read a thread."""
        ...

    def get_each(self, thread_ids: Sequence[str]) -> Job:
        """Read threads, by as many concurrent calls."""
        ...

    def last(self, thread_id: str, count: int) -> Job:
        """Read a thread's last messages, newest first; 0 is all, oldest first."""
        ...

    def save(self, messages: Sequence[Message]) -> Job:
        """Store messages of one thread and its new ``updatedAt``."""
        ...

    def update(self, thread_id: str, ids: Sequence[str], tag: str) -> Job:
        """Change the metadata of messages of one thread."""
        ...

    def threads_of(self, resource_id: str) -> Job:
        """Read a user's threads, newest first, at most 100."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...
