"""Measures the points of all lines in turn, so that a disturbance of the machine hits all alike."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

import msgspec

from benchmarks.contenders.contender import Contender
from benchmarks.contenders.protocol import Request, Sample
from benchmarks.runner.rounds import Pace, Report, Round
from benchmarks.runner.workers import Worker, running
from benchmarks.studies.curves.curve import Point
from redis_store import RedisStore

# A line ends at a point whose call takes longer: the next one might take minutes.
_LONGEST: Final = 0.25
# Keeps a sample below the longest reply that a worker may send.
_MOST_CALLS: Final = 20_000
_numbers = count()


@dataclass(frozen=True, slots=True)
class Place:
    """A server that holds the data of a point.

    Args:
        at: The point's position on the axis.
        url: The server's.
        store: A store there.
    """

    at: str
    url: str
    store: RedisStore


@dataclass(frozen=True, slots=True)
class Stop:
    """A point to measure.

    Args:
        place: Where.
        request: The call.
        got: How many records a call must read or write.
    """

    place: Place
    request: Request
    got: int


@dataclass(frozen=True, slots=True)
class Line:
    """A contender and the points it is measured at, in the order of the axis."""

    name: str
    contender: Contender
    stops: Sequence[Stop]


class Sweep:
    """Measures lines.

    Args:
        pace: How long each point is measured.
        report: Told of each batch.
    """

    def __init__(self, pace: Pace, report: Report) -> None:
        self._pace = pace
        self._report = report
        self.versions: dict[str, str] = {}

    async def measure(self, title: str, lines: Sequence[Line]) -> dict[str, list[Point]]:
        """Measure all points, in rounds; return them by the line's name."""
        points: dict[str, dict[str, Point]] = {line.name: {} for line in lines}
        calls: dict[tuple[str, str], int] = {}
        async with self._workers(lines) as workers:
            for line, stop in _in_turn(lines, self._pace.rounds):
                at, measured = stop.place.at, points[line.name]
                self._report(f"{title}: {at}, {line.name}")
                worker = workers[line.contender, stop.place.url]
                if (line.name, at) not in calls:
                    is_over = _is_over(list(measured.values()))
                    calls[line.name, at] = 0 if is_over else await self._warm_up(worker, stop)
                if times := calls[line.name, at]:
                    sample = await _batch(worker, stop, times)
                    point = measured.setdefault(at, Point(at, []))
                    point.rounds.append(Round.of(sample, stop.request.agents))
        return {name: list(measured.values()) for name, measured in points.items()}

    async def _warm_up(self, worker: Worker, stop: Stop) -> int:
        """Open the connections; return how many calls of each agent fit into a batch."""
        await _batch(worker, stop, 1)
        elapsed = (await _batch(worker, stop, 3)).elapsed / 3
        most = _MOST_CALLS // stop.request.agents
        # With one call each, concurrent agents would show little more than their start.
        least = 1 if stop.request.agents == 1 else 3
        return max(least, min(most, int(self._pace.batch / elapsed)))

    @asynccontextmanager
    async def _workers(
        self, lines: Sequence[Line]
    ) -> AsyncGenerator[dict[tuple[Contender, str], Worker]]:
        """Run each contender once per server."""
        needed = dict.fromkeys(
            (line.contender, stop.place.url) for line in lines for stop in line.stops
        )
        async with AsyncExitStack() as stack:
            workers = {each: await stack.enter_async_context(running(*each)) for each in needed}
            for worker in workers.values():
                self.versions |= worker.versions
            yield workers


def _in_turn(lines: Sequence[Line], rounds: int) -> Iterator[tuple[Line, Stop]]:
    """Iterate over all stops of all lines; another line begins each time."""
    for number in range(rounds):
        for position in range(max(len(line.stops) for line in lines)):
            first = (number + position) % len(lines)
            for line in (*lines[first:], *lines[:first]):
                if position < len(line.stops):
                    yield line, line.stops[position]


def _is_over(points: Sequence[Point]) -> bool:
    return bool(points) and points[-1].rounds[-1].value > _LONGEST


async def _batch(worker: Worker, stop: Stop, times: int) -> Sample:
    """Make calls, check their results, and remove the messages they saved."""
    request = msgspec.structs.replace(stop.request, tag=f"c{next(_numbers)}", times=times)
    sample = await worker.measure(request)
    if sample.got != stop.got:
        at = stop.place.at
        raise ValueError(f"{sample.got} records for {request.call} at {at}, not {stop.got}")
    if request.call in ("save", "turn"):
        saved = request.size * request.times * request.agents
        store = stop.place.store
        await store.memory.delete_messages([f"{request.tag}-{i}" for i in range(saved)])
    return sample
