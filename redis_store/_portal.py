"""Portal: the thread with an event loop in which blocking calls run.

Tests: ``tests/test_sync.py``.
"""

import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from redis_store.errors import StoreClosedError

T = TypeVar("T")


class Portal:
    """A thread with an event loop, started by the first call and again in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: BlockingPortal | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._pid = os.getpid()

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a coroutine function in the portal's loop; Ctrl-C cancels it."""
        future = self._portal().start_task_soon(function)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread when its calls have ended; no call is taken any more.

        Nothing happens in the thread itself: whoever closes the store there ends it afterwards.
        """
        if self._thread is threading.current_thread():
            return
        with self._lock:
            self._stopped = True
            portal, self._running = self._running, None
        if portal is not None and self._pid == os.getpid():
            portal.start_task_soon(portal.stop)

    def _portal(self) -> BlockingPortal:
        if self._pid != os.getpid():
            # The parent's thread does not exist here, and may have held the lock.
            self._lock, self._running, self._pid = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._stopped:
                raise StoreClosedError("the store is closed", code="STORE_CLOSED")
            if self._running is None:
                started: Future[BlockingPortal] = Future()
                # A daemon, so that a program that forgets close() ends all the same.
                self._thread = threading.Thread(
                    target=anyio.run, args=(_serve, started), name="redis-store", daemon=True
                )
                self._thread.start()
                self._running = started.result()
            return self._running


async def _serve(started: "Future[BlockingPortal]") -> None:
    async with BlockingPortal() as portal:
        started.set_result(portal)
        await portal.sleep_until_stopped()
