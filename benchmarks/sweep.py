"""Takes the points of lines in turn, so that what disturbs the machine disturbs all alike."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

import msgspec

from benchmarks.curve import Point
from benchmarks.curve_data import Report
from benchmarks.processes import Entrant, Worker, running
from benchmarks.protocol import Request, Sample
from benchmarks.results import Round
from redis_store import RedisStore

# A contender whose call takes longer ends its line there: it may not come back from the next point.
_LONGEST: Final = 0.25
# What a reply may hold.
_MOST_CALLS: Final = 20_000
_numbers = count()


@dataclass(frozen=True, slots=True)
class Stop:
    """A point before it is measured.

    Args:
        at: What it is called.
        url: Its server.
        store: A store there, which removes what calls save.
        request: The call.
        got: How many records a call must give.
    """

    at: str
    url: str
    store: RedisStore
    request: Request
    got: int


@dataclass(frozen=True, slots=True)
class Line:
    """A contender at its stops, in the order of the curve."""

    name: str
    entrant: Entrant
    stops: Sequence[Stop]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each point is measured, and for how many seconds."""

    rounds: int
    seconds: float


class Sweep:
    """Measures lines.

    Args:
        pace: How long that may take.
        report: Told what comes next.
    """

    def __init__(self, pace: Pace, report: Report) -> None:
        self._pace = pace
        self._report = report
        self.versions: dict[str, str] = {}

    async def measure(self, title: str, lines: Sequence[Line]) -> dict[str, list[Point]]:
        """Go through all points, as often as the pace says; give them by the line's name."""
        points: dict[str, list[Point]] = {line.name: [] for line in lines}
        times: dict[tuple[str, str], int] = {}
        async with self._workers(lines) as workers:
            for line, stop in _in_turn(lines, self._pace.rounds):
                self._report(f"{title}: {stop.at}, {line.name}")
                worker, place = workers[line.entrant, stop.url], (line.name, stop.at)
                if place not in times:
                    if _is_over(points[line.name]):
                        times[place] = 0
                        continue
                    times[place] = await self._warmed(worker, stop)
                    points[line.name].append(Point(stop.at, []))
                if times[place]:
                    sample = await _batch(worker, stop, times[place])
                    point = next(each for each in points[line.name] if each.at == stop.at)
                    point.rounds.append(Round.of(sample, stop.request.agents))
        return points

    async def _warmed(self, worker: Worker, stop: Stop) -> int:
        """Make the calls until connections are open; tell how many fit the time of a batch."""
        await _batch(worker, stop, 1)
        elapsed = (await _batch(worker, stop, 3)).elapsed / 3
        most = _MOST_CALLS // stop.request.agents
        # Of several agents at once, one call each would be no more than their start.
        least = 1 if stop.request.agents == 1 else 3
        return max(least, min(most, int(self._pace.seconds / elapsed)))

    @asynccontextmanager
    async def _workers(
        self, lines: Sequence[Line]
    ) -> AsyncGenerator[dict[tuple[Entrant, str], Worker]]:
        places = dict.fromkeys((line.entrant, stop.url) for line in lines for stop in line.stops)
        async with AsyncExitStack() as stack:
            workers = {place: await stack.enter_async_context(running(*place)) for place in places}
            for worker in workers.values():
                self.versions |= worker.versions
            yield workers


def _in_turn(lines: Sequence[Line], rounds: int) -> Iterator[tuple[Line, Stop]]:
    for number in range(rounds):
        for place in range(max(len(line.stops) for line in lines)):
            first = (number + place) % len(lines)
            for line in (*lines[first:], *lines[:first]):
                if place < len(line.stops):
                    yield line, line.stops[place]


def _is_over(points: Sequence[Point]) -> bool:
    return bool(points) and points[-1].rounds[-1].value > _LONGEST


async def _batch(worker: Worker, stop: Stop, times: int) -> Sample:
    """Have a contender make some calls; remove what they saved."""
    request = msgspec.structs.replace(stop.request, tag=f"c{next(_numbers)}", times=times)
    sample = await worker.measure(request)
    if sample.got != stop.got:
        raise ValueError(f"{sample.got} records for {request.call} at {stop.at}, not {stop.got}")
    if request.call in ("save", "turn"):
        saved = request.size * request.times * request.agents
        await stop.store.memory.delete_messages([f"{request.tag}-{i}" for i in range(saved)])
    return sample
