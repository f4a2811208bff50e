"""LangGraph on Valkey: ``AsyncValkeySaver``. Each step saves the whole state, messages included."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from benchmarks.contenders.peers.store import TEXT, PeerStore

# By name: these packages are installed in the peer's own environment only.
_valkey: Any = import_module("valkey.asyncio")
_saver: Any = import_module("langgraph_checkpoint_aws.checkpoint.valkey")
_checkpoint: Any = import_module("langgraph.checkpoint.base")
_messages: Any = import_module("langchain_core.messages")


def _config(thread_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


class LangGraph:
    """See ``PeerStore``."""

    reads_thread = False

    def __init__(self, client: Any) -> None:
        self._client = client
        self._saver = _saver.AsyncValkeySaver(client)
        # The next step starts from the state that was read, as a graph's does.
        self._states: dict[str, Any] = {}

    def build(self, ids: Iterable[str]) -> Any:
        """See ``PeerStore``."""
        return [_messages.HumanMessage(TEXT, id=id_) for id_ in ids]

    async def clear(self) -> None:
        """See ``PeerStore``."""
        await self._client.flushdb()

    async def drop(self, thread_id: str) -> None:
        """See ``PeerStore``."""
        await self._saver.adelete_thread(thread_id)

    async def fill(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``."""
        self._states[thread_id] = _config(thread_id), []
        if messages:
            await self.append(thread_id, messages)

    async def get(self, thread_id: str) -> int:
        """See ``PeerStore``."""
        raise NotImplementedError

    async def last(self, thread_id: str, count: int) -> int:
        """See ``PeerStore``. It can read only all of them."""
        found = await self._saver.aget_tuple(_config(thread_id))
        if found is None:
            return 0
        stored = found.checkpoint["channel_values"]["messages"]
        self._states[thread_id] = found.config, stored
        return len(stored[-count:])

    async def append(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``: one step."""
        config, stored = self._states[thread_id]
        state = [*stored, *messages]
        checkpoint = _checkpoint.empty_checkpoint()
        versions = {"messages": len(state)}
        checkpoint |= {"channel_values": {"messages": state}, "channel_versions": versions}
        metadata: dict[str, Any] = {"source": "loop", "step": len(state), "parents": {}}
        config = await self._saver.aput(config, checkpoint, metadata, versions)
        self._states[thread_id] = config, state

    async def close(self) -> None:
        """See ``PeerStore``."""
        await self._client.aclose()


async def connect(url: str) -> PeerStore:
    """Build the saver, on a client without its limit of ten connections."""
    return LangGraph(_valkey.Valkey.from_url(url))
