"""Commands, replies and Lua scripts, as the rest of the library builds and reads them.

Tests: ``tests/engine/test_scripts.py``, ``tests/faults/test_replication.py``,
``tests/connections/test_topologies.py``.
"""

from hashlib import sha1
from typing import Any

from redis_store.errors import BackendError

Argument = bytes | str | int | float
Command = tuple[Argument, ...]
# None, bytes, int, or a list of these; an error reply is a BackendError in its place.
Reply = Any


class Replies(list[Reply]):
    """Replies in the order of their commands.

    Attributes:
        confirmed: How many replicas confirmed the writes, on the node with the fewest; ``None`` if
            no confirmation was asked for.
        has_errors: Whether any reply is an error.
    """

    confirmed: int | None = None
    has_errors: bool = False

    def add(self, later: "Replies") -> None:
        """Append the replies to later commands."""
        self += later
        self.confirm(later.confirmed)

    def confirm(self, replicas: int | None) -> None:
        """Record how many replicas confirmed the writes of one node."""
        known = [number for number in (self.confirmed, replicas) if number is not None]
        self.confirmed = min(known, default=None)


class Script:
    """A Lua script, run by its SHA-1 digest.

    Constructing one registers it in ``SCRIPTS``.

    Args:
        source: The Lua code.
        read_only: Whether it never writes, so that a replica may run it.
        on_demand: Whether a server gets it when it is first run, with one round trip more; else it
            is loaded when a store connects.
    """

    def __init__(self, source: str, *, read_only: bool = False, on_demand: bool = False) -> None:
        self.source = source
        self.on_demand = on_demand
        # Redis names scripts by SHA-1; nothing here depends on its strength.
        self.sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
        SCRIPTS[self.sha] = self
        if read_only:
            _READ_ONLY_SCRIPTS.update((self.sha, source))

    def load(self) -> Command:
        """Build the command that loads the script into a server."""
        return ("SCRIPT", "LOAD", self.source)

    def call(self, keys: list[str], args: list[Argument]) -> Command:
        """Build the command that runs the script on a server that has it loaded."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)

    def full_call(self, command: Command) -> Command:
        """Turn a command built by ``call`` into one that carries the source."""
        return ("EVAL", self.source, *command[2:])


# Every script by its digest. The handshake loads those that are not on demand; after NOSCRIPT, a
# script is found here and sent as source.
SCRIPTS: dict[str, Script] = {}

# Commands that never write; scripts that never write, by digest and by source (EVALSHA and EVAL).
_READ_COMMANDS = frozenset(
    {"EXISTS", "GET", "HGETALL", "HKEYS", "HLEN", "HMGET", "INFO", "LLEN", "LRANGE", "MGET", "PING"}
    | {"PTTL", "SCAN", "STRLEN", "TYPE", "ZCARD", "ZMSCORE", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE"}
    | {"ZSCAN", "ZSCORE", "CLUSTER", "DBSIZE", "HEXISTS", "HVALS", "SCRIPT"}
)
_READ_ONLY_SCRIPTS: set[str] = set()


def with_source(command: Command) -> Command:
    """Turn a script's call into one that carries the source."""
    return SCRIPTS[str(command[1])].full_call(command)


def is_script_missing(reply: Reply) -> bool:
    """Whether the server has lost a script, so that it did not run."""
    return isinstance(reply, BackendError) and reply.details.get("reason") == "NOSCRIPT"


def is_read(command: Command) -> bool:
    """Whether a command never writes, so that a replica may answer it."""
    return command[0] in _READ_COMMANDS or (
        command[0] in ("EVALSHA", "EVAL") and command[1] in _READ_ONLY_SCRIPTS
    )


def text(value: bytes) -> str | None:
    """Decode a key, or an id; ``None`` if it is no UTF-8, so that it cannot be ours."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def decoded(value: bytes) -> str:
    """Decode a key, or an id, that may be no UTF-8, as Python does with names of files.

    Whoever writes to the store's sorted sets may list anything. Such a name leads to no record, so
    its entry is stale, and is removed like others: it has to be the same bytes on the way back.
    """
    return value.decode(errors="surrogateescape")


def encoded(value: str) -> bytes:
    """Encode a key, or an id, as it was before ``decoded``."""
    return value.encode(errors="surrogateescape")


def info_fields(reply: bytes) -> dict[str, str]:
    """Parse a reply to INFO."""
    lines = reply.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def entries(reply: Reply) -> list[tuple[float, str]]:
    """Parse a WITHSCORES reply into (score, member) pairs."""
    return [(float(score), decoded(member)) for member, score in pairs(reply)]


def pairs(reply: Reply) -> list[tuple[Any, Any]]:
    """Parse a reply of pairs: flat in RESP2; nested, or a dict, in RESP3."""
    items = getattr(reply, "items", None)
    if items is not None:
        return list(items())
    if not reply or isinstance(reply[0], list):
        return [(first, second) for first, second in reply]
    return list(zip(reply[::2], reply[1::2], strict=True))
