"""The slice of a Redis client that the library uses: bytes in, bytes out, no logic."""

from collections.abc import Sequence
from typing import Any, Protocol

Argument = bytes | str | int | float
Command = tuple[Argument, ...]
# None, bytes, int, or a list of these; an error reply is a BackendError in its place.
Reply = Any


class Replies(list[Reply]):
    """The replies to some commands, in their order.

    Attributes:
        confirmed: How many replicas have what was written, on the node where they are fewest;
            ``None`` if nobody asked.
        has_errors: Whether any of them is an error.
    """

    confirmed: int | None = None
    has_errors: bool = False

    def add(self, later: "Replies") -> None:
        """Append the replies to commands that came later."""
        self += later
        self.confirm(later.confirmed)

    def confirm(self, replicas: int | None) -> None:
        """Note how many replicas have what one node wrote."""
        known = [number for number in (self.confirmed, replicas) if number is not None]
        self.confirmed = min(known, default=None)


class Client(Protocol):
    """Connections to one deployment, with errors already translated.

    Attributes:
        keeps_order: Whether commands to different slots keep their order too.
        min_replicas: How many replicas must have a write.
    """

    keeps_order: bool
    min_replicas: int

    async def send(self, commands: Sequence[Command], *, repeatable: bool = True) -> Replies:
        """Send commands, one write to each node, and return their replies: one round trip.

        An error reply stands in its place as a ``BackendError``; it is not raised. What was not
        applied for a reason that passes is sent again, until the call's deadline.

        Args:
            commands: What to send.
            repeatable: Whether commands may also be sent again where a connection broke before
                the reply came, so that they may be applied twice.

        Raises:
            BackendUnavailableError: No connection, or it broke; a write may have been applied
                where ``details["in_doubt"]`` says so.
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
