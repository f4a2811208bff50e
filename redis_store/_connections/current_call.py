"""Current call: the context of the public call under way.

A context variable, so that start time and purpose need not pass through every signature between
the public method and the connections.

Tests: ``tests/faults/test_outages.py``, ``tests/faults/test_replication.py``.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec


class Call(msgspec.Struct, frozen=True):
    """A public call.

    Attributes:
        began: When it began, in seconds on the monotonic clock; its deadline counts from here.
        read_only: Whether replicas may serve its reads.
    """

    began: float
    read_only: bool


# ``None`` outside of a public call, and in one without a deadline for the whole: then each send
# has the full timeout.
current_call: ContextVar[Call | None] = ContextVar("redis_store_call", default=None)


@contextmanager
def under_way(call: Call) -> Generator[None]:
    """Send what the block sends as a part of a public call."""
    token = current_call.set(call)
    try:
        yield
    finally:
        current_call.reset(token)
