"""Histories as they are stored: logs of messages, each with what identifies it.

An item's body is its message's identity, which the framework compares, and its JSON.
"""

from collections.abc import Sequence
from datetime import timedelta
from secrets import token_hex
from struct import pack
from typing import NamedTuple

from redis_store._connections.commands import Argument, Command
from redis_store._engine import clock
from redis_store._engine.arguments import check_id
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import Id, Listed
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.logs import Logs
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.scripts import of_integration
from redis_store._engine.steps import Tokens
from redis_store._engine.timestamps import epoch_us, to_ms

NAME = "agent_framework"
# The length of what identifies a message.
IDENTITY = 17

_SAVE = of_integration("redis_store.integrations.agent_framework", "save")
# Where no message has a stamp.
_STAMP = pack(">d", 0)
_TOKENS = Tokens(1000, 60_000)


class HistoryId(NamedTuple):
    """What identifies a history: the user who owns it, its provider, and its session."""

    user: str
    source: str
    session: str

    def checked(self) -> "HistoryId":
        """Return the id if keys can hold it."""
        check_id("user", self.user)
        check_id("source_id", self.source)
        check_id("session_id", self.session)
        return self


class StoredMessage(NamedTuple):
    """A message; its ``identity`` begins with ``u`` if it is a user's without an id."""

    identity: bytes
    json: bytes


class StoredHistories(Repository):
    """The histories of a store.

    Args:
        db: The database of the store.
        ttl: How long an unused history lives; ``None`` is for ever.
    """

    def __init__(self, db: Database, ttl: timedelta | None = None) -> None:
        super().__init__(db)
        self._own = IntegrationKeys(db.keys, NAME)
        self._ttl_ms = None if ttl is None else to_ms(ttl)
        self.logs = Logs(db, self._own, "history", listed_in=_listed_in, ttl=ttl)

    @operation
    async def save_messages(self, id: HistoryId, messages: Sequence[StoredMessage]) -> None:
        """Append the messages that follow those stored. One round trip."""
        head = self.logs.indexes.record(id.checked())
        keys = [head, *(self._own.key(f"history_{part}", *id) for part in ("items", "tokens"))]
        (by,) = _listed_in(id)
        index, member = self.logs.indexes.index(by), Listed(id, 0, "").member
        now_us = epoch_us(await clock.now(self._db))
        args: list[Argument] = [now_us, token_hex(8), *_TOKENS]
        args += ["" if self._ttl_ms is None else self._ttl_ms, member, IDENTITY]
        for identity, json in messages:
            args += (identity, _STAMP + identity + json)
        if self._keys.hash_tags:
            # A script has keys of one slot. This follows in the same write.
            listing: Command = ("ZADD", index, now_us, member)
            await self._db.send([_SAVE.call(keys, args), listing])
        else:
            await self._db.run(_SAVE, [*keys, index], args)

    @query
    async def get_messages(self, id: HistoryId, last: int | None) -> list[bytes]:
        """Read the JSON of the newest messages, oldest first. One round trip."""
        log = await self.logs.read(id.checked(), last=last)
        return [] if log is None else [item.body[IDENTITY:] for item in log.items]

    @operation
    async def clear(self, id: HistoryId) -> None:
        """Delete a history. One round trip (three hash-tagged)."""
        await self.logs.delete(id.checked())

    def items_key(self, id: HistoryId) -> str:
        """The key of a history's messages."""
        return self._own.key("history_items", *id)


def _listed_in(id: Id) -> list[Id]:
    return [("user", id[0])]
