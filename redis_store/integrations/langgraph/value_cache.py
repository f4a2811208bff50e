"""ValueCache: the latest values that a process has seen, which it need not read again."""

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock

from redis_store.integrations.langgraph.deltas import MIN_BYTES, Value

Namespace = tuple[str, str]


class ValueCache:
    """The latest value of each channel, by thread and namespace; the least recently used go first.

    Values never change, so one that is not the newest is no mistake: it is a longer way to it. Safe
    in any thread, and empty in a forked child.

    Args:
        limit: The bytes of all values together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = Lock()
        self._size = 0
        self._values: OrderedDict[Namespace, dict[str, Value]] = OrderedDict()

    def _locked(self) -> Lock:
        """Return the lock; in a forked child, of an empty cache.

        Another thread of the parent may have held the lock, half-way through a change.
        """
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def get(self, namespace: Namespace) -> Mapping[str, Value]:
        """Return the values of a namespace by channel."""
        with self._locked():
            values = self._values.get(namespace)
            if values is None:
                return {}
            self._values.move_to_end(namespace)
            return dict(values)

    def put(self, namespace: Namespace, values: Iterable[tuple[str, Value]]) -> None:
        """Remember values by channel; small ones are not worth it."""
        worth = {channel: value for channel, value in values if len(value.data) >= MIN_BYTES}
        if not worth:
            return
        with self._locked():
            kept = self._values.setdefault(namespace, {})
            self._size -= sum(len(kept[channel].data) for channel in worth.keys() & kept.keys())
            self._size += sum(len(value.data) for value in worth.values())
            kept.update(worth)
            self._values.move_to_end(namespace)
            while self._size > self._limit:
                _, oldest = self._values.popitem(last=False)
                self._size -= sum(len(value.data) for value in oldest.values())

    def forget_thread(self, thread: str) -> None:
        """Free the values of a thread that is gone."""
        with self._locked():
            for namespace in [name for name in self._values if name[0] == thread]:
                gone = self._values.pop(namespace)
                self._size -= sum(len(value.data) for value in gone.values())
