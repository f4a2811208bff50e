"""Microsoft Agent Framework: ``RedisHistoryProvider``. It keeps no record of a session."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from benchmarks.contenders.peers.store import TEXT, PeerStore

# By name: these packages are installed in the peer's own environment only.
_redis: Any = import_module("redis.asyncio")
_framework: Any = import_module("agent_framework")
_integration: Any = import_module("agent_framework_redis")


class AgentFramework:
    """See ``PeerStore``."""

    reads_thread = False

    def __init__(self, client: Any) -> None:
        self._client = client
        self._history = _integration.RedisHistoryProvider(
            redis_client=client, application_id="benchmark"
        )

    def build(self, ids: Iterable[str]) -> Any:
        """See ``PeerStore``. Without ids, equal messages would be taken for repeated ones."""
        return [_framework.Message("user", [TEXT], message_id=id_) for id_ in ids]

    async def clear(self) -> None:
        """See ``PeerStore``."""
        await self._client.flushdb()

    async def drop(self, thread_id: str) -> None:
        """See ``PeerStore``."""
        await self._history.clear(thread_id)

    async def fill(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``."""
        await self.append(thread_id, messages)

    async def get(self, thread_id: str) -> int:
        """See ``PeerStore``."""
        raise NotImplementedError

    async def last(self, thread_id: str, count: int) -> int:
        """See ``PeerStore``. It can read only all of them."""
        return len((await self._history.get_messages(thread_id))[-count:])

    async def append(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``."""
        await self._history.save_messages(thread_id, messages)

    async def close(self) -> None:
        """See ``PeerStore``."""
        await self._client.aclose()


async def connect(url: str) -> PeerStore:
    """Build the provider, on a client as it would build."""
    return AgentFramework(_redis.Redis.from_url(url, decode_responses=True))
