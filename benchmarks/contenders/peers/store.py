"""The interface that a module here gives its peer's package."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

# Makes {"role":"user","content":"..."} 556 bytes long, like the library's messages.
TEXT: Final = "m" * 526


class PeerStore(Protocol):
    """A peer's threads, on a database of its own.

    Attributes:
        reads_thread: Whether a turn calls ``get``. Not if ``last`` reads the thread too, or if the
            peer stores no record of it.
    """

    reads_thread: bool

    def build(self, ids: Iterable[str]) -> Any:
        """Build messages of ``TEXT``, in the peer's own type. Not timed."""
        ...

    async def clear(self) -> None:
        """Remove everything. Not timed."""
        ...

    async def drop(self, thread_id: str) -> None:
        """Remove a thread. Not timed, so in the fastest way."""
        ...

    async def fill(self, thread_id: str, messages: Any) -> None:
        """Create a thread of these messages. Not timed, so in the fastest way."""
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
