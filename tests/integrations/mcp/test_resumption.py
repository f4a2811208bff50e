"""A real MCP client and server over HTTP: a connection is lost, and the stream goes on from there.

The SDK's client reconnects by itself, with ``Last-Event-ID``.
"""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

pytest.importorskip("mcp", reason="needs redis-store[frameworks]")

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from redis_store import RedisStore
from redis_store._engine.integration_keys import IntegrationKeys
from tests.integrations.mcp.resumable_server import STEPS
from tests.support.deployments.place import Place
from tests.support.schedules.waiting import until
from tests.support.wire.proxies import UnsteadyPath
from tests.support.wire.raw import Raw

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def server_process(socket: Path, place: Place) -> AsyncGenerator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, or it is killed."""
    arguments = str(socket), place.url, place.keys.prefix, str(place.keys.hash_tags)
    module = "tests.integrations.mcp.resumable_server"
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=ROOT) as process:  # noqa: ASYNC220 - it is only started
        try:
            await until(socket.exists, "the server listens", timeout=40)
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("by", ["the same process", "another process"])
async def test_a_client_that_lost_its_connection_gets_the_rest_once(
    opened: RedisStore, place: Place, raw: Raw, tmp_path: Path, by: str
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    steps: list[float] = []
    result: object = None
    async with server_process(first, place) as process, UnsteadyPath(str(first), tcp=True) as path:

        async def count_step(progress: float, total: float | None, message: str | None) -> None:
            assert (total, message) == (STEPS, None)
            steps.append(progress)

        async def interrupt() -> None:
            await until(lambda: len(steps) == STEPS // 2, "half of the steps", timeout=20)
            path.cut()
            await opened.cache.set("go", value=True)
            await until(lambda: _is_answered(raw, place), "the tool has ended", timeout=20)
            if by == "the same process":
                path.go_on()
                return
            process.kill()
            async with server_process(second, place):
                path.move_to(str(second))
                path.go_on()
                await ended.wait()

        ended = anyio.Event()
        url = path.url.replace("redis://", "http://") + "/mcp"
        async with anyio.create_task_group() as group:
            group.start_soon(interrupt)
            async with (
                streamable_http_client(url, terminate_on_close=False) as (receiving, sending),
                ClientSession(receiving, sending) as session,
            ):
                await session.initialize()
                await session.list_tools()  # else the client asks for it when it has the result
                result = await session.call_tool("count", progress_callback=count_step)
            ended.set()
    assert isinstance(result, CallToolResult)
    assert [part.model_dump()["text"] for part in result.content] == ["counted"]
    assert steps == [*range(STEPS)]
    await opened.cache.clear()


async def _is_answered(raw: Raw, place: Place) -> bool:
    """Whether a stream has all steps and the answer."""
    events = IntegrationKeys(place.keys, "mcp").pattern("events")
    for key in await raw("KEYS", events):
        entries = await raw("XRANGE", key, "-", "+")
        if any(b"counted" in b"".join(fields) for _, fields in entries):
            return True
    return False
