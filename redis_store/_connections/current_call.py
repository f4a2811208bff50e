"""The public call under way: when it began, and whether it only reads.

It reaches the connections without passing through every signature between.
"""

from contextvars import ContextVar

import msgspec


class Call(msgspec.Struct, frozen=True):
    """A public call.

    Attributes:
        began: The monotonic clock when it began, in seconds.
        reads: Whether it may be answered by a replica.
    """

    began: float
    reads: bool


# ``None`` outside of a call, and in one that may take as long as it needs.
CURRENT: ContextVar[Call | None] = ContextVar("redis_store_call", default=None)
