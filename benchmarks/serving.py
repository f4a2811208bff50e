"""Serving requests: they come on stdin, samples go to stdout.

Shared by all contenders in Python. Peers run it in environments of their own, so it needs only
the standard library and msgspec.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Protocol

import msgspec

from benchmarks.protocol import Greeting, Request, Sample
from benchmarks.stall import watched

# A call that is ready to be timed; it returns how many records it was about.
Job = Callable[[], Awaitable[int]]


class Served(Protocol):
    """A contender as it is served."""

    async def prepare(self, request: Request) -> None:
        """Bring about what the next requests start from. Not timed."""
        ...

    def job(self, request: Request, index: int) -> Job:
        """Build one call of a request. Not timed."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


async def _lane(jobs: list[Job], seconds: list[float]) -> int:
    got = 0
    for job in jobs:
        start = perf_counter()
        got = await job()
        seconds.append(perf_counter() - start)
    return got


async def _measure(served: Served, request: Request) -> Sample:
    """Make the calls of a request: the agents at once, each one call after the other."""
    agents, times = request.agents, request.times
    lanes = [
        [served.job(request, agent + agents * turn) for turn in range(times)]
        for agent in range(agents)
    ]
    seconds: list[float] = []
    start, cpu = perf_counter(), process_time()
    if agents == 1:
        got = await _lane(lanes[0], seconds)
    else:
        got = min(await asyncio.gather(*(_lane(jobs, seconds) for jobs in lanes)))
    return Sample(
        seconds=seconds, elapsed=perf_counter() - start, cpu=process_time() - cpu, got=got
    )


async def _answer(served: Served, request: Request) -> Sample:
    if request.call == "prepare":
        await served.prepare(request)
        return Sample(seconds=[], elapsed=0, cpu=0, got=0)
    if not request.watch:
        return await _measure(served, request)
    async with watched() as stall:
        sample = await _measure(served, request)
    sample.stall = stall.worst
    return sample


async def _serve(connecting: Awaitable[Served], versions: dict[str, str]) -> None:
    served = await connecting
    _say(Greeting(versions))
    # Nothing else is to run between two requests: blocking is what is wanted.
    for line in sys.stdin.buffer:
        _say(await _answer(served, msgspec.json.decode(line, type=Request)))
    await served.close()


def _say(reply: Greeting | Sample) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def serve(connect: Callable[[], Awaitable[Served]], loop: str, versions: dict[str, str]) -> None:
    """Serve requests on the event loop of that name until stdin ends."""
    factory = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(connect(), versions))
