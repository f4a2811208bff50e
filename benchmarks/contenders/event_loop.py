"""Event loops: run one by name, and measure how long it keeps callbacks waiting."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Final, TypeVar

_TICK: Final = 0.001
_T = TypeVar("_T")


def run(loop: str, main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on ``asyncio`` or ``uvloop``."""
    factory = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


class Stall:
    """The worst delay, in seconds, of a timer that is due every millisecond."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._loop = asyncio.get_running_loop()
        self._last = perf_counter()
        self._timer = self._loop.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._update()
        self._timer = self._loop.call_later(_TICK, self._tick)

    def _update(self) -> None:
        now = perf_counter()
        self.worst = max(self.worst, now - self._last - _TICK)
        self._last = now

    def stop(self) -> None:
        """Stop the timer. A stall that is not over yet counts too."""
        self._update()
        self._timer.cancel()


@asynccontextmanager
async def watch_stalls() -> AsyncGenerator[Stall]:
    """Measure the stalls of the running event loop."""
    stall = Stall()
    try:
        yield stall
    finally:
        stall.stop()
