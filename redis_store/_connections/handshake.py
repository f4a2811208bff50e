"""The first words with a server: whether it can be worked with, and the scripts it needs."""

import asyncio
import re
from collections.abc import Sequence

from redis_store._connections.commands import SCRIPTS, Reply
from redis_store._connections.connecting import Deployment
from redis_store.errors import BackendError, BackendTimeoutError, BackendUnavailableError

MIN_VERSION = (6, 2)


async def prepare(client: Deployment, *, clustered: bool) -> None:
    """Check the server and load the scripts: one round trip, after the deployment was found.

    Raises:
        BackendError: It cannot be reached, refuses the login, or is not one to work with.
    """
    await _find(client)
    loads = [("SCRIPT", "LOAD", script.source) for script in SCRIPTS.values()]
    checks = [("INFO", "server"), *([("CLUSTER", "INFO")] if clustered else [])]
    replies = await client.send([*checks, *loads])
    _raise_first(replies[:1])
    # Before the other replies: a sentinel knows no scripts.
    check_server(replies[0], clustered=clustered)
    _raise_first(replies)
    if clustered and b"cluster_state:ok" not in replies[1]:
        raise BackendUnavailableError(
            "the cluster is not OK: see CLUSTER INFO",
            code="BACKEND_CLUSTERDOWN",
            details={"reason": "CLUSTERDOWN"},
        )


async def _find(client: Deployment) -> None:
    """Find the deployment within the time of one call, however many of its nodes hang."""
    seconds = client.limits.timeout
    try:
        async with asyncio.timeout(seconds):
            await client.connect()
    except TimeoutError as exc:
        if isinstance(exc, BackendError):
            raise
        raise BackendTimeoutError(
            f"the deployment was not found within {seconds:g} s",
            code="BACKEND_TIMEOUT",
            details={"reason": "TIMEOUT", "in_doubt": False, "seconds": seconds},
        ) from exc


def _raise_first(replies: Sequence[Reply]) -> None:
    for reply in replies:
        if isinstance(reply, BackendError):
            raise reply


def check_server(info: bytes, *, clustered: bool = False) -> None:
    """Refuse a server that the library cannot work with, by its ``INFO server``.

    Raises:
        BackendError: Older than Redis 6.2, a sentinel, or a cluster node.
    """
    facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    version = facts.get("redis_version", "0.0")
    # Valkey's name for it, then Redis's.
    mode = facts.get("server_mode") or facts.get("redis_mode", "standalone")
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < MIN_VERSION:
        raise BackendError(
            f"the server is Redis {version}; 6.2 or newer is needed",
            code="SERVER_TOO_OLD",
            details={"version": version},
        )
    expected = "cluster" if clustered else "standalone"
    if mode != expected:
        raise BackendError(
            f"the server runs as a {mode} node, the connection string is for a {expected} one",
            code="WRONG_TOPOLOGY",
            details={"mode": mode},
        )
