"""A soak: a hundred agents take turns for minutes, on data that does not grow."""

import asyncio
import os
import resource
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final, cast

from benchmarks import dataset, setting
from benchmarks.progress import Progress
from benchmarks.stall import Stall, watched
from benchmarks.windows import Soak, Window
from redis_store import RedisStore, Thread
from redis_store.embedded import EmbeddedServer

AGENTS: Final = 100
# After so many turns an agent's thread is deleted and made anew.
LIFE: Final = 50
_WINDOWS_AT_LEAST: Final = 20
_WINDOW_SECONDS: Final = 5.0


class _Agents:
    """Agents on a store, and what their turns took since that was last asked for."""

    def __init__(self, store: RedisStore) -> None:
        self._memory = store.memory
        self.seconds: list[float] = []

    async def run(self, number: int) -> None:
        """Take turns until cancelled."""
        thread_id = f"agent-{number}"
        await self._make(thread_id)
        # Not all threads are deleted at the same time.
        turn = number % LIFE
        while True:
            await self._turn(thread_id, turn)
            turn += 1
            if turn % LIFE == 0:
                await self._memory.delete_thread(thread_id)
                await self._make(thread_id)

    async def _make(self, thread_id: str) -> None:
        now = dataset.fresh(thread_id, "", 0, 1)[0]
        await self._memory.save_thread(Thread(id=thread_id, resource_id=now.resource_id))

    async def _turn(self, thread_id: str, turn: int) -> None:
        messages = dataset.fresh(thread_id, f"{thread_id}-{turn}", 0, 2)
        start = perf_counter()
        await self._memory.get_thread_by_id(thread_id)
        await self._memory.list_messages(thread_id, per_page=10, direction="desc")
        await self._memory.save_messages(messages)
        self.seconds.append(perf_counter() - start)

    def taken(self) -> list[float]:
        """Return how long turns took, sorted, and forget it."""
        seconds, self.seconds = self.seconds, []
        return sorted(seconds)


async def run(minutes: float) -> Soak:
    """Run a soak. An error of any call ends it, as an exception group."""
    progress = Progress()
    async with EmbeddedServer() as server, RedisStore(server.url) as store, watched() as stall:
        client = cast("Any", store.get_client())
        version = setting.server_version(await client.info("server"))
        circumstances = setting.describe() | {"server": version, "minutes": minutes}
        agents = _Agents(store)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(agents.run(number)) for number in range(AGENTS)]
            windows = await _watch(agents, client, stall, minutes * 60, progress)
            for task in running:
                task.cancel()
    progress.end()
    return Soak(setting=circumstances, windows=windows)


async def _watch(
    agents: _Agents, client: Any, stall: Stall, seconds: float, progress: Progress
) -> list[Window]:
    span = min(_WINDOW_SECONDS, seconds / _WINDOWS_AT_LEAST)
    windows: list[Window] = []
    start = perf_counter()
    while (at := perf_counter() - start) < seconds:
        progress(f"soaking: {at:.0f} of {seconds:.0f} s")
        stall.worst = 0.0
        await asyncio.sleep(span)
        windows.append(await _window(agents, client, stall.worst, perf_counter() - start))
    return windows


async def _window(agents: _Agents, client: Any, stall: float, at: float) -> Window:
    memory, times = await client.info("memory"), agents.taken()
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
    """Return this process's resident memory; its peak where there is no /proc."""
    path = Path("/proc/self/statm")
    if path.exists():
        return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    # In bytes on macOS, the other system without /proc.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
