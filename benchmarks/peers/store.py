"""What a driver makes of a peer's package."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

# With it, {"role":"user","content":"..."} has 556 bytes, as the library's messages have.
TEXT: Final = "m" * 526


class PeerStore(Protocol):
    """A peer's threads, on a database that nobody else uses.

    Attributes:
        reads_thread: Whether a turn reads the thread by a call of its own; else ``last`` gives the
            thread too, or there is no such record.
    """

    reads_thread: bool

    def build(self, ids: Iterable[str]) -> Any:
        """Build new messages of that text, in the peer's own type. Not timed."""
        ...

    async def clear(self) -> None:
        """Remove everything. Not timed."""
        ...

    async def drop(self, thread_id: str) -> None:
        """Remove a thread. Not timed, so done as is fastest."""
        ...

    async def fill(self, thread_id: str, messages: Any) -> None:
        """Make a thread of these messages. Not timed, so done as is fastest."""
        ...

    async def get(self, thread_id: str) -> int:
        """Read a thread, without its messages where that can be asked for."""
        ...

    async def last(self, thread_id: str, count: int) -> int:
        """Read a thread's last messages; 0 is all."""
        ...

    async def append(self, thread_id: str, messages: Any) -> None:
        """Add messages to a thread."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...
