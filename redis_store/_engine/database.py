"""Sends what a call needs to read or write in as few round trips as the layout allows."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol

from redis_store._connections.commands import (
    SCRIPTS,
    Argument,
    Client,
    Command,
    Replies,
    Reply,
    Script,
)
from redis_store._engine.keys import Keys
from redis_store._engine.locks import Turns
from redis_store.errors import BackendError, ReplicationError


class Connected(Protocol):
    """Gives the client, connecting it first if need be."""

    @property
    def ready(self) -> Client | None:
        """The client, while it is connected."""
        ...

    async def client(self) -> Client:
        """Return the connected client.

        Raises:
            StoreClosedError: The store is closed.
            BackendError: The server cannot be used.
        """
        ...


class Batch:
    """The way from repositories to the server.

    Args:
        store: Gives the client.
        keys: Spells the keys.
        scans: Whether listings look at every record rather than trust an index.
        thread_ttl: How long a thread lives that is not used; ``None`` is for ever.
    """

    def __init__(
        self,
        store: Connected,
        keys: Keys,
        *,
        scans: bool = False,
        thread_ttl: timedelta | None = None,
    ) -> None:
        self._store = store
        self.keys = keys
        self.scans = scans
        self.thread_ttl = thread_ttl
        self.turns = Turns()

    async def send(
        self, commands: Sequence[Command], *, then: Sequence[Command] = (), repeatable: bool = True
    ) -> Replies:
        """Send commands, one write to each node, and return their replies: one round trip.

        Commands to one slot keep their order; those to different slots may lie on different nodes.
        A script that the server has lost is sent again, whole: one more round trip.

        Args:
            commands: What to send.
            then: What must not begin before the others ended; one more round trip on a cluster.
            repeatable: Whether the commands may be applied a second time where the connection
                broke before their replies came.

        Raises:
            BackendError: The first error reply, or the connection failed.
            ReplicationError: All is written, but too few replicas confirmed it.
        """
        if not commands and not then:
            return Replies()
        client = self._store.ready or await self._store.client()
        together = [*commands, *then] if then and client.keeps_order else commands
        replies = await client.send(together, repeatable=repeatable)
        if replies.has_errors:
            await _mend(client, together, replies, len(commands), repeatable=repeatable)
        if len(replies) < len(commands) + len(then):
            later = await client.send(then, repeatable=repeatable)
            if later.has_errors:
                await _mend(client, then, later, len(then), repeatable=repeatable)
            replies.add(later)
        if replies.confirmed is not None and replies.confirmed < client.min_replicas:
            raise ReplicationError(replies.confirmed, client.min_replicas, replies)
        return replies

    async def command(self, *command: Argument) -> Reply:
        """Send one command: one round trip."""
        return (await self.send((command,)))[0]

    async def run(
        self, script: Script, keys: list[str], args: list[Argument], *, repeatable: bool = True
    ) -> Reply:
        """Run one script: one round trip."""
        return (await self.send([script.call(keys, args)], repeatable=repeatable))[0]

    async def get(self, keys: Sequence[str]) -> dict[str, bytes | None]:
        """Read string values: one MGET per slot, all in one round trip."""
        groups = self.keys.by_slot(dict.fromkeys(keys))
        replies = await self.send([("MGET", *group) for group in groups])
        found: dict[str, bytes | None] = {}
        for group, values in zip(groups, replies, strict=True):
            found.update(zip(group, values, strict=True))
        return found

    async def scan(
        self, pattern: str, kind: str, cursor: str = ""
    ) -> AsyncIterator[tuple[str, list[str]]]:
        """Iterate over the whole keyspace of every node, some thousand keys a round trip.

        Yields the matching keys, each perhaps more than once, and the cursor to go on from.
        """
        client = self._store.ready or await self._store.client()
        while True:
            cursor, found = await client.scan(pattern, kind, cursor)
            yield cursor, [key.decode() for key in dict.fromkeys(found)]
            if not cursor:
                return

    async def clear(self, patterns: dict[str, str]) -> None:
        """Remove every key that matches a pattern and has its type. Scans the whole keyspace."""
        for pattern, kind in patterns.items():
            async for _, found in self.scan(pattern, kind):
                await self.send([("UNLINK", key) for key in found])


async def _mend(
    client: Client, commands: Sequence[Command], replies: Replies, first: int, *, repeatable: bool
) -> None:
    """Send scripts again whole where they are lost; raise the first error reply.

    What stands behind the ``first`` ones has to wait for them, and is repeated behind a script.
    """
    lost = {at for at, reply in enumerate(replies) if _is_script_missing(reply)}
    if lost:
        again = [at for at in range(len(commands)) if at in lost or at >= first]
        calls = [_with_source(commands[at]) if at in lost else commands[at] for at in again]
        repeated = await client.send(calls, repeatable=repeatable)
        replies.confirmed = repeated.confirmed
        for at, reply in zip(again, repeated, strict=True):
            replies[at] = reply
    for reply in replies:
        if isinstance(reply, BackendError):
            raise reply


def _is_script_missing(reply: Reply) -> bool:
    return isinstance(reply, BackendError) and reply.details.get("reason") == "NOSCRIPT"


def _with_source(command: Command) -> Command:
    return SCRIPTS[str(command[1])].full_call(command)
