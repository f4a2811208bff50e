"""Keyed locks: one process's writers of a record queue instead of racing.

Between processes, the conditional write decides. Within one process it would make N writers try
N²/2 times, which is expensive for a snapshot of a megabyte.
"""

from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

import anyio


class KeyedLock:
    """The lock of one key.

    Attributes:
        pending: What those who wait want to be done. Whoever holds the lock may do it for them.
    """

    def __init__(self) -> None:
        self.pending: list[Any] = []
        self._lock = anyio.Lock(fast_acquire=True)

    async def __aenter__(self) -> None:
        """Acquire it."""
        await self._lock.acquire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release it."""
        self._lock.release()


class KeyedLocks:
    """Locks by key. A lock exists as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, KeyedLock] = WeakValueDictionary()

    def of(self, key: str) -> KeyedLock:
        """Return the key's lock: ``async with locks.of(key)``."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = KeyedLock()
        return lock
