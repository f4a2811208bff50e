"""Google ADK: ``RedisSessionService``. A session is one JSON document, with its events."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from benchmarks.contenders.peers.store import TEXT, PeerStore

# By name: these packages are installed in the peer's own environment only.
_redis: Any = import_module("redis.asyncio")
_integration: Any = import_module("google.adk.integrations.redis")
_events: Any = import_module("google.adk.events.event")
_types: Any = import_module("google.genai.types")
_sessions: Any = import_module("google.adk.sessions.base_session_service")

_OWNER: Final = {"app_name": "app", "user_id": "user"}


class GoogleADK:
    """See ``PeerStore``."""

    reads_thread = False

    def __init__(self, client: Any) -> None:
        self._client = client
        self._config = _integration.RedisSessionServiceConfig()
        self._service = _integration.RedisSessionService(self._config, client)
        # Events are appended to a session that was read, as its runner does.
        self._sessions: dict[str, Any] = {}

    def build(self, ids: Iterable[str]) -> Any:
        """See ``PeerStore``."""
        content = _types.Content(role="user", parts=[_types.Part(text=TEXT)])
        return [_events.Event(id=id_, author="user", content=content) for id_ in ids]

    async def clear(self) -> None:
        """See ``PeerStore``."""
        await self._client.flushdb()

    async def drop(self, thread_id: str) -> None:
        """See ``PeerStore``."""
        await self._service.delete_session(session_id=thread_id, **_OWNER)

    async def fill(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``. Appending them would write the document once per event."""
        session = await self._service.create_session(session_id=thread_id, **_OWNER)
        session.events = messages
        key = f"{self._config.key_prefix}{session.app_name}:{session.user_id}:{thread_id}"
        await self._client.set(key, session.model_dump_json(), xx=True, keepttl=True)
        await self.last(thread_id, 1)

    async def _read(self, thread_id: str, count: int | None) -> int:
        config = _sessions.GetSessionConfig(num_recent_events=count)
        session = await self._service.get_session(session_id=thread_id, config=config, **_OWNER)
        self._sessions[thread_id] = session
        return len(session.events)

    async def get(self, thread_id: str) -> int:
        """See ``PeerStore``."""
        return int(await self._read(thread_id, 0) == 0)

    async def last(self, thread_id: str, count: int) -> int:
        """See ``PeerStore``."""
        return await self._read(thread_id, count or None)

    async def append(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``: one event per call."""
        for event in messages:
            await self._service.append_event(self._sessions[thread_id], event)

    async def close(self) -> None:
        """See ``PeerStore``."""
        await self._client.aclose()


async def connect(url: str) -> PeerStore:
    """Build the service, on a client as it would build."""
    return GoogleADK(_redis.Redis.from_url(url, decode_responses=True))
