"""The slice of a Redis client that the library uses: bytes in, bytes out, no logic."""

from collections.abc import Sequence
from typing import Any, Protocol

Argument = bytes | str | int | float
Command = tuple[Argument, ...]
# None, bytes, int, or a list of these; an error reply is a BackendError in its place.
Reply = Any


class Client(Protocol):
    """Connections to one deployment, with errors already translated."""

    async def send(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in one write and return their replies in order: one round trip.

        An error reply stands in its place as a ``BackendError``; it is not raised.

        Raises:
            BackendUnavailableError: No connection, or it broke; a write may have been applied.
            BackendTimeoutError: No reply in time; a write may have been applied.
        """
        ...

    async def scan(self, pattern: str, kind: str, cursor: str) -> tuple[str, list[bytes]]:
        """Look at some thousand keys of the keyspace, on any node.

        Args:
            pattern: A glob pattern.
            kind: The type of the values, or ``""`` for any.
            cursor: Where an earlier call stopped; ``""`` to begin.

        Returns:
            Where to go on, ``""`` at the end, and the keys that matched.
        """
        ...
