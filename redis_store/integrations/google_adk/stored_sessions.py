"""Sessions as they are stored: logs of events, and state by key.

==============  ====  =============================================================================
key             type  holds
==============  ====  =============================================================================
session         log   by app, user and id: the events; in its head ``time`` and the session's state
app_state       hash  by app: the state that its sessions share
user_state      hash  by app and user: the state that the user's sessions of this app share
apps            hash  by user: the apps that may have sessions or state of the user
==============  ====  =============================================================================

No write reads before: each key of a state is a field of its own, so none is lost.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from redis_store._connections.commands import Command, Reply, pairs
from redis_store._engine.arguments import check_id
from redis_store._engine.database import Database
from redis_store._engine.hash_indexes import Id
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.logs import Head, Item, Logs
from redis_store._engine.operations import Repository, operation, query
from redis_store.errors import CorruptRecordError

NAME = "google_adk"

# What the fields of a session's state start with, in the head of its log.
_STATE = "state:"

State = dict[str, Any]


class SessionId(NamedTuple):
    """What identifies a session: an app, a user of it, and an id among that user's."""

    app: str
    user: str
    session: str

    def checked(self) -> "SessionId":
        """Return the id if keys can hold it."""
        check_id("app_name", self.app)
        check_id("user_id", self.user)
        check_id("session_id", self.session)
        return self


class Delta(NamedTuple):
    """Changes of state, by what shares them; values are JSON values."""

    app: State
    user: State
    session: State


class StoredSession(NamedTuple):
    """A session as it was read; its state has the shared ones, with ADK's prefixes.

    Attributes:
        id: The session.
        state: Its state.
        events: The JSON of its events, from oldest to newest.
        time: When it was last updated, in seconds since 1970.
    """

    id: SessionId
    state: State
    events: Sequence[bytes]
    time: float


class StoredSessions(Repository):
    """The sessions of a store.

    Args:
        db: The database of the store.
        ttl: How long an unused session lives; ``None`` is for ever. Shared state stays.
    """

    def __init__(self, db: Database, ttl: timedelta | None = None) -> None:
        super().__init__(db)
        self._own = IntegrationKeys(db.keys, NAME)
        self.logs = Logs(db, self._own, "session", listed_in=_listed_in, ttl=ttl)

    @operation
    async def create_session(self, id: SessionId, time: float, delta: Delta) -> bool:
        """Store a new session; ``False`` if there is one. One round trip (two hash-tagged)."""
        also = [self._mention(id.checked()), *self._shared(id, delta)]
        fields = _fields(time, delta)
        return await self.logs.append(id, fields=fields, expect="missing", also=also)

    @operation
    async def append_event(self, id: SessionId, time: float, event: bytes, delta: Delta) -> bool:
        """Append an event and apply its changes of state, once if it is delivered again.

        One round trip. In the hash-tagged layout shared state follows in a second one.

        Returns:
            Whether there is such a session.
        """
        return await self.logs.append(
            id,
            [Item(event, time)],
            fields=_fields(time, delta),
            expect="present",
            also=self._shared(id.checked(), delta),
            token=sha256(event).hexdigest()[:32],
        )

    @query
    async def get_session(
        self, id: SessionId, *, last: int | None = None, since: float | None = None
    ) -> StoredSession | None:
        """Read a session. One round trip.

        Args:
            id: The session.
            last: At most so many of its newest events.
            since: Only events after the newest one from before this time.
        """
        log, shared = await asyncio.gather(
            self.logs.read(id.checked(), last=last, since=since), self._read_shared(id.app, id.user)
        )
        if log is None:
            return None
        events = [item.body for item in log.items]
        return self._stored(id, log.head, events, shared)

    @query
    async def list_sessions(self, app: str, user: str | None) -> list[StoredSession]:
        """List sessions without events, in any order.

        Two round trips for a user, three for an app.
        """
        check_id("app_name", app)
        if user is not None:
            index = ("user", app, check_id("user_id", user))
            found, shared = await asyncio.gather(
                self.logs.list_by(index), self._read_shared(app, user)
            )
            states = [shared] * len(found)
        else:
            found = await self.logs.list_by(("app", app))
            users = [user for (_, user, _), _ in found]
            states = await self._read_shared_by_all(app, users)
        return [
            self._stored(SessionId(*id_), head, [], state)
            for (id_, head), state in zip(found, states, strict=True)
        ]

    @operation
    async def delete_session(self, id: SessionId) -> None:
        """Delete a session; its user's and app's state stay. One round trip (two hash-tagged)."""
        await self.logs.delete(id.checked())

    @query
    async def get_user_state(self, app: str, user: str) -> State:
        """Read the state that a user's sessions of an app share. One round trip."""
        key = self.user_state_key(check_id("app_name", app), check_id("user_id", user))
        return _decoded(key, await self._db.command("HGETALL", key))

    def events_key(self, id: SessionId) -> str:
        """The key of a session's events."""
        return self._own.key("session_items", *id)

    def user_state_key(self, app: str, user: str) -> str:
        """The key of the state that a user's sessions of an app share."""
        return self._own.key("user_state", app, user)

    def apps_key(self, user: str) -> str:
        """The key of the apps that may have anything of a user."""
        return self._own.key("apps", user)

    def own_state(self, id: Id, head: Head) -> State:
        """Return the state that no other session shares."""
        own = (
            (name.removeprefix(_STATE), value)
            for name, value in head.fields.items()
            if name.startswith(_STATE)
        )
        return _loaded(self.logs.indexes.record(id), own)

    def time(self, id: Id, head: Head) -> float:
        """Return when a session was last updated."""
        try:
            return float(head.fields["time"])
        except (KeyError, ValueError) as exc:
            raise CorruptRecordError(self.logs.indexes.record(id), "it has no time") from exc

    def _app_state_key(self, app: str) -> str:
        return self._own.key("app_state", app)

    def _mention(self, id: SessionId) -> Command:
        return ("HSET", self.apps_key(id.user), id.app, "")

    def _shared(self, id: SessionId, delta: Delta) -> list[Command]:
        """Build the commands that change shared state."""
        states = {
            self._app_state_key(id.app): delta.app,
            self.user_state_key(id.app, id.user): delta.user,
        }
        return [
            ("HSET", key, *(part for field in _encoded(state) for part in field))
            for key, state in states.items()
            if state
        ]

    async def _read_shared(self, app: str, user: str) -> State:
        (state,) = await self._read_shared_by_all(app, [user])
        return state

    async def _read_shared_by_all(self, app: str, users: Sequence[str]) -> list[State]:
        """Read the app's state and, for each user, add the user's. One round trip."""
        app_key = self._app_state_key(app)
        key_of = {user: self.user_state_key(app, user) for user in users}
        keys = [app_key, *key_of.values()]
        of_app, *found = await self._db.send([("HGETALL", key) for key in keys])
        shared = _prefixed("app:", _decoded(app_key, of_app))
        state_of = {
            user: shared | _prefixed("user:", _decoded(key, reply))
            for (user, key), reply in zip(key_of.items(), found, strict=True)
        }
        return [state_of[user] for user in users]

    def _stored(
        self, id: SessionId, head: Head, events: Sequence[bytes], shared: State
    ) -> StoredSession:
        state = self.own_state(id, head) | shared
        return StoredSession(id, state, events, self.time(id, head))


def _listed_in(id: Id) -> list[Id]:
    app, user, _ = id
    return [("user", app, user), ("app", app)]


def _fields(time: float, delta: Delta) -> dict[str, str | bytes]:
    own = {f"{_STATE}{name}": value for name, value in _encoded(delta.session)}
    return {"time": repr(time), **own}


def _encoded(state: State) -> Iterator[tuple[str, bytes]]:
    for name, value in state.items():
        # As `json.loads` reads bytes: with half a surrogate pair too.
        yield name, json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _decoded(key: str, reply: Reply) -> State:
    """Decode a reply to HGETALL whose values are JSON."""
    return _loaded(key, ((name.decode(), value) for name, value in pairs(reply)))


def _loaded(key: str, fields: Iterable[tuple[str, bytes]]) -> State:
    try:
        return {name: json.loads(value) for name, value in fields}
    except ValueError as exc:
        raise CorruptRecordError(key, f"its state is unreadable: {exc}") from exc


def _prefixed(prefix: str, state: Mapping[str, Any]) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}
