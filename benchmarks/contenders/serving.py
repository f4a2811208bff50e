"""Serves requests from stdin and writes samples to stdout: the part that all Python workers share.

Imports only the standard library and msgspec, as peers run it in environments of their own.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Protocol

import msgspec

from benchmarks.contenders import event_loop
from benchmarks.contenders.protocol import Greeting, Request, Sample

# Ready to be timed; returns how many records it read or wrote.
Call = Callable[[], Awaitable[int]]


class Handler(Protocol):
    """Translates requests into calls of one contender."""

    async def prepare(self, request: Request) -> None:
        """Create the data that the next requests need. Not timed."""
        ...

    def call(self, request: Request, index: int) -> Call:
        """Build one call of a request. Not timed."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


async def _run_agent(calls: list[Call], seconds: list[float]) -> int:
    got = 0
    for call in calls:
        start = perf_counter()
        got = await call()
        seconds.append(perf_counter() - start)
    return got


async def _measure(handler: Handler, request: Request) -> Sample:
    """Run the agents at once; each makes one call after the other."""
    agents, times = request.agents, request.times
    calls = [
        [handler.call(request, agent + agents * number) for number in range(times)]
        for agent in range(agents)
    ]
    seconds: list[float] = []
    start, cpu = perf_counter(), process_time()
    # A single agent needs no task, whose cost would count as the contender's.
    if agents == 1:
        got = await _run_agent(calls[0], seconds)
    else:
        got = min(await asyncio.gather(*(_run_agent(each, seconds) for each in calls)))
    return Sample(
        seconds=seconds, elapsed=perf_counter() - start, cpu=process_time() - cpu, got=got
    )


async def _answer(handler: Handler, request: Request) -> Sample:
    if request.call == "prepare":
        await handler.prepare(request)
        return Sample(seconds=[], elapsed=0, cpu=0, got=0)
    if not request.watch:
        return await _measure(handler, request)
    async with event_loop.watch_stalls() as stall:
        sample = await _measure(handler, request)
    sample.stall = stall.worst
    return sample


async def _serve(connecting: Awaitable[Handler], versions: dict[str, str]) -> None:
    handler = await connecting
    _write(Greeting(versions))
    # Blocks the event loop on purpose: nothing may run between two requests.
    for line in sys.stdin.buffer:
        _write(await _answer(handler, msgspec.json.decode(line, type=Request)))
    await handler.close()


def _write(reply: Greeting | Sample) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def serve(connect: Callable[[], Awaitable[Handler]], loop: str, versions: dict[str, str]) -> None:
    """Serve requests on ``asyncio`` or ``uvloop`` until stdin ends."""
    event_loop.run(loop, _serve(connect(), versions))
