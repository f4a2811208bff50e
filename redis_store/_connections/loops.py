"""Per-loop values: each event loop that uses a store has connections and locks of its own."""

import asyncio
import os
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from redis_store.errors import ConfigurationError

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop.

    Raises:
        ConfigurationError: The caller runs on trio, or on no event loop.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "the store runs on asyncio only: it cannot be used with trio",
            code="CONFIGURATION_INVALID_EVENT_LOOP",
        ) from None


class PerLoop(Generic[T]):
    """One value for each event loop, made when the loop first asks for it.

    Loops of several threads may ask at the same time.

    Args:
        make: Makes the value of the running loop.
        drop: Gives up the value of a loop that was closed. It runs when another loop first asks.
        abandon: Called in a forked child for each value of the parent. It must neither close nor
            free anything: the parent uses the same sockets.
    """

    def __init__(
        self, make: Callable[[], T], *, drop: Callable[[T], None], abandon: Callable[[T], None]
    ) -> None:
        self._make = make
        self._drop = drop
        self._abandon = abandon
        self._values: dict[asyncio.AbstractEventLoop, T] = {}
        self._lock = Lock()
        _everywhere.add(self)

    def get(self) -> T:
        """Return the value of the running loop.

        Raises:
            ConfigurationError: The caller runs on trio, or on no event loop.
        """
        try:
            value = self._values.get(asyncio.get_running_loop())
        except RuntimeError:
            running_loop()  # says why
            raise
        return self._add() if value is None else value

    def items(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """Return every loop with its value."""
        return list(self._values.items())

    def _add(self) -> T:
        with self._lock:
            # A closed loop runs no callback any more, so nobody can tell when it was closed.
            for loop in [loop for loop in self._values if loop.is_closed()]:
                self._drop(self._values.pop(loop))
            value = self._values[asyncio.get_running_loop()] = self._make()
        return value

    def forget_parent(self) -> None:
        """Start with no values in a forked child."""
        # Another thread of the parent may have held the lock; it does not exist here.
        self._lock = Lock()
        values, self._values = self._values, {}
        for value in values.values():
            self._abandon(value)
        # A transport that is freed unregisters its socket from the parent's epoll, which the child
        # shares. So nothing of the parent is freed before the child ends.
        _parents_values.append(values)


_everywhere: "WeakSet[PerLoop[Any]]" = WeakSet()
_parents_values: list[object] = []


def _forget_parent() -> None:
    for values in list(_everywhere):
        values.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
