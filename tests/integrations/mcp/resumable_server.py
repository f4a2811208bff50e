"""An MCP server over streamable HTTP on a unix socket; run by ``test_resumption.py``.

usage: python -m tests.integrations.mcp.resumable_server SOCKET URL PREFIX TAGS

Its tool ``count`` reports six steps; after three it waits for the key ``go`` of the store's cache.
A request with the session of another process gets a transport of its own, as an application has it
that lets any process resume: the SDK's manager answers only for sessions that it began itself.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import StreamableHTTPServerTransport
from starlette.types import Message, Receive, Scope, Send

from redis_store import RedisStore
from redis_store.integrations.mcp import RedisEventStore
from tests.support.schedules.waiting import until

STEPS = 6


def build(store: RedisStore) -> MCPServer:
    server = MCPServer("counter")

    @server.tool()
    async def count(context: Context) -> str:  # pyright: ignore[reportUnusedFunction]
        for step in range(STEPS):
            if step == STEPS // 2:
                await until(lambda: store.cache.get("go"), "the key", timeout=30)
            await context.report_progress(step, STEPS)
        return "counted"

    return server


async def main(socket: str, url: str, prefix: str, tags: str) -> None:
    async with RedisStore(url, key_prefix=prefix, hash_tags=tags == "True") as store:
        events = RedisEventStore(store)
        server = build(store)
        # A short retry interval; the client waits for so long before it resumes.
        app = server.streamable_http_app(event_store=events, retry_interval=10)
        own: set[str] = set()

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            asked = dict(scope.get("headers", ())).get(b"mcp-session-id", b"").decode()
            if asked and asked not in own:
                await take_over(asked, scope, receive, send)
                return

            async def note_session(message: Message) -> None:
                headers: list[tuple[bytes, bytes]] = message.get("headers", [])
                own.update(value.decode() for name, value in headers if name == b"mcp-session-id")
                await send(message)

            await app(scope, receive, note_session)

        async def take_over(session: str, scope: Scope, receive: Receive, send: Send) -> None:
            transport = StreamableHTTPServerTransport(session, event_store=events)
            async with transport.connect():
                await transport.handle_request(scope, receive, send)

        config = uvicorn.Config(serve, uds=socket, log_level="warning", lifespan="off")
        async with lifespan(server):
            await uvicorn.Server(config).serve()


@asynccontextmanager
async def lifespan(server: MCPServer) -> AsyncGenerator[None]:
    """Run the manager of sessions, which uvicorn would do for the application itself."""
    async with server.session_manager.run():
        yield


if __name__ == "__main__":
    socket, url, prefix, tags = sys.argv[1:]
    anyio.run(main, socket, url, prefix, tags)
