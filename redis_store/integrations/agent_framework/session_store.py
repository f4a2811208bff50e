"""RedisSessionStore: snapshots of sessions, as documents. The framework calls this experimental."""

import json
from datetime import timedelta

from redis_store._engine.arguments import check_id, check_instance, check_ttl
from redis_store._engine.operations import named
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.agent_framework.stored_documents import SESSION, StoredDocuments
from redis_store.store import RedisStore

with requires("agent-framework"):
    from agent_framework import AgentSession, SessionStore

_SHORTEST = timedelta(milliseconds=1)


class RedisSessionStore(SessionStore):
    """Sessions of Microsoft's Agent Framework in Redis: their state, not their history.

    Each call is one round trip, deleting two. State may hold JSON values, and those of types that
    were registered by ``register_state_type``. The framework calls the interface experimental.

    What the protocol makes impossible: a session is stored as a whole, so of racing writers the
    last one wins.

    ``store.erase_resource(user)`` removes a user's sessions, and ``export_resource`` returns them;
    ``Retention(integrations=…)`` removes old ones. Errors of the server are those of
    ``redis_store``.

    Args:
        store: An open store, shared by any number of session stores. It is not closed here.
        user: Who owns the sessions: those of others are not found.
        ttl: How long a session lives after it was last stored or read; ``None`` is for ever.
    """

    def __init__(
        self, store: RedisStore, *, user: str = "default", ttl: timedelta | None = None
    ) -> None:
        super().__init__()
        check_instance("store", store, RedisStore)
        check_ttl("ttl", ttl)
        if ttl is not None and ttl < _SHORTEST:
            raise InvalidArgumentError("ttl", "must be a millisecond or more", ttl)
        self._user = check_id("user", user)
        self._documents = StoredDocuments(database_of(store), SESSION, ttl)

    async def get(self, session_id: str) -> AgentSession | None:
        """Read a session; ``None`` if there is none. One round trip."""
        found = await self._documents.get(self._user, session_id)
        if found is None:
            return None
        try:
            return AgentSession.from_dict(json.loads(found))
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            key = self._documents.documents.indexes.record((self._user, session_id))
            raise CorruptRecordError(key, f"it holds no session: {exc}") from exc

    async def set(self, session_id: str, session: AgentSession) -> None:
        """Store a session in the place of the one that is there. One round trip.

        Raises:
            InvalidArgumentError: A bad id, or state that has no JSON form. Nothing was stored.
        """
        with named("set"):
            check_id("session_id", session_id)
            body = _json(session)
        await self._documents.put(self._user, session_id, body)

    async def delete(self, session_id: str) -> None:
        """Delete a session; no-op if there is none. Two round trips (four hash-tagged)."""
        await self._documents.delete(self._user, session_id)


def _json(session: AgentSession) -> bytes:
    try:
        return json.dumps(session.to_dict(), separators=(",", ":"), allow_nan=False).encode()
    except (AttributeError, TypeError, ValueError, RecursionError) as exc:
        raise InvalidArgumentError("session", f"has no JSON form: {exc}") from exc
