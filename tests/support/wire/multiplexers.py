"""A multiplexer opened on a server, and calls that say who they are."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, cast

import anyio.lowlevel
import pytest
import redis.asyncio as aioredis

from redis_store._connections.multiplexer import Multiplexer
from redis_store._connections.pools import ClientPool
from tests.support.inspection.leftovers import no_leaks

LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]


async def first_stream() -> None:
    """Let uvloop open what it keeps open for all streams: it is no leak."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()


async def turns(number: int = 50) -> None:
    """Let the event loop go round: what is on its way over loopback arrives meanwhile."""
    for _ in range(number):
        await anyio.lowlevel.cancel_shielded_checkpoint()


class Asked:
    """A multiplexer that is sent one command at a time."""

    def __init__(self, multiplexer: Multiplexer, timeout: float) -> None:
        self.multiplexer = multiplexer
        self._timeout = timeout

    async def __call__(self, *command: str | bytes | int, dedicated: bool = False) -> Any:
        deadline = monotonic() + self._timeout
        (reply,) = await self.multiplexer.send([command], deadline, dedicated=dedicated)
        return reply

    async def echo(self, word: str, *, dedicated: bool = False) -> None:
        """Have the server repeat a word; assert that the reply is the one to it."""
        assert await self("ECHO", word, dedicated=dedicated) == word.encode(), (
            "another caller's reply"
        )


@asynccontextmanager
async def asked(
    url: str, *, size: int = 50, seconds: float = 5.0, **options: Any
) -> AsyncGenerator[Asked]:
    """Open a multiplexer that owns its pool; nothing of it may be left afterwards."""
    await first_stream()
    async with no_leaks():
        from_url = cast("Any", aioredis.ConnectionPool).from_url
        pool = from_url(url, max_connections=size, socket_timeout=seconds, **options)
        multiplexer = Multiplexer(ClientPool(pool), owned=True, timeout=seconds)
        try:
            yield Asked(multiplexer, seconds)
        finally:
            await multiplexer.close()
            await pool.aclose()
