"""RedisEventStore: the events of an MCP server's streams, from which clients resume."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from secrets import token_urlsafe
from typing import NamedTuple

from redis_store._connections.commands import Argument
from redis_store._engine import scripts
from redis_store._engine.arguments import check_count, check_id, check_instance
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.timestamps import to_ms
from redis_store._parts import database_of
from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.store import RedisStore

with requires("mcp"):
    from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
    from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse
    from pydantic import TypeAdapter, ValidationError

NAME = "mcp"
EVENTS = "events"
_STORE = scripts.of_integration(__package__ or "", "store_event")
_MESSAGE: TypeAdapter[JSONRPCMessage] = TypeAdapter(JSONRPCMessage)
_ENTRY_ID = re.compile(r"\d+-\d+")


class _EventId(NamedTuple):
    """What tells an event: its entry in the stream, and a secret that only its receiver knows."""

    entry: str
    token: str
    stream: str

    def write(self) -> str:
        """Write it as a text for an HTTP header: whatever the stream's name has is encoded."""
        stream = urlsafe_b64encode(self.stream.encode()).decode().rstrip("=")
        return f"{self.entry}.{self.token}.{stream}"

    @classmethod
    def read(cls, text: str) -> "_EventId | None":
        """Read what ``write`` wrote; ``None`` for any other text."""
        entry, _, rest = text.partition(".")
        token, _, stream = rest.partition(".")
        if not _ENTRY_ID.fullmatch(entry):
            return None
        try:
            padded = stream + "=" * (-len(stream) % 4)
            return cls(entry, token, urlsafe_b64decode(padded.encode()).decode())
        except ValueError:
            return None


class RedisEventStore(EventStore):
    """Keeps what an MCP server sent, so that a client that lost its connection gets the rest.

    ::

        manager = StreamableHTTPSessionManager(app, event_store=RedisEventStore(store))

    Storing an event takes one round trip and its own size, replaying takes one. An event id cannot
    be guessed, and no more than what follows it in its stream is replayed.

    What the protocol makes impossible: the SDK names a stream by the id of its request, or
    ``_GET_stream``, and not by its session, though one event store serves all sessions. Two
    sessions that use one request id at a time share a stream, as with every event store; a replay
    ends with the answer to the request, so only what they sent meanwhile can be mixed up. Where you
    make the transports yourself, give each session a store with a ``scope`` of its own. The SDK
    never deletes a stream, so each expires; ``Retention(integrations=…)`` removes old ones earlier.
    Nor does it tell whose a stream is, so ``erase_resource`` does not find a user's.

    Args:
        store: An open store. It is not closed here.
        scope: What streams are kept apart by: a server's name, or a session's id.
        max_events: About how many of the newest events of a stream are kept.
        ttl: How long a stream lives after its last event.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        scope: str = "default",
        max_events: int = 1000,
        ttl: timedelta = timedelta(hours=1),
    ) -> None:
        self._db = database_of(check_instance("store", store, RedisStore))
        self._scope = check_id("scope", scope)
        self._max_events = check_count("max_events", max_events)
        if not max_events:
            raise InvalidArgumentError("max_events", "must be 1 or more", max_events)
        self._ttl_ms = to_ms(check_instance("ttl", ttl, timedelta))
        if self._ttl_ms <= 0:
            raise InvalidArgumentError("ttl", "must be positive", ttl)
        self._names = IntegrationKeys(self._db.keys, NAME)

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Store an event, and return its id. One round trip; a lost reply stores it once.

        Args:
            stream_id: The stream.
            message: The message; ``None`` for an event that only has an id, to resume from.
        """
        body = b""
        if message is not None:
            body = _MESSAGE.dump_json(message, by_alias=True, exclude_unset=True)
        token = token_urlsafe(12)
        args: list[Argument] = [token, body, self._max_events, self._ttl_ms]
        entry = await self._db.run(_STORE, [self._stream(stream_id)], args)
        return _EventId(entry.decode(), token, stream_id).write()

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """Send the events that follow one in its stream, up to the answer. One round trip.

        Returns:
            The stream; ``None`` if the event is unknown or is not kept any more: then nothing was
            sent, as it could not be told what is missing.

        Raises:
            CorruptRecordError: An event is no message; those before it were sent.
        """
        last = _EventId.read(last_event_id)
        if last is None:
            return None
        key = self._stream(last.stream)
        (found,) = await self._db.send([("XRANGE", key, last.entry, "+")])
        entries = [(entry.decode(), fields) for entry, fields in found or ()]
        if not entries or entries[0][0] != last.entry or entries[0][1][1] != last.token.encode():
            return None
        for entry, fields in entries[1:]:
            token, message = decoded_event(key, fields)
            if message is None:
                continue
            id_ = _EventId(entry, token, last.stream).write()
            await send_callback(EventMessage(message, id_))
            if isinstance(message, (JSONRPCResponse, JSONRPCError)):
                break
        return last.stream

    def _stream(self, stream_id: str) -> str:
        return self._names.key(EVENTS, self._scope, stream_id)


def decoded_event(key: str, fields: Sequence[bytes]) -> tuple[str, JSONRPCMessage | None]:
    """Return the token and the message of an event; ``None`` if it has only an id.

    Raises:
        CorruptRecordError: It is no event.
    """
    try:
        _, token, _, body = fields
        return token.decode(), _MESSAGE.validate_json(body) if body else None
    except (ValueError, ValidationError) as exc:
        raise CorruptRecordError(key, "an event is no message") from exc
