"""RedisSessionService: ADK's types on ``stored_sessions``."""

import time
from datetime import timedelta
from typing import Any

from redis_store._engine.arguments import check_instance, check_ttl
from redis_store._engine.operations import named
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.google_adk.stored_sessions import (
    Delta,
    SessionId,
    StoredSession,
    StoredSessions,
)
from redis_store.models import new_id
from redis_store.store import RedisStore

with requires("google-adk"):
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.errors.session_not_found_error import SessionNotFoundError
    from google.adk.events.event import Event
    from google.adk.sessions.base_session_service import (
        BaseSessionService,
        GetSessionConfig,
        ListSessionsResponse,
    )
    from google.adk.sessions.session import Session
    from google.adk.sessions.state import State
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError, to_jsonable_python


_SHORTEST = timedelta(milliseconds=1)


class RedisSessionService(BaseSessionService):
    """ADK's sessions in Redis, where an event costs what it is, not what came before it.

    ::

        service = RedisSessionService(store)
        runner = Runner(agent=agent, app_name="app", session_service=service)

    A session is a log of its events, and each key of its state a field of its own; so are the keys
    of the states ``app:`` and ``user:``. Nothing is read in order to write, so no event and no
    state key of racing writers is lost. Appending is one round trip at any length, and so is
    reading a session or its newest events. As in ADK's own services, ``temp:`` state is not stored,
    and a session that others have appended to since it was read is appended to as well; read it
    again to see theirs.

    An event that is delivered again, equal in all but ``temp:``, is not stored twice, within a
    minute and 1,000 events. In the plain layout an event, its state and the listings change in one
    step. In the hash-tagged layout the states that sessions share are in other slots, and follow.

    ``store.erase_resource(user_id)`` removes a user's sessions and state, and ``export_resource``
    returns them; ``Retention(integrations=…)`` removes old sessions. Errors of the server are those
    of ``redis_store``.

    Args:
        store: An open store, shared by any number of services. It is not closed here.
        ttl: How long a session lives after it was last read or appended to; ``None`` is for ever.
            The states ``app:`` and ``user:`` stay.
    """

    def __init__(self, store: RedisStore, *, ttl: timedelta | None = None) -> None:
        check_instance("store", store, RedisStore)
        check_ttl("ttl", ttl)
        if ttl is not None and ttl < _SHORTEST:
            raise InvalidArgumentError("ttl", "must be a millisecond or more", ttl)
        self._sessions = StoredSessions(database_of(store), ttl)

    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Store a new session. Two round trips; three in the hash-tagged layout.

        Args:
            app_name: The app.
            user_id: Its user.
            state: The first state; keys that start with ``app:`` or ``user:`` are shared.
            session_id: The id, without surrounding space; by default a random one.

        Returns:
            The session, with the shared states.

        Raises:
            AlreadyExistsError: The user has a session of this id. Nothing was stored.
            InvalidArgumentError: A bad id, or state that has no JSON form. Nothing was stored.
        """
        id_ = SessionId(app_name, user_id, (session_id or "").strip() or new_id())
        with named("create_session"):
            delta = _delta(state or {})
        if not await self._sessions.create_session(id_, time.time(), delta):
            raise AlreadyExistsError(f"Session with id {id_.session} already exists.")
        created = await self._sessions.get_session(id_)
        if created is None:
            raise SessionNotFoundError(f"Session {id_.session} was deleted at once.")
        return self._session(created)

    async def get_session(
        self,
        *,
        app_name: str,
        user_id: str,
        session_id: str,
        config: GetSessionConfig | None = None,
    ) -> Session | None:
        """Read a session with its events. One round trip.

        Args:
            app_name: The app.
            user_id: Its user.
            session_id: The id, without surrounding space.
            config: Which events: at most so many of the newest; and none up to the newest one
                that is older than ``after_timestamp``. Only those are transferred.

        Returns:
            The session, with the shared states; ``None`` if there is none.
        """
        config = config or GetSessionConfig()
        found = await self._sessions.get_session(
            SessionId(app_name, user_id, _stripped(session_id)),
            last=config.num_recent_events,
            since=config.after_timestamp,
        )
        return None if found is None else self._session(found)

    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None
    ) -> ListSessionsResponse:
        """List sessions without events, the last updated last.

        Two round trips for a user, three for an app; events are neither read nor transferred.

        Args:
            app_name: The app.
            user_id: Only sessions of this user; ``None`` is any.
        """
        found = await self._sessions.list_sessions(app_name, user_id)
        found.sort(key=lambda each: (each.time, each.id.user, each.id.session))
        return ListSessionsResponse(sessions=[self._session(each) for each in found])

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Delete a session with its events; no-op if there is none. Shared states stay.

        One round trip; two in the hash-tagged layout.
        """
        id_ = SessionId(app_name, user_id, _stripped(session_id))
        await self._sessions.delete_session(id_)

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """Read the state of a user that all sessions share, without prefixes. One round trip."""
        return await self._sessions.get_user_state(app_name, user_id)

    async def append_event(self, session: Session, event: Event) -> Event:
        """Append an event, and apply its changes of state, in one step. One round trip.

        In the hash-tagged layout one more if it changes the states ``app:`` or ``user:``.

        Args:
            session: The session. Once the event is stored, it has it too.
            event: The event; a partial one is not stored.

        Returns:
            The event.

        Raises:
            SessionNotFoundError: There is no such session. Nothing was stored, and ``session`` is
                unchanged.
        """
        if event.partial:
            return event
        stored = _without_temp(event)
        id_ = SessionId(session.app_name, session.user_id, session.id)
        with named("append_event"):
            delta = _delta(stored.actions.state_delta)
            json = _json(stored)
        if not await self._sessions.append_event(id_, event.timestamp, json, delta):
            raise SessionNotFoundError(f"Session {session.id} not found.")
        # Delivered again, to a session that has it.
        if not any(each == stored for each in session.events if each.id == event.id):
            await super().append_event(session, event)
            session.last_update_time = event.timestamp
        return event

    def _session(self, stored: StoredSession) -> Session:
        try:
            events = [Event.model_validate_json(json) for json in stored.events]
        except ValidationError as exc:
            key = self._sessions.events_key(stored.id)
            raise CorruptRecordError(key, "an event is unreadable") from exc
        return Session(
            id=stored.id.session,
            app_name=stored.id.app,
            user_id=stored.id.user,
            state=stored.state,
            events=events,
            last_update_time=stored.time,
        )


def _stripped(session_id: Any) -> Any:
    return session_id.strip() if isinstance(session_id, str) else session_id


def _without_temp(event: Event) -> Event:
    """Return the event as it is stored."""
    delta = event.actions.state_delta
    kept = {key: delta[key] for key in delta if not key.startswith(State.TEMP_PREFIX)}
    if len(kept) == len(delta):
        return event
    actions = event.actions.model_copy(update={"state_delta": kept})
    return event.model_copy(update={"actions": actions})


def _json(event: Event) -> bytes:
    try:
        json = event.model_dump_json(exclude_none=True).encode()
        # What JSON changes, such as a timestamp that is no number, may be no event any more: the
        # whole session could not be read.
        Event.model_validate_json(json)
    except ValidationError as exc:
        place = "".join(f".{part}" for part in exc.errors()[0]["loc"])
        raise InvalidArgumentError("event", "would not come back", place=place) from exc
    except (PydanticSerializationError, UnicodeEncodeError) as exc:
        raise InvalidArgumentError("event", f"has no JSON form: {exc}") from exc
    return json


def _delta(state: dict[str, Any]) -> Delta:
    """Sort changes of state by what shares them, without ``temp:``, as JSON values."""
    try:
        # Unknown objects as their text, as ADK's own services store them.
        given: dict[str, Any] = to_jsonable_python(state, serialize_unknown=True)
    except ValueError as exc:
        raise InvalidArgumentError("state", f"has no JSON form: {exc}") from exc
    delta = Delta({}, {}, {})
    for key, value in given.items():
        if key.startswith(State.APP_PREFIX):
            delta.app[key.removeprefix(State.APP_PREFIX)] = value
        elif key.startswith(State.USER_PREFIX):
            delta.user[key.removeprefix(State.USER_PREFIX)] = value
        elif not key.startswith(State.TEMP_PREFIX):
            delta.session[key] = value
    return delta
