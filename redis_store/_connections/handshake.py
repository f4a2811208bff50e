"""Handshake: checks that a deployment can be used, and loads the scripts into it.

Tests: ``tests/test_store.py``, ``tests/connections/test_refused_topologies.py``,
``tests/contract/test_cluster_costs.py``.
"""

import asyncio
import re
from collections.abc import Sequence

from redis_store._connections.commands import SCRIPTS, Command, Reply, info_fields
from redis_store._connections.deployment import Deployment
from redis_store._connections.eviction import ASK_POLICY, EvictionWarning
from redis_store.errors import BackendError, BackendTimeoutError, BackendUnavailableError

MIN_VERSION = (6, 2)


async def prepare(deployment: Deployment, eviction: EvictionWarning, *, clustered: bool) -> None:
    """Discover the deployment, check its primaries and load the scripts into each.

    One round trip after the discovery.

    Args:
        deployment: The deployment.
        eviction: Warns if a primary may evict keys.
        clustered: Whether it is a cluster.

    Raises:
        BackendError: It cannot be reached, refuses the login, or cannot be used.
    """
    await _discover(deployment)
    checks: list[Command] = [("INFO", "server"), *([("CLUSTER", "INFO")] if clustered else [])]
    loads = [script.load() for script in SCRIPTS.values() if not script.on_demand]
    commands = [*checks, *loads]
    by_primary = await deployment.send_to_primaries([*commands, ASK_POLICY])
    for replies in by_primary:
        _check(replies[:-1], clustered=clustered)
    eviction.check(replies[-1] for replies in by_primary)


def _check(replies: Sequence[Reply], *, clustered: bool) -> None:
    """Raise unless one primary can be used, by its replies to the handshake."""
    _raise_first(replies[:1])
    # Before the other replies: a sentinel answers INFO, and refuses SCRIPT.
    check_server(replies[0], clustered=clustered)
    _raise_first(replies)
    if clustered and b"cluster_state:ok" not in replies[1]:
        raise BackendUnavailableError(
            "the cluster is not OK: see CLUSTER INFO",
            code="BACKEND_CLUSTERDOWN",
            details={"reason": "CLUSTERDOWN"},
        )


async def _discover(deployment: Deployment) -> None:
    """Discover the deployment within the timeout, although each unreachable node takes as long."""
    seconds = deployment.limits.timeout
    try:
        async with asyncio.timeout(seconds):
            await deployment.discover()
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
    """Raise unless a server can be used, by its reply to ``INFO server``.

    Raises:
        BackendError: Older than Redis 6.2, a sentinel, or a node of the wrong topology.
    """
    facts = info_fields(info)
    version = facts.get("redis_version", "0.0")
    # Valkey's field, then Redis's.
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
