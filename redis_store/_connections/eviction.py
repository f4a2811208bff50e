"""Eviction: a warning if the server may drop keys of a store when its memory is full.

Tests: ``tests/connections/test_eviction.py``.
"""

import logging
from collections.abc import Iterable

from redis_store._connections.commands import Command, Reply, info_fields

logger = logging.getLogger("redis_store")

# Its reply has the policy; the ACL or a proxy may refuse it.
ASK_POLICY: Command = ("INFO", "memory")


class EvictionWarning:
    """Warns once if keys may be evicted.

    Policies ``volatile-*`` evict keys with a TTL. Cache entries may go, but not the keys of a
    thread that expires: the thread would be left without some of its messages.

    Args:
        threads_expire: Whether the store gives keys of threads a TTL.
    """

    def __init__(self, *, threads_expire: bool) -> None:
        self._harmful = ("allkeys-", "volatile-") if threads_expire else ("allkeys-",)
        self._is_given = False

    def check(self, replies: Iterable[Reply]) -> None:
        """Warn if a primary may evict keys, by the replies of all primaries to ``ASK_POLICY``."""
        policies = sorted({p for p in map(_policy, replies) if p.startswith(self._harmful)})
        if not policies or self._is_given:
            return
        self._is_given = True
        logger.warning(
            "the server evicts keys when its memory is full (maxmemory-policy %s), and a thread "
            "whose keys were evicted reads as empty or incomplete: use %s",
            ", ".join(policies),
            "noeviction" if "volatile-" in self._harmful else "noeviction or volatile-*",
        )


def _policy(reply: Reply) -> str:
    """Return the policy of a server; ``""`` if it has no memory limit, or does not say."""
    if not isinstance(reply, bytes):
        return ""
    facts = info_fields(reply)
    return "" if facts.get("maxmemory") == "0" else facts.get("maxmemory_policy", "")
