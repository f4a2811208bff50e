"""RedisSessionStore: the SDK's types on ``stored_sessions``."""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast

from redis_store._engine.arguments import check_id, check_instance, check_ttl
from redis_store._engine.operations import named
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.claude_agent_sdk.stored_sessions import (
    Entry,
    SessionId,
    StoredSessions,
    Summary,
)
from redis_store.json_values import is_object
from redis_store.store import RedisStore

with requires("claude-agent-sdk"):
    from claude_agent_sdk import (
        SessionKey,
        SessionListSubkeysKey,
        SessionStore,
        SessionStoreEntry,
        SessionStoreListEntry,
        SessionSummaryEntry,
        fold_session_summary,
    )

_SHORTEST = timedelta(milliseconds=1)
# Sessions whose summaries are remembered here. One that is not takes a round trip more to append.
_KNOWN = 1000


class RedisSessionStore(SessionStore):
    """Transcripts of Claude's sessions in Redis, for agents that resume on any machine.

    ::

        sessions = RedisSessionStore(store, user="ana")
        options = ClaudeAgentOptions(session_store=sessions, resume=session_id)

    Appending is one round trip at any length, with the summary that listings show; the first append
    of a process to a session that others began takes two. An entry that has a ``uuid`` is stored
    once, however often it is delivered, and so is a whole batch that the SDK repeats. The order is
    that in which Redis stored the batches. A summary always covers the entries in that order: if a
    process ends between an append and its summary, the next one to append or to list makes up for
    it.

    What the protocol makes impossible: a batch whose entries all lack a ``uuid`` is appended again
    if the SDK repeats it, as nothing tells it from a new one. The SDK mirrors what it has written
    to a local file, so what is stored here may lag behind, and a batch that failed three times is
    left out, with a ``MirrorErrorMessage``. ``load`` returns a transcript whole.

    ``store.erase_resource(user)`` removes a user's sessions, and ``export_resource`` returns them;
    ``Retention(integrations=…)`` removes old ones. Errors of the server are those of
    ``redis_store``.

    Args:
        store: An open store, shared by any number of session stores. It is not closed here.
        user: Who owns the sessions: those of others are neither listed nor found.
        ttl: How long a session lives, with all its transcripts, after it was last loaded or
            appended to; ``None`` is for ever.
    """

    def __init__(
        self, store: RedisStore, *, user: str = "default", ttl: timedelta | None = None
    ) -> None:
        check_instance("store", store, RedisStore)
        check_ttl("ttl", ttl)
        if ttl is not None and ttl < _SHORTEST:
            raise InvalidArgumentError("ttl", "must be a millisecond or more", ttl)
        self._user = check_id("user", user)
        self._sessions = StoredSessions(database_of(store), ttl)
        self._known: dict[SessionId, Summary] = {}

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Append a batch of entries, all or none. One round trip.

        One more if another process has appended to the session since this one did.

        Raises:
            InvalidArgumentError: A bad key, or an entry that has no JSON form. Nothing was stored.
        """
        with named("append"):
            id_, subpath = self._id(key), _subpath(key)
            given = [_encoded(entry, at) for at, entry in enumerate(entries)]
        if not given:
            return
        known = self._known.get(id_, Summary())
        fold = partial(_folded, key)
        after = b"" if subpath else fold(known.json, entries)
        appended = await self._sessions.append(id_, subpath, given, known, after)
        if appended is None:
            return
        summary, lacking = appended
        if lacking:
            json = fold(summary.json, self._decoded(id_, "", lacking))
            summary = Summary(summary.name, summary.covered + len(lacking), json)
            await self._sessions.summarize(id_, summary)
        self._remember(id_, summary)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """Read a transcript; ``None`` if it has no entries. One round trip."""
        with named("load"):
            id_, subpath = self._id(key), _subpath(key)
        found = await self._sessions.load(id_, subpath)
        return self._decoded(id_, subpath, found) or None

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """List the sessions of a project, the last updated first. Two round trips."""
        found = await self._sessions.list_sessions(self._user, project_key)
        return [{"session_id": id_.session, "mtime": mtime} for id_, mtime in found]

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """List these sessions with their summaries, all up to date. Two round trips.

        One more if a process has ended between an append and its summary.
        """
        found = await self._sessions.list_summaries(self._user, project_key)
        summaries: list[SessionSummaryEntry] = []
        for id_, mtime, (summary, lacking) in found:
            key: SessionKey = {"project_key": id_.project, "session_id": id_.session}
            json = summary.json
            if lacking:
                json = _folded(key, json, self._decoded(id_, "", lacking))
            data = _loaded(self._sessions.indexes.record(id_), json)
            summaries.append({"session_id": id_.session, "mtime": mtime, "data": data})
        return summaries

    async def delete(self, key: SessionKey) -> None:
        """Delete a session with all its transcripts, or one transcript; no-op if there is none.

        One round trip; three in the hash-tagged layout for a session.
        """
        with named("delete"):
            id_, subpath = self._id(key), _subpath(key)
        self._known.pop(id_, None)
        if subpath:
            await self._sessions.delete_transcript(id_, subpath)
        else:
            await self._sessions.delete(id_)

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """List the transcripts of a session's agents, sorted. One round trip."""
        with named("list_subkeys"):
            id_ = self._id(key)
        return await self._sessions.list_subpaths(id_)

    def _id(self, key: SessionKey | SessionListSubkeysKey) -> SessionId:
        given: object = key
        if not is_object(given):
            raise InvalidArgumentError("key", "must be a SessionKey", key)
        names = given.get("project_key"), given.get("session_id")
        return SessionId(self._user, *cast("tuple[str, str]", names)).checked()

    def _remember(self, id: SessionId, summary: Summary) -> None:
        known = self._known.pop(id, None)
        # Of racing appends, the one that ends last need not be the one that knows most.
        if known is not None and known.name == summary.name and known.covered > summary.covered:
            summary = known
        self._known[id] = summary
        if len(self._known) > _KNOWN:
            self._known.pop(next(iter(self._known)), None)

    def _decoded(
        self, id: SessionId, subpath: str, stored: Sequence[bytes]
    ) -> list[SessionStoreEntry]:
        key = self._sessions.entries_key(id, subpath)
        return [cast("SessionStoreEntry", _loaded(key, each)) for each in stored]


def _subpath(key: SessionKey) -> str:
    """Return the subpath of a key; ``""`` for the main transcript, as the SDK leaves it out."""
    subpath = key.get("subpath")
    return "" if subpath is None else check_id("subpath", subpath)


def _encoded(entry: SessionStoreEntry, at: int) -> Entry:
    given: object = entry
    if not is_object(given):
        raise InvalidArgumentError("entries", "must be a dict", entry, place=f"[{at}]")
    uuid = given.get("uuid")
    try:
        return Entry(_bytes(uuid) if isinstance(uuid, str) else b"", _json(given))
    except (TypeError, ValueError, RecursionError) as exc:
        why = f"has no JSON form: {exc}"
        raise InvalidArgumentError("entries", why, place=f"[{at}]") from exc


def _folded(key: SessionKey, before: bytes, entries: list[SessionStoreEntry]) -> bytes:
    """Return the data of a summary after more entries."""
    previous: SessionSummaryEntry | None = None
    if before:
        previous = {"session_id": key["session_id"], "mtime": 0, "data": json.loads(before)}
    return _json(fold_session_summary(previous, key, entries)["data"])


def _json(value: object) -> bytes:
    return _bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _bytes(text: str) -> bytes:
    # As `json.loads` reads bytes: with half a surrogate pair too.
    return text.encode("utf-8", "surrogatepass")


def _loaded(key: str, stored: bytes) -> dict[str, Any]:
    try:
        value = json.loads(stored)
    except ValueError as exc:
        raise CorruptRecordError(key, f"it holds no JSON: {exc}") from exc
    if not is_object(value):
        raise CorruptRecordError(key, "it holds no JSON object")
    return value
