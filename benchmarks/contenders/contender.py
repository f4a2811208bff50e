"""The contenders by name: which there are, and which of the peers are installed."""

import shutil
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.contenders.peers import catalogue

LIBRARY: Final = "library"
STOCK: Final = "stock"
FLOOR: Final = "floor"
_NOT_INSTALLED: Final = "not installed: make bench-peers"


class Contender(msgspec.Struct, frozen=True):
    """A contender on an event loop.

    Args:
        kind: ``library``, ``library at PATH``, ``stock``, ``floor``, or a peer's package.
        loop: ``asyncio``, ``uvloop`` or ``node``.
        operations: The names of the operations that it can do; ``None`` is all.
        checkout: The directory of another checkout whose library this is.
    """

    kind: str
    loop: str
    operations: tuple[str, ...] | None = msgspec.field(default=None, name="rows")
    checkout: str | None = None

    @property
    def name(self) -> str:
        """Its name in reports."""
        return f"{self.kind} ({self.loop})"

    @property
    def is_peer(self) -> bool:
        """Whether it is a peer in Python, which stores data of its own format."""
        return self.operations is not None

    def can(self, operation: str) -> bool:
        """Tell whether it can do an operation."""
        return self.operations is None or operation in self.operations

    def without(self, operation: str) -> "Contender":
        """Return the same peer, without one of its operations."""
        operations = tuple(each for each in self.operations or () if each != operation)
        return Contender(self.kind, self.loop, operations)


def library_at(checkout: Path, loop: str) -> Contender:
    """Return the library of another checkout."""
    return Contender(f"{LIBRARY} at {checkout}", loop, checkout=str(checkout))


MASTRA: Final = Contender("@mastra/redis", "node")


def why_no_mastra() -> str | None:
    """Say why @mastra/redis cannot be run; ``None`` if it can."""
    if shutil.which("node") is None:
        return "no node on PATH"
    return None if catalogue.MASTRA.is_installed else _NOT_INSTALLED


def python_peers(loop: str) -> tuple[list[Contender], list[str]]:
    """List the peers in Python that are installed, and notes on the others."""
    installed = [peer for peer in catalogue.PEERS if peer.is_installed]
    notes = [
        (peer.name, peer.note if peer in installed else _NOT_INSTALLED) for peer in catalogue.PEERS
    ]
    return (
        [Contender(peer.name, loop, peer.operations) for peer in installed],
        [f"{name}: {note}" for name, note in notes if note],
    )
