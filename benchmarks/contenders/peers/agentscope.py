"""AgentScope: ``RedisStorage``. Messages are saved one by one, as its service does."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from benchmarks.contenders.peers.store import TEXT, PeerStore

# By name: these packages are installed in the peer's own environment only.
_redis: Any = import_module("redis.asyncio")
_storage: Any = import_module("agentscope.app.storage")
_message: Any = import_module("agentscope.message")

_USER: Final = "user"
_AGENT: Final = "agent"
_ALL: Final = 1_000_000


class AgentScope:
    """See ``PeerStore``."""

    reads_thread = True

    def __init__(self, client: Any, storage: Any) -> None:
        self._client = client
        self._storage = storage

    def build(self, ids: Iterable[str]) -> Any:
        """See ``PeerStore``."""
        content = [_message.TextBlock(text=TEXT)]
        return [_message.Msg(id=id_, name="user", role="user", content=content) for id_ in ids]

    async def clear(self) -> None:
        """See ``PeerStore``."""
        await self._client.flushdb()

    async def drop(self, thread_id: str) -> None:
        """See ``PeerStore``."""
        await self._client.delete(*self._keys(thread_id))

    def _keys(self, thread_id: str) -> tuple[str, str]:
        """Give the keys of a thread's messages and of their ids."""
        keys, place = self._storage.key_config, {"user_id": _USER, "session_id": thread_id}
        return keys.messages.format(**place), keys.message_index.format(**place)

    async def fill(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``. One by one they would take two round trips each."""
        config = _storage.SessionConfig(workspace_id="workspace")
        await self._storage.upsert_session(_USER, _AGENT, config, session_id=thread_id)
        key, index = self._keys(thread_id)
        async with self._client.pipeline() as pipe:
            pipe.rpush(key, *(message.model_dump_json() for message in messages))
            pipe.sadd(index, *(message.id for message in messages))
            await pipe.execute()

    async def get(self, thread_id: str) -> int:
        """See ``PeerStore``."""
        return int(await self._storage.get_session(_USER, _AGENT, thread_id) is not None)

    async def last(self, thread_id: str, count: int) -> int:
        """See ``PeerStore``."""
        found, _ = await self._storage.list_messages(_USER, thread_id, limit=count or _ALL)
        return len(found)

    async def append(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``."""
        for message in messages:
            await self._storage.upsert_message(_USER, thread_id, message)

    async def close(self) -> None:
        """See ``PeerStore``."""
        await self._storage.aclose()
        await self._client.aclose()


async def connect(url: str) -> PeerStore:
    """Open the storage, on a pool as it would build."""
    pool = _redis.ConnectionPool.from_url(url, decode_responses=True)
    storage = _storage.RedisStorage(connection_pool=pool)
    await storage.__aenter__()
    return AgentScope(_redis.Redis.from_pool(pool), storage)
