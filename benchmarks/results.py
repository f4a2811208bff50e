"""What was measured, and what follows from it."""

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

import msgspec

from benchmarks.operations import Operation
from benchmarks.processes import Entrant
from benchmarks.protocol import Sample


class Count(msgspec.Struct, kw_only=True):
    """What one request costs, seen from outside; times in seconds."""

    round_trips: int
    bytes_sent: int
    bytes_received: int
    commands: dict[str, int]
    server: float
    stall: float
    elapsed: float


class Round(msgspec.Struct, kw_only=True):
    """One batch of calls, in seconds.

    ``value`` is what contenders are compared by: the median time of a call; with several agents
    the time per turn.
    """

    value: float
    p50: float
    p99: float
    rate: float
    cpu: float
    calls: int

    @classmethod
    def of(cls, sample: Sample, agents: int) -> "Round":
        """Sum a batch up."""
        times, calls = sorted(sample.seconds), len(sample.seconds)
        p50 = median(times)
        per_call = sample.elapsed / calls
        return cls(
            value=p50 if agents == 1 else per_call,
            p50=p50,
            p99=times[min(calls - 1, calls * 99 // 100)],
            rate=1 / per_call,
            cpu=sample.cpu / calls,
            calls=calls,
        )


class Cell(msgspec.Struct):
    """One contender at one operation."""

    count: Count
    rounds: list[Round] = []


class Spread(msgspec.Struct):
    """A median between its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Compute it."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*quantiles(values, n=4, method="inclusive"))


class Results(msgspec.Struct):
    """A whole run: its circumstances, and a cell per operation and contender, by their names."""

    setting: dict[str, Any]
    operations: list[Operation]
    entrants: list[Entrant]
    missing: list[str]
    cells: dict[str, dict[str, Cell]]

    def measured(self, operation: Operation, entrant: Entrant) -> bool:
        """Tell whether a contender took part in an operation."""
        return entrant.name in self.cells[operation.name]

    def cell(self, operation: Operation, entrant: Entrant) -> Cell:
        """Return one contender's figures."""
        return self.cells[operation.name][entrant.name]

    def values(self, operation: Operation, entrant: Entrant) -> Spread:
        """Return the seconds that contenders are compared by, over the rounds."""
        return Spread.of([each.value for each in self.cell(operation, entrant).rounds])

    def ratio(self, operation: Operation, over: Entrant, under: Entrant) -> Spread:
        """Return how many times as long one takes as another, over the rounds."""
        pairs = zip(
            self.cell(operation, over).rounds, self.cell(operation, under).rounds, strict=True
        )
        return Spread.of([one.value / other.value for one, other in pairs])
