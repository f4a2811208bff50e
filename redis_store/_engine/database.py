"""Database: a store's keys and settings, and the way to its servers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Self

from redis_store._connections.commands import (
    SCRIPTS,
    Argument,
    Command,
    Replies,
    Reply,
    Script,
)
from redis_store._connections.deployment import Deployment
from redis_store._engine.keys import Keys
from redis_store._engine.locks import KeyedLocks
from redis_store.errors import BackendError, ReplicationError

# String values by key, ``None`` where there is none.
Values = dict[str, bytes | None]

# Records read at once where each must be looked at; keys of one step of maintenance.
READ_CHUNK = 500
SCAN_CHUNK = 200


class Database:
    """What every part of a domain hangs on.

    Args:
        keys: Spells the keys.
        connect: Gives the connected deployment, connecting it first if need be.
        scans: Whether listings look at every record rather than trust an index.
        thread_ttl: How long an unused thread lives; ``None`` is for ever.

    Attributes:
        deployment: The deployment while it is connected; saves each call a coroutine.
        locks: Serialise the writers of one record within this process.
    """

    def __init__(
        self,
        keys: Keys,
        connect: Callable[[], Awaitable[Deployment]],
        *,
        scans: bool = False,
        thread_ttl: timedelta | None = None,
    ) -> None:
        self.keys = keys
        self.scans = scans
        self.thread_ttl = thread_ttl
        self.locks = KeyedLocks()
        self.deployment: Deployment | None = None
        self._connect = connect

    @classmethod
    def over(cls, deployment: Deployment, keys: Keys) -> Self:
        """Build the database of a deployment that is connected already."""

        async def connected() -> Deployment:
            return deployment

        db = cls(keys, connected)
        db.deployment = deployment
        return db

    async def send(
        self,
        commands: Sequence[Command],
        *,
        then: Sequence[Command] = (),
        repeatable: bool = True,
        checks_replicas: bool = True,
    ) -> Replies:
        """Send commands, one write to each node, and return their replies: one round trip.

        Commands to one slot keep their order; those to different slots may lie on different nodes.
        A script that the server has lost is sent again with its source: one more round trip.

        Args:
            commands: What to send.
            then: Commands that may only begin when the others ended; one more round trip on a
                cluster.
            repeatable: Whether the commands may be applied a second time where the connection
                broke before their replies came.
            checks_replicas: Whether to raise where too few replicas confirmed; else the caller
                looks at ``confirmed`` of the replies.

        Raises:
            BackendError: The first error reply, or the connection failed.
            ReplicationError: All is written, but too few replicas confirmed it.
        """
        if not commands and not then:
            return Replies()
        deployment = self.deployment or await self._connect()
        together = [*commands, *then] if then and deployment.keeps_order else commands
        replies = await deployment.send(together, repeatable=repeatable)
        if replies.has_errors:
            await _resend_scripts(
                deployment, together, replies, len(commands), repeatable=repeatable
            )
        if len(replies) < len(commands) + len(then):
            replies.add(await self.send(then, repeatable=repeatable, checks_replicas=False))
        if checks_replicas and replies.confirmed is not None:
            self.require_replicas(replies.confirmed)
        return replies

    def require_replicas(self, confirmed: int | None) -> None:
        """Raise ReplicationError if too few replicas confirmed; ``None``: nobody asked."""
        if confirmed is None or self.deployment is None:
            return
        if confirmed < self.deployment.min_replicas:
            raise ReplicationError(confirmed, self.deployment.min_replicas)

    async def command(self, *command: Argument) -> Reply:
        """Send one command: one round trip."""
        return (await self.send((command,)))[0]

    async def run(
        self, script: Script, keys: list[str], args: list[Argument], *, repeatable: bool = True
    ) -> Reply:
        """Run one script: one round trip."""
        return (await self.send([script.call(keys, args)], repeatable=repeatable))[0]

    async def get(self, keys: Sequence[str]) -> Values:
        """Read string values: one MGET per slot, all in one round trip."""
        groups = self.keys.by_slot(dict.fromkeys(keys))
        replies = await self.send([("MGET", *group) for group in groups])
        found: Values = {}
        for group, values in zip(groups, replies, strict=True):
            found.update(zip(group, values, strict=True))
        return found

    async def scan(
        self, pattern: str, kind: str, cursor: str = ""
    ) -> AsyncIterator[tuple[str, list[str]]]:
        """Iterate over the whole keyspace of every node, some thousand keys a round trip.

        Yields the matching keys, each perhaps more than once, and the cursor to go on from.
        """
        deployment = self.deployment or await self._connect()
        while True:
            cursor, found = await deployment.scan(pattern, kind, cursor)
            yield cursor, [key.decode() for key in dict.fromkeys(found)]
            if not cursor:
                return

    async def clear(self, patterns: dict[str, str]) -> None:
        """Remove every key that matches a pattern and has its type. Scans the whole keyspace."""
        for pattern, kind in patterns.items():
            async for _, found in self.scan(pattern, kind):
                await self.send([("UNLINK", key) for key in found])


async def _resend_scripts(
    deployment: Deployment,
    commands: Sequence[Command],
    replies: Replies,
    first: int,
    *,
    repeatable: bool,
) -> None:
    """Send lost scripts again with their source; raise the first error reply.

    Commands after the ``first`` ones depend on those, so they are sent again whenever a script
    before them was.
    """
    lost = {at for at, reply in enumerate(replies) if _is_script_missing(reply)}
    if lost:
        again = [at for at in range(len(commands)) if at in lost or at >= first]
        calls = [_with_source(commands[at]) if at in lost else commands[at] for at in again]
        repeated = await deployment.send(calls, repeatable=repeatable)
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
