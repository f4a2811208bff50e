"""What goes to a server and comes back: commands, scripts, replies."""

from collections.abc import Sequence
from hashlib import sha1
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


class Script:
    """A Lua script, run by its SHA-1 digest and sent whole only to a server that lacks it.

    Args:
        source: The script.
        read_only: Whether it changes nothing, so that a replica may run it.
    """

    def __init__(self, source: str, *, read_only: bool = False) -> None:
        self.source = source
        # Redis names scripts by SHA-1; nothing here depends on its strength.
        self.sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
        SCRIPTS[self.sha] = self
        if read_only:
            _READING_SCRIPTS.update((self.sha, source))

    def call(self, keys: list[str], args: list[Argument]) -> Command:
        """Build the command that runs the script where it is loaded."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)

    def full_call(self, command: Command) -> Command:
        """Turn ``call``'s command into one that carries the source."""
        return ("EVAL", self.source, *command[2:])


# Every script, by its digest: a server that lost one is sent the source.
SCRIPTS: dict[str, Script] = {}

# Commands and scripts that change nothing; a script by its digest or by its source.
_READS = frozenset(
    {"EXISTS", "GET", "HGETALL", "HKEYS", "HLEN", "HMGET", "INFO", "LLEN", "LRANGE", "MGET", "PING"}
    | {"PTTL", "SCAN", "STRLEN", "TYPE", "ZCARD", "ZMSCORE", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE"}
    | {"ZSCAN", "ZSCORE", "CLUSTER", "DBSIZE", "HEXISTS", "HVALS", "SCRIPT"}
)
_READING_SCRIPTS: set[str] = set()


def is_read(command: Command) -> bool:
    """Whether a command changes nothing, so that any replica may answer it."""
    return command[0] in _READS or (
        command[0] in ("EVALSHA", "EVAL") and command[1] in _READING_SCRIPTS
    )


def entries(reply: Reply) -> list[tuple[float, str]]:
    """Read a WITHSCORES reply as (score, member)."""
    return [(float(score), member.decode()) for member, score in pairs(reply)]


def pairs(reply: Reply) -> list[tuple[Any, Any]]:
    """Read a reply of pairs: flat in RESP2; nested, or a dict, in RESP3."""
    items = getattr(reply, "items", None)
    if items is not None:
        return list(items())
    if not reply or isinstance(reply[0], list):
        return [(first, second) for first, second in reply]
    return list(zip(reply[::2], reply[1::2], strict=True))
