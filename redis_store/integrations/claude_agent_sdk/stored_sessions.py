"""Sessions as they are stored: transcripts, and a head with the summary of the main one.

===============  ===========  =====================================================================
key              type         holds
===============  ===========  =====================================================================
session          hash         ``updated`` and, for the main transcript, ``mtime`` in ms; ``name``,
                              random, tells it from one of the same id that was deleted; the
                              ``summary`` of the first ``covered`` entries; a field per transcript
session_entries  list         by transcript: the JSON of its entries
session_ids      hash         by transcript: the ids of its entries; marks of batches, after ``:``
session_by       sorted set   sessions by ``user``; by ``project`` if they have a main transcript
===============  ===========  =====================================================================

All but the indexes is in one slot, and changes in one script.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from secrets import token_hex
from typing import NamedTuple

from redis_store._connections.commands import Argument, Command
from redis_store._engine import clock
from redis_store._engine.arguments import check_id
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import HashIndexes, Id, IndexEntry, Listed, Stored
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.operations import Repository, operation, query
from redis_store._engine.scripts import of_integration
from redis_store._engine.timestamps import epoch_us, to_ms

NAME = "claude_agent_sdk"

_PACKAGE = "redis_store.integrations.claude_agent_sdk"
_APPEND = of_integration(_PACKAGE, "append")
_SUMMARIZE = of_integration(_PACKAGE, "summarize")
_EXTEND = of_integration(_PACKAGE, "extend")
_DELETE = of_integration(_PACKAGE, "delete")
_DELETE_TRANSCRIPT = of_integration(_PACKAGE, "delete_transcript")

_DATES = ("updated", "mtime")
# What the fields of transcripts start with, in the head.
_TRANSCRIPT = b"t:"


class SessionId(NamedTuple):
    """What identifies a session: the user who owns it, a project of his, and an id within that."""

    user: str
    project: str
    session: str

    def checked(self) -> "SessionId":
        """Return the id if keys can hold it."""
        check_id("user", self.user)
        check_id("project_key", self.project)
        check_id("session_id", self.session)
        return self


class Entry(NamedTuple):
    """An entry of a transcript; an ``id`` of ``""`` is none."""

    id: bytes
    json: bytes


class Summary(NamedTuple):
    """A summary of the main transcript, as JSON.

    Attributes:
        name: What tells the session from others of its id, before and after it.
        covered: How many entries it covers, from the first.
        json: The summary; empty if it covers none.
    """

    name: bytes = b""
    covered: int = 0
    json: bytes = b""


class Summarized(NamedTuple):
    """A summary as it is stored, and the entries that it lacks."""

    summary: Summary
    lacking: Sequence[bytes]


class ListedSession(NamedTuple):
    """A session of a listing; ``mtime`` in ms."""

    id: SessionId
    mtime: int
    summarized: Summarized


class StoredSessions(Repository):
    """The sessions of a store.

    Args:
        db: The database of the store.
        ttl: How long an unused session lives; ``None`` is for ever.
    """

    def __init__(self, db: Database, ttl: timedelta | None = None) -> None:
        super().__init__(db)
        self._own = IntegrationKeys(db.keys, NAME)
        self._ttl_ms = None if ttl is None else to_ms(ttl)
        self.indexes = HashIndexes(db, self._own, "session", _DATES, _entries_of)

    @operation
    async def append(
        self,
        id: SessionId,
        subpath: str,
        entries: Sequence[Entry],
        known: Summary,
        summary: bytes,
    ) -> Summarized | None:
        """Append entries, each that has an id once. One round trip.

        Args:
            id: The session.
            subpath: The transcript; ``""`` is the main one.
            entries: The entries.
            known: The newest summary that the caller knows.
            summary: The one after these entries; it is stored if ``known`` is the newest.

        Returns:
            For the main transcript, its summary as it is stored, and the entries that it lacks:
            none if ``summary`` was stored.
        """
        head = self.indexes.record(id.checked())
        now_ms = epoch_us(await clock.now(self._db)) // 1000
        member = Listed(id, 0, "").member
        indexes = [self.indexes.index(by) for by in _listed_in(id, is_main=not subpath)]
        keys = [head, *self._transcript(id, subpath)]
        args: list[Argument] = [
            now_ms,
            "" if self._ttl_ms is None else self._ttl_ms,
            subpath,
            _mark(entries),
            member,
            token_hex(8),
            known.name,
            known.covered,
            summary,
            *self._starts(id),
            *(part for entry in entries for part in entry),
        ]
        if self._keys.hash_tags:
            # A script has keys of one slot. These follow in the same write.
            listing: list[Command] = [("ZADD", key, "GT", now_ms, member) for key in indexes]
            reply = (await self._db.send([_APPEND.call(keys, args), *listing]))[0]
        else:
            reply = await self._db.run(_APPEND, [*keys, *indexes], args)
        if not reply:
            return None
        name, covered, *more = reply
        if not more:
            return Summarized(Summary(name, covered, summary), [])
        stored, lacking = more
        return Summarized(Summary(name, covered, stored), lacking)

    @operation
    async def summarize(self, id: SessionId, summary: Summary) -> None:
        """Store a summary, unless one that covers as much is there. One round trip."""
        args: list[Argument] = [summary.name, summary.covered, summary.json]
        await self._db.run(_SUMMARIZE, [self.indexes.record(id)], args)

    @query
    async def load(self, id: SessionId, subpath: str) -> list[bytes]:
        """Read a transcript, and extend its session's lifetime. One round trip."""
        entries, _ = self._transcript(id.checked(), subpath)
        read: Command = ("LRANGE", entries, 0, -1)
        found: list[bytes] = (await self._db.send([read, *self._keep_alive(id)]))[0]
        return found

    @query
    async def list_sessions(self, user: str, project: str) -> list[tuple[SessionId, int]]:
        """List the sessions with a main transcript, and their dates in ms. Two round trips."""
        index = _project(check_id("user", user), check_id("project_key", project))
        listed = await self.indexes.page(index, newest_first=True)
        stored = await self.indexes.read([entry.id for entry in listed])
        belongs = await self.indexes.current(index, listed, stored)
        return [
            (SessionId(*entry.id), int(dates[1] or 0))
            for entry, dates, valid in zip(listed, stored, belongs, strict=True)
            if valid
        ]

    @query
    async def list_summaries(self, user: str, project: str) -> list[ListedSession]:
        """List these sessions with their summaries.

        Two round trips; three if a summary lacks entries, as that of an append under way does.
        """
        index = _project(check_id("user", user), check_id("project_key", project))
        listed = await self.indexes.page(index, newest_first=True)
        ids = [SessionId(*entry.id) for entry in listed]
        fields = (*_DATES, "name", "covered", "summary")
        heads: list[Command] = [("HMGET", self.indexes.record(id_), *fields) for id_ in ids]
        lengths: list[Command] = [("LLEN", self._transcript(id_, "")[0]) for id_ in ids]
        replies = await self._db.send([*heads, *lengths])
        stored, counts = replies[: len(ids)], replies[len(ids) :]
        belongs = await self.indexes.current(index, listed, [values[:2] for values in stored])
        found = [
            ListedSession(id_, int(values[1] or 0), _summarized(values[2:], count))
            for id_, values, count, valid in zip(ids, stored, counts, belongs, strict=True)
            if valid
        ]
        return await self._with_lacking(found)

    @query
    async def list_subpaths(self, id: SessionId) -> list[str]:
        """List the transcripts of a session, but the main one. One round trip."""
        fields = await self._db.command("HKEYS", self.indexes.record(id.checked()))
        found = [field.removeprefix(_TRANSCRIPT).decode() for field in fields if _names(field)]
        return sorted(filter(None, found))

    @operation
    async def delete(self, id: SessionId, *, unchanged_since_ms: int | None = None) -> bool:
        """Delete a session with all its transcripts. One round trip (three hash-tagged).

        Args:
            id: The session.
            unchanged_since_ms: Delete it only if it was last updated then.

        Returns:
            Whether it existed, and was unchanged.
        """
        head, member = self.indexes.record(id.checked()), Listed(id, 0, "").member
        indexes = [self.indexes.index(by) for by in _listed_in(id, is_main=True)]
        limit = "" if unchanged_since_ms is None else unchanged_since_ms
        here = [] if self._keys.hash_tags else indexes
        args: list[Argument] = [*self._starts(id), member, limit]
        deleted = bool(await self._db.run(_DELETE, [head, *here], args))
        if self._keys.hash_tags and deleted:
            await self._db.send([("ZREM", key, member) for key in indexes])
            # It may have been stored and listed again, before these were removed.
            await self.indexes.restore([id])
        return deleted

    @operation
    async def delete_transcript(self, id: SessionId, subpath: str) -> None:
        """Delete one transcript, not the main one. One round trip.

        A session stays although it has no other, until it is deleted.
        """
        keys = [self.indexes.record(id.checked()), *self._transcript(id, subpath)]
        await self._db.run(_DELETE_TRANSCRIPT, keys, [subpath])

    def entries_key(self, id: SessionId, subpath: str) -> str:
        """The key of a transcript's entries."""
        return self._transcript(id, subpath)[0]

    async def _with_lacking(self, found: list[ListedSession]) -> list[ListedSession]:
        """Read the entries that summaries lack."""
        behind = [each for each in found if each.summarized.lacking]
        reads: list[Command] = [
            ("LRANGE", self.entries_key(each.id, ""), each.summarized.summary.covered, -1)
            for each in behind
        ]
        lacking = dict(zip([each.id for each in behind], await self._db.send(reads), strict=True))
        return [
            each._replace(summarized=each.summarized._replace(lacking=lacking.get(each.id, [])))
            for each in found
        ]

    def _keep_alive(self, id: SessionId) -> list[Command]:
        if self._ttl_ms is None:
            return []
        return [_EXTEND.call([self.indexes.record(id)], [*self._starts(id), self._ttl_ms])]

    def _transcript(self, id: SessionId, subpath: str) -> list[str]:
        """The keys of a transcript: its entries and their ids."""
        within = [subpath]
        return [self._own.key(f"session_{of}", *id, within=within) for of in ("entries", "ids")]

    def _starts(self, id: SessionId) -> list[str]:
        """What the keys of a session's transcripts start with."""
        return [self._own.key(f"session_{of}", *id) for of in ("entries", "ids")]


def _project(user: str, project: str) -> Id:
    return ("project", user, project)


def _listed_in(id: SessionId, *, is_main: bool) -> list[Id]:
    """The indexes that list a session; a project lists those with a main transcript."""
    of_user: Id = ("user", id.user)
    return [of_user, _project(id.user, id.project)] if is_main else [of_user]


def _entries_of(id: Id, dates: Stored) -> Iterable[IndexEntry]:
    updated, mtime = dates
    id_ = SessionId(*id)
    scores = [int(updated or b""), *([] if mtime is None else [int(mtime)])]
    return map(IndexEntry, _listed_in(id_, is_main=mtime is not None), scores)


def _mark(entries: Sequence[Entry]) -> str:
    """Return what tells a batch from others, if some of its entries have no id.

    One that has an entry with an id is told by its content, as nothing but its repetition has all
    of that; one that has none only from itself, for a lost reply.
    """
    if all(entry.id for entry in entries):
        return ""
    if any(entry.id for entry in entries):
        return ":" + sha256(b"\n".join(entry.json for entry in entries)).hexdigest()[:32]
    return ":" + token_hex(16)


def _summarized(stored: Stored, count: int) -> Summarized:
    name, covered, json = stored
    summary = Summary(name or b"", int(covered or 0), json or b"")
    # Which it lacks is read where it lacks any.
    return Summarized(summary, [b""] if summary.covered < count else [])


def _names(field: bytes) -> bool:
    return field.startswith(_TRANSCRIPT)
