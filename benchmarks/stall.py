"""How long an event loop keeps others waiting."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final

_TICK: Final = 0.001


class Stall:
    """The worst delay of a timer that is due each millisecond, in seconds."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._loop = asyncio.get_running_loop()
        self._last = perf_counter()
        self._timer = self._loop.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._note()
        self._timer = self._loop.call_later(_TICK, self._tick)

    def _note(self) -> None:
        now = perf_counter()
        self.worst = max(self.worst, now - self._last - _TICK)
        self._last = now

    def stop(self) -> None:
        """Stop watching."""
        self._note()
        self._timer.cancel()


@asynccontextmanager
async def watched() -> AsyncGenerator[Stall]:
    """Watch the running event loop."""
    stall = Stall()
    try:
        yield stall
    finally:
        stall.stop()
