"""Logs: a head and items, appended in one step, in one slot.

========  ===========  ============================================================================
key       type         holds
========  ===========  ============================================================================
head      hash         ``created`` and ``updated`` in µs, and the caller's fields, after ``=``
items     list         stamp (8 bytes), body
tokens    sorted set   tokens of the last 1,000 appends by date in µs, a minute after the last one
========  ===========  ============================================================================

A token makes an append repeatable: if its reply is lost, it is sent again, and found applied.

Tests: ``tests/integrations/test_logs.py``, ``tests/integrations/test_lost_replies.py``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from secrets import token_hex
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class
from typing import Literal, NamedTuple

from redis_store._connections.commands import Argument, Command, Reply, pairs
from redis_store._engine import clock, steps
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import HashIndexes, Id, IndexEntry, Stored
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.scripts import LOG_READ
from redis_store._engine.slot_script import SlotScript
from redis_store._engine.timestamps import epoch_us, to_ms
from redis_store._engine.transaction import Transaction, transact
from redis_store.errors import CorruptRecordError

# Tokens that are kept, and how long. An append whose reply was lost counts once unless so many
# others came between, or its repeat takes so long.
_TOKENS = steps.Tokens(1000, 60_000)
_STAMP = Struct(">d")


class Item(NamedTuple):
    """An item of a log; ``stamp`` is the caller's, for ``Logs.read`` with ``since``."""

    body: bytes
    stamp: float = 0.0


class Head(NamedTuple):
    """What a log has but its items; dates in µs."""

    created_us: int
    updated_us: int
    fields: dict[str, bytes]


class Log(NamedTuple):
    """A log as it was read, items from oldest to newest."""

    head: Head
    items: list[Item]


class _Mark(NamedTuple):
    """What tells one append from all others."""

    us: int
    token: str

    @property
    def created(self) -> str:
        """The field of the log that it creates."""
        return f"{self.us}:{self.token}"


class Logs:
    """The logs of one kind. Every call is one round trip, except as stated.

    Args:
        db: The database.
        keys: The keys of the integration.
        kind: The kind, in its keys.
        listed_in: Names the indexes that list a log, by its id; scored by ``updated`` in µs.
        ttl: How long an unused log lives; ``None`` is for ever.
    """

    def __init__(
        self,
        db: Database,
        keys: IntegrationKeys,
        kind: str,
        *,
        listed_in: Callable[[Id], Iterable[Id]] = lambda _: (),
        ttl: timedelta | None = None,
    ) -> None:
        self._db = db
        self._keys = keys
        self._kind = kind
        self._listed_in = listed_in
        self._ttl_ms = None if ttl is None else to_ms(ttl)
        self.indexes = HashIndexes(db, keys, kind, ["updated"], self._entries_of)

    async def append(
        self,
        id: Id,
        items: Sequence[Item] = (),
        *,
        fields: Mapping[str, str | bytes] | None = None,
        expect: Literal["missing", "present"] | None = None,
        also: Sequence[Command] = (),
        token: str | None = None,
    ) -> bool:
        """Append items and set fields, all in one step; a log is created by its first append.

        In the hash-tagged layout, one that is not applied takes up to two round trips more.

        Args:
            id: The log.
            items: The items, oldest first.
            fields: The fields to set; others stay.
            expect: ``"missing"`` creates a log only; ``"present"`` creates none.
            also: Commands to run with it, each on one key. In the hash-tagged layout those on other
                slots follow in a second round trip.
            token: What appends have in common of which only the first is to be applied: if the same
                is delivered again, within a minute and 1,000 appends.

        Returns:
            Whether it was applied, now or before; ``False`` if the log is not as expected.
        """
        mark = _Mark(epoch_us(await clock.now(self._db)), token or token_hex(8))
        *_, tokens = self._of(id)

        async def attempt(tx: Transaction) -> bool:
            if tx.known:
                if self._db.keys.hash_tags:
                    # The index may have the date of what was refused.
                    await self.indexes.restore([id])
                return tx.known.get(tokens) is not None
            self._require(tx, id, mark, expect)
            self._write(tx, id, mark, items, fields or {})
            tx.run(also)
            return True

        return await transact(self._db, attempt)

    async def read(
        self, id: Id, *, last: int | None = None, since: float | None = None
    ) -> Log | None:
        """Read a log, and extend its lifetime.

        Args:
            id: The log.
            last: At most so many of its newest items; ``None`` is all.
            since: Only items after the newest one with a lower stamp; ``None`` is all.

        Returns:
            The log, or ``None`` if there is none.
        """
        args: list[Argument] = [-1 if last is None else last, "" if since is None else since]
        head, items, _ = self._of(id)
        call = LOG_READ.call([head, items], args)
        found = (await self._db.send([call, *self._keep_alive(id)]))[0]
        if not found:
            return None
        try:
            return Log(_head(head, found[0]), [_item(each) for each in found[1]])
        except StructError as exc:
            raise CorruptRecordError(items, "an item has no stamp") from exc

    async def heads(self, ids: Sequence[Id]) -> list[Head | None]:
        """Read the heads of logs; ``None`` for those that do not exist."""
        keys = [self._of(id_)[0] for id_ in ids]
        replies = await self._db.send([("HGETALL", key) for key in keys])
        found = zip(keys, replies, strict=True)
        return [_head(key, reply) if reply else None for key, reply in found]

    async def list_by(
        self, index: Id, *, start: int = 0, limit: int | None = None
    ) -> list[tuple[Id, Head]]:
        """List logs with their heads, the last updated first. Two round trips.

        Logs that are gone are left out, so a page may be short; their entries are removed.
        """
        listed = await self.indexes.page(index, start=start, limit=limit, newest_first=True)
        heads = await self.heads([entry.id for entry in listed])
        stored = [[None if head is None else b"%d" % head.updated_us] for head in heads]
        await self.indexes.current(index, listed, stored)
        found = zip(listed, heads, strict=True)
        return [(entry.id, head) for entry, head in found if head is not None]

    async def pop(self, id: Id) -> Item | None:
        """Take the newest item; ``None`` if there is none.

        It is not repeated if the connection breaks: the error says that it may have been taken.
        """
        pop: Command = ("RPOP", self._of(id)[1])
        replies = await self._db.send([pop, *self._keep_alive(id)], repeatable=False)
        return None if replies[0] is None else _item(replies[0])

    async def clear(self, id: Id) -> None:
        """Remove the items; the head stays."""
        await self._db.send([("UNLINK", self._of(id)[1]), *self._keep_alive(id)])

    async def delete(self, id: Id, *, unchanged_since_us: int | None = None) -> bool:
        """Delete a log. Two round trips more in the hash-tagged layout, if an index lists it.

        Args:
            id: The log.
            unchanged_since_us: Delete it only if it was last updated then.

        Returns:
            Whether it existed, and was unchanged.
        """
        head, *others = self._of(id)
        dates = [] if unchanged_since_us is None else [str(unchanged_since_us)]

        async def attempt(tx: Transaction) -> bool:
            if tx.known:
                return False
            tx.require(steps.expect_field(head, "updated", dates))
            tx.delete([head, *others])
            self.indexes.leave(tx, id, self._entries(id))
            return True

        return await transact(self._db, attempt)

    def _require(
        self, tx: Transaction, id: Id, mark: _Mark, expect: Literal["missing", "present"] | None
    ) -> None:
        """Refuse an append that was applied already, or whose log is not as expected."""
        head, _, tokens = self._of(id)
        # The second value of each is what a repeat finds if the append was applied.
        tx.require(steps.expect_score(tokens, mark.token, None), b"%d" % mark.us)
        if expect == "missing":
            tx.require(steps.expect_field(head, "created", [""]), mark.created.encode())
        elif expect == "present":
            tx.require(steps.expect_field(head, "created"))

    def _write(
        self,
        tx: Transaction,
        id: Id,
        mark: _Mark,
        items: Sequence[Item],
        fields: Mapping[str, str | bytes],
    ) -> None:
        head, list_, tokens = self._of(id)
        packed = [_STAMP.pack(item.stamp) + item.body for item in items]
        own = {f"={name}": value for name, value in fields.items()}
        tx.write(steps.append_log(head, list_, tokens, *mark, _TOKENS, packed, own))
        if self._ttl_ms is not None:
            tx.run([("PEXPIRE", key, self._ttl_ms) for key in (head, list_)])
        self.indexes.enter(tx, id, self._entries(id, mark.us))

    def _of(self, id: Id) -> tuple[str, str, str]:
        """The keys of a log: head, items, tokens."""
        kind = self._kind
        items, tokens = (self._keys.key(f"{kind}_{part}", *id) for part in ("items", "tokens"))
        return self._keys.key(kind, *id), items, tokens

    def _entries(self, id: Id, us: int = 0) -> list[IndexEntry]:
        return [IndexEntry(index, us) for index in self._listed_in(id)]

    def _entries_of(self, id: Id, stored: Stored) -> list[IndexEntry]:
        return self._entries(id, int(stored[0] or b""))

    def _keep_alive(self, id: Id) -> list[Command]:
        """Build what extends a log's lifetime: one script, so that its keys expire together."""
        if self._ttl_ms is None:
            return []
        script = SlotScript()
        for key in self._of(id)[:2]:
            script.command(("PEXPIRE", key, self._ttl_ms))
        return [script.call()]


def _head(key: str, reply: Reply) -> Head:
    try:
        values = {field.decode(): value for field, value in pairs(reply)}
        created, _, _ = values.pop("created").partition(b":")
        dates = int(created), int(values.pop("updated"))
    except (KeyError, ValueError) as exc:
        raise CorruptRecordError(key, "it lacks its dates") from exc
    return Head(*dates, {name.removeprefix("="): value for name, value in values.items()})


def _item(stored: bytes) -> Item:
    return Item(stored[_STAMP.size :], *_STAMP.unpack_from(stored))
