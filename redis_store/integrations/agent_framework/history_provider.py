"""RedisHistoryProvider: the framework's messages on ``stored_history``."""

import json
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from redis_store._engine.arguments import check_count, check_id, check_instance, check_ttl
from redis_store._engine.operations import named
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.agent_framework.stored_history import (
    IDENTITY,
    HistoryId,
    StoredHistories,
    StoredMessage,
)
from redis_store.store import RedisStore

with requires("agent-framework"):
    from agent_framework import HistoryProvider, Message

_SHORTEST = timedelta(milliseconds=1)


class RedisHistoryProvider(HistoryProvider):
    """Conversation histories of Microsoft's Agent Framework, where a save costs what is new.

    ::

        history = RedisHistoryProvider(store, user="ana", load_last=40)
        agent = Agent(client, context_providers=[history])

    Loading is one round trip, and transfers only what is loaded; saving is one round trip at any
    length. Input may repeat what is stored, a whole transcript or its end: as in the framework's
    own providers only what follows is appended, told by message ids or else by role and contents.
    The server compares, in the step that appends, so that of racing saves no message is lost.

    What the protocol makes impossible: a single message of a user without an id that equals the
    last one is taken for a new one. What ``Message.to_dict`` leaves out is not stored, such as
    ``raw_representation``. A session's state is no part of its history; for that there is
    ``RedisSessionStore``.

    ``store.erase_resource(user)`` removes a user's histories, and ``export_resource`` returns them;
    ``Retention(integrations=…)`` removes old ones. Errors of the server are those of
    ``redis_store``.

    Args:
        store: An open store, shared by any number of providers. It is not closed here.
        source_id: The provider, of several that one agent has.
        user: Who owns the histories: those of others are not found.
        load_last: At most so many of the newest messages are loaded; ``None`` is all.
        ttl: How long a history lives after it was last loaded or saved; ``None`` is for ever.
        load_messages: See ``HistoryProvider``, as for those that follow.
        store_inputs: Whether what is asked is stored.
        store_context_messages: Whether what other providers add is stored.
        store_context_from: Only what these add; ``None`` is all.
        store_outputs: Whether what is answered is stored.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        source_id: str = "redis_store",
        user: str = "default",
        load_last: int | None = None,
        ttl: timedelta | None = None,
        load_messages: bool = True,
        store_inputs: bool = True,
        store_context_messages: bool = False,
        store_context_from: set[str] | None = None,
        store_outputs: bool = True,
    ) -> None:
        super().__init__(
            check_id("source_id", source_id),
            load_messages=load_messages,
            store_inputs=store_inputs,
            store_context_messages=store_context_messages,
            store_context_from=store_context_from,
            store_outputs=store_outputs,
        )
        check_instance("store", store, RedisStore)
        check_ttl("ttl", ttl)
        if ttl is not None and ttl < _SHORTEST:
            raise InvalidArgumentError("ttl", "must be a millisecond or more", ttl)
        self.load_last = None if load_last is None else check_count("load_last", load_last)
        self._user = check_id("user", user)
        self._histories = StoredHistories(database_of(store), ttl)

    async def get_messages(
        self,
        session_id: str | None,
        *,
        state: dict[str, Any] | None = None,  # noqa: ARG002 - the protocol's
        **kwargs: Any,  # noqa: ARG002 - the protocol's
    ) -> list[Message]:
        """Read a session's newest messages, oldest first. One round trip.

        Args:
            session_id: The session; ``None`` is ``"default"``.
            state: Not used.
            kwargs: Not used.
        """
        id_ = self._id(session_id)
        found = await self._histories.get_messages(id_, self.load_last)
        key = self._histories.items_key(id_)
        return [_message(key, each) for each in found]

    async def save_messages(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        state: dict[str, Any] | None = None,  # noqa: ARG002 - the protocol's
        **kwargs: Any,  # noqa: ARG002 - the protocol's
    ) -> None:
        """Append the messages that follow those stored, all or none. One round trip.

        Args:
            session_id: The session; ``None`` is ``"default"``.
            messages: Messages; they may begin with those stored.
            state: Not used.
            kwargs: Not used.

        Raises:
            InvalidArgumentError: A message has no JSON form. Nothing was stored.
        """
        with named("save_messages"):
            given = [_stored(message, at) for at, message in enumerate(messages)]
        if given:
            await self._histories.save_messages(self._id(session_id), given)

    async def clear(self, session_id: str | None) -> None:
        """Delete a session's history; no-op if there is none.

        One round trip; three in the hash-tagged layout.
        """
        await self._histories.clear(self._id(session_id))

    def _id(self, session_id: str | None) -> HistoryId:
        return HistoryId(
            self._user, self.source_id, "default" if session_id is None else session_id
        )


def _stored(message: Message, at: int) -> StoredMessage:
    try:
        given = message.to_dict()
        encoded = _json(given)
        Message.from_dict(json.loads(encoded))
    except (AttributeError, TypeError, ValueError, RecursionError) as exc:
        why = f"has no JSON form: {exc}"
        raise InvalidArgumentError("messages", why, place=f"[{at}]") from exc
    return StoredMessage(_identity(message, given), encoded)


def _identity(message: Message, given: dict[str, Any]) -> bytes:
    """Return what the framework takes for one message: its id, else its role and contents."""
    if message.message_id is not None:
        flag, told_by = b"i", _json(["id", str(message.message_id)])
    else:
        flag = b"u" if message.role == "user" else b"-"
        told_by = _json(["content", str(message.role), given.get("contents", [])], sort_keys=True)
    return flag + sha256(told_by).digest()[: IDENTITY - 1]


def _json(value: object, *, sort_keys: bool = False) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    # As `json.loads` reads bytes: with half a surrogate pair too.
    return text.encode("utf-8", "surrogatepass")


def _message(key: str, stored: bytes) -> Message:
    try:
        return Message.from_dict(json.loads(stored))
    except (AttributeError, TypeError, ValueError) as exc:
        raise CorruptRecordError(key, f"a message is unreadable: {exc}") from exc
