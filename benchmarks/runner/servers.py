"""Servers that end with this process: embedded, on TCP, or a cluster.

TCP servers are for the curves over cluster size: a cluster cannot run on unix sockets.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final, cast

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from redis_store import EmbeddedServer, RedisStore
from redis_store.embedded import find_server
from redis_store.embedded.watchdog import Watched

_HOST: Final = "127.0.0.1"
_SLOTS: Final = 16384
_BUS_OFFSET: Final = 10_000  # from a node's port to that of its cluster bus
_START_TIMEOUT: Final = 30.0

_candidates = count(21_000)


@asynccontextmanager
async def embedded(**options: Any) -> AsyncGenerator[tuple[str, RedisStore]]:
    """Run one server on a unix socket; yield its URL and a store with these options."""
    async with EmbeddedServer() as server, RedisStore(server.url, **options) as store:
        yield server.url, store


@asynccontextmanager
async def standalone() -> AsyncGenerator[str]:
    """Run one server on TCP; yield its URL."""
    async with _node() as node:
        yield f"redis://{_HOST}:{_port(node)}"


@asynccontextmanager
async def cluster(size: int) -> AsyncGenerator[str]:
    """Run a cluster of so many primaries; yield its URL."""
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(_node("--cluster-enabled", "yes")) for _ in range(size)
        ]
        await _join(nodes)
        yield "redis+cluster://" + ",".join(f"{_HOST}:{_port(node)}" for node in nodes)


@asynccontextmanager
async def _node(*options: str) -> AsyncGenerator[Any]:
    """Run a server; yield a client of it."""
    port, binary = _free_port(), find_server()

    def command(private: Path) -> list[str]:
        address = ["--bind", _HOST, "--port", str(port), "--dir", str(private)]
        return [binary, *address, "--save", "", "--loglevel", "warning", *options]

    client = cast("Any", aioredis.Redis)(host=_HOST, port=port)
    async with Watched(command, lock=DEVNULL, log=DEVNULL), client:
        await _until(lambda: _answers(client), f"a server on port {port}")
        yield client


async def _join(nodes: Sequence[Any]) -> None:
    """Divide the slots evenly, and wait until every node knows all of them."""
    size = len(nodes)
    for number, node in enumerate(nodes):
        slots = range(number * _SLOTS // size, (number + 1) * _SLOTS // size)
        await node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        await node.execute_command("CLUSTER ADDSLOTS", *slots)
        await node.execute_command("CLUSTER MEET", _HOST, _port(nodes[0]))
    for node in nodes:
        await _until(partial(_is_joined, node, size), f"a cluster of {size} nodes")


async def _is_joined(node: Any, size: int) -> bool:
    info = await node.execute_command("CLUSTER INFO")
    wanted = {"cluster_state": "ok", "cluster_known_nodes": str(size)}
    wanted["cluster_slots_assigned"] = str(_SLOTS)
    return bool(wanted.items() <= info.items())


async def _answers(client: Any) -> bool:
    with suppress(RedisError, OSError):
        return bool(await client.ping())
    return False


async def _until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_TIMEOUT):
            while True:
                if await condition():
                    return
                await asyncio.sleep(0.02)
    raise TimeoutError(f"not ready after {_START_TIMEOUT:.0f} s: {what}")


def _free_port() -> int:
    return next(port for port in _candidates if _is_free(port) and _is_free(port + _BUS_OFFSET))


def _is_free(port: int) -> bool:
    with socket.socket() as listener, suppress(OSError):
        listener.bind((_HOST, port))
        return True
    return False


def _port(node: Any) -> int:
    return int(node.get_connection_kwargs()["port"])
