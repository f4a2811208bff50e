"""OpenAI Agents: ``RedisSession``, all sessions on one client. It keeps no record of a session."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from benchmarks.contenders.peers.store import TEXT, PeerStore

# By name: these packages are installed in the peer's own environment only.
_redis: Any = import_module("redis.asyncio")
_memory: Any = import_module("agents.extensions.memory")


class OpenAIAgents:
    """See ``PeerStore``."""

    reads_thread = False

    def __init__(self, client: Any) -> None:
        self._client = client
        self._sessions: dict[str, Any] = {}

    def _session(self, thread_id: str) -> Any:
        """Keep sessions, as an agent that lives does."""
        if thread_id not in self._sessions:
            session = _memory.RedisSession(thread_id, redis_client=self._client)
            self._sessions[thread_id] = session
        return self._sessions[thread_id]

    def build(self, ids: Iterable[str]) -> Any:
        """See ``PeerStore``. Items from users have no id."""
        return [{"role": "user", "content": TEXT} for _ in ids]

    async def clear(self) -> None:
        """See ``PeerStore``."""
        await self._client.flushdb()

    async def drop(self, thread_id: str) -> None:
        """See ``PeerStore``."""
        await self._session(thread_id).clear_session()

    async def fill(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``."""
        await self.append(thread_id, messages)

    async def get(self, thread_id: str) -> int:
        """See ``PeerStore``."""
        raise NotImplementedError

    async def last(self, thread_id: str, count: int) -> int:
        """See ``PeerStore``."""
        return len(await self._session(thread_id).get_items(limit=count or None))

    async def append(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``."""
        await self._session(thread_id).add_items(messages)

    async def close(self) -> None:
        """See ``PeerStore``."""
        await self._client.aclose()


async def connect(url: str) -> PeerStore:
    """Build a client."""
    return OpenAIAgents(_redis.Redis.from_url(url))
