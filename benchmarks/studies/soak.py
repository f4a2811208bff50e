"""The soak: a hundred agents at work for minutes on data of constant size; memory must be flat."""

import asyncio
import os
import resource
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import msgspec

from benchmarks.contenders.event_loop import Stall, watch_stalls
from benchmarks.contenders.messages import WRITER, new_messages
from benchmarks.runner import environment, servers
from benchmarks.runner.progress import Progress
from redis_store import RedisStore, Thread

AGENTS: Final = 100
# After so many turns an agent's thread is deleted and created again.
TURNS_PER_THREAD: Final = 50
FLAT: Final = 1.05
_LEAST_WINDOWS: Final = 20
_WINDOW_SECONDS: Final = 5.0


class Window(msgspec.Struct, kw_only=True):
    """Some seconds of a soak: memory in bytes at their end, times in seconds."""

    at: float
    client_rss: int
    server_used: int
    server_rss: int
    turns: int
    p50: float
    p99: float
    stall: float


class Soak(msgspec.Struct, kw_only=True):
    """A soak, and its environment."""

    setting: dict[str, Any]
    windows: list[Window]

    def quarters(self, figure: str) -> tuple[float, float]:
        """Return the median of a figure over the first and over the last quarter."""
        values = [float(getattr(window, figure)) for window in self.windows]
        size = max(1, len(values) // 4)
        return median(values[:size]), median(values[-size:])

    def is_flat(self, figure: str) -> bool:
        """Whether the last quarter is at most 5 % above the first."""
        first, last = self.quarters(figure)
        return last <= first * FLAT


class _Agents:
    """Agents on a store, and the times of their latest turns."""

    def __init__(self, store: RedisStore) -> None:
        self._memory = store.memory
        self._seconds: list[float] = []

    async def run(self, number: int) -> None:
        """Take turns until cancelled."""
        thread_id = f"agent-{number}"
        await self._create(thread_id)
        # Starts at different turns, so that not all threads are deleted at the same time.
        turn = number % TURNS_PER_THREAD
        while True:
            await self._turn(thread_id, turn)
            turn += 1
            if turn % TURNS_PER_THREAD == 0:
                await self._memory.delete_thread(thread_id)
                await self._create(thread_id)

    async def _create(self, thread_id: str) -> None:
        await self._memory.save_thread(Thread(id=thread_id, resource_id=WRITER))

    async def _turn(self, thread_id: str, turn: int) -> None:
        messages = new_messages(thread_id, f"{thread_id}-{turn}", 0, 2)
        start = perf_counter()
        await self._memory.get_thread_by_id(thread_id)
        await self._memory.list_messages(thread_id, per_page=10, direction="desc")
        await self._memory.save_messages(messages)
        self._seconds.append(perf_counter() - start)

    def take_seconds(self) -> list[float]:
        """Return the times of the turns since the last call, sorted."""
        seconds, self._seconds = self._seconds, []
        return sorted(seconds)


async def run(loop: str, minutes: float) -> Soak:
    """Run a soak on this event loop.

    Raises:
        ExceptionGroup: A call failed, which ends the soak.
    """
    progress = Progress()
    async with servers.embedded() as (_, store), watch_stalls() as stall:
        setting = environment.describe()
        setting |= {"server": await environment.server_version(store), "minutes": minutes}
        agents = _Agents(store)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(agents.run(number)) for number in range(AGENTS)]
            windows = await _watch(agents, store.get_client(), stall, minutes * 60, progress)
            for task in running:
                task.cancel()
    progress.end()
    return Soak(setting=setting | {"loop": loop}, windows=windows)


async def _watch(
    agents: _Agents, client: Any, stall: Stall, seconds: float, progress: Progress
) -> list[Window]:
    span = min(_WINDOW_SECONDS, seconds / _LEAST_WINDOWS)
    windows: list[Window] = []
    start = perf_counter()
    while (at := perf_counter() - start) < seconds:
        progress(f"soaking: {at:.0f} of {seconds:.0f} s")
        stall.worst = 0.0
        await asyncio.sleep(span)
        windows.append(await _window(agents, client, stall.worst, perf_counter() - start))
    return windows


async def _window(agents: _Agents, client: Any, stall: float, at: float) -> Window:
    memory, times = await client.info("memory"), agents.take_seconds()
    return Window(
        at=at,
        client_rss=_rss(),
        server_used=memory["used_memory"],
        server_rss=memory["used_memory_rss"],
        turns=len(times),
        p50=_percentile(times, 50),
        p99=_percentile(times, 99),
        stall=stall,
    )


def _percentile(times: Sequence[float], percent: int) -> float:
    return times[min(len(times) - 1, len(times) * percent // 100)]


def _rss() -> int:
    """Return this process's resident memory; its peak if there is no /proc."""
    path = Path("/proc/self/statm")
    if path.exists():
        return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    # In bytes on macOS, the other supported system.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
