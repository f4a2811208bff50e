"""Events of an MCP server that a client asks for again, after another process has taken over.

pip install 'redis-store[embedded,mcp]'
python examples/mcp_server.py
"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from tempfile import TemporaryDirectory

from mcp.server.streamable_http import EventMessage
from mcp_types import JSONRPCNotification

from redis_store import RedisStore
from redis_store.integrations.mcp import RedisEventStore, RedisKeyValue

STREAM = "request-1"


async def send(directory: Path) -> None:
    """Send three events, as the transport of a server with ``event_store=`` does."""
    async with RedisStore(f"embedded://{directory}") as store:
        events = RedisEventStore(store)
        for done in (25, 50, 75):
            message = JSONRPCNotification(
                jsonrpc="2.0", method="notifications/progress", params={"progress": done}
            )
            print(await events.store_event(STREAM, message))
        await RedisKeyValue(store).put("session", {"user": "ana"}, ttl=3600)


async def resume(directory: Path, last_event_id: str) -> None:
    """Send what a client has missed, as ``Last-Event-ID`` says."""

    async def write(event: EventMessage) -> None:
        if isinstance(event.message, JSONRPCNotification):
            print(f"again: {event.message.params}")

    async with RedisStore(f"embedded://{directory}") as store:
        await RedisEventStore(store).replay_events_after(last_event_id, write)
        print(f"session: {await RedisKeyValue(store).get('session')}")


async def main() -> None:
    if len(sys.argv) > 1:
        await send(Path(sys.argv[1]))
        return
    with TemporaryDirectory() as directory:
        command = sys.executable, __file__, directory
        first = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        output, _ = await first.communicate()
        ids = output.decode().split()
        print(f"the first process sent {len(ids)} events; the client got one")
        await resume(Path(directory), ids[0])


if __name__ == "__main__":
    asyncio.run(main())
