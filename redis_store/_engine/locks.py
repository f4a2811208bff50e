"""Keyed locks: one process's writers of a record queue instead of racing.

Between processes, the conditional write decides. Within one process it would make N writers try
N²/2 times, which is expensive for a snapshot of a megabyte.
"""

from weakref import WeakValueDictionary

import anyio


class KeyedLocks:
    """Locks by key. A lock exists as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> anyio.Lock:
        """Return the key's lock: ``async with locks.of(key)``."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = anyio.Lock(fast_acquire=True)
        return lock
