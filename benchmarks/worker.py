"""A contender in a process of its own: requests on stdin, samples on stdout.

python -m benchmarks.worker library|stock|floor asyncio|uvloop URL
"""

import asyncio
import platform
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Final

import msgspec

from benchmarks import dataset
from benchmarks.contender import Contender, Job
from benchmarks.floor import Floor
from benchmarks.library import Library
from benchmarks.protocol import Greeting, Request, Sample
from benchmarks.stall import watched
from benchmarks.stock import Stock

_CONNECT: Final[dict[str, Callable[[str], Awaitable[Contender]]]] = {
    "library": Library.connect,
    "stock": Stock.connect,
    "floor": Floor.connect,
}
_PACKAGES: Final = ("redis-store", "redis", "hiredis", "msgspec", "anyio")
_TURN_READS: Final = 10


def _turn(contender: Contender, request: Request, thread_id: str, first: int) -> Job:
    """An agent's turn: read the thread, its last ten messages, save its answers."""
    messages = dataset.fresh(thread_id, request.tag, first, request.size)
    steps = (
        contender.get(thread_id),
        contender.last(thread_id, _TURN_READS),
        contender.save(messages),
    )

    async def run() -> int:
        got = 0
        for step in steps:
            got = await step()
        return got

    return run


def _job(contender: Contender, request: Request, index: int) -> Job:
    """Prepare one call of a request."""
    thread_id = request.threads[index % len(request.threads)]
    first = index * request.size
    if request.call == "save":
        return contender.save(dataset.fresh(thread_id, request.tag, first, request.size))
    calls: dict[str, Callable[[], Job]] = {
        "get": lambda: contender.get(thread_id),
        "get_each": lambda: contender.get_each(request.threads),
        "last": lambda: contender.last(thread_id, request.size),
        "update": lambda: contender.update(thread_id, request.ids, f"{request.tag}-{index}"),
        "threads_of": lambda: contender.threads_of(request.resource),
        "turn": lambda: _turn(contender, request, thread_id, first),
    }
    return calls[request.call]()


async def _lane(jobs: list[Job], seconds: list[float]) -> int:
    got = 0
    for job in jobs:
        start = perf_counter()
        got = await job()
        seconds.append(perf_counter() - start)
    return got


async def _measure(contender: Contender, request: Request) -> Sample:
    """Make the calls of a request: the agents at once, each one call after the other."""
    agents, times = request.agents, request.times
    lanes = [
        [_job(contender, request, agent + agents * turn) for turn in range(times)]
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


async def _serve(kind: str, url: str, versions: dict[str, str]) -> None:
    contender = await _CONNECT[kind](url)
    _say(Greeting(versions))
    # Nothing else is to run between two requests: blocking is what is wanted.
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        if request.watch:
            async with watched() as stall:
                sample = await _measure(contender, request)
            sample.stall = stall.worst
        else:
            sample = await _measure(contender, request)
        _say(sample)
    await contender.close()


def _say(reply: Greeting | Sample) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def main(kind: str, loop: str, url: str) -> None:
    """Serve requests on the event loop of that name until stdin ends."""
    versions = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
    factory = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
        versions["uvloop"] = version("uvloop")
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(kind, url, versions))


if __name__ == "__main__":
    main(*sys.argv[1:])
