"""The results of a comparison, and the ratios between contenders."""

from math import inf
from typing import Any

import msgspec

from benchmarks.contenders.contender import Contender
from benchmarks.runner.rounds import Round, Spread
from benchmarks.studies.comparison.operations import Operation


class Count(msgspec.Struct, kw_only=True):
    """The cost of one request; times in seconds."""

    round_trips: int
    bytes_sent: int
    bytes_received: int
    commands: dict[str, int]
    stall: float
    elapsed: float


class Cell(msgspec.Struct):
    """One contender at one operation."""

    count: Count
    rounds: list[Round] = []


class Results(msgspec.Struct):
    """A comparison.

    Args:
        setting: The environment, by name.
        operations: The rows.
        contenders: The columns.
        missing: Contenders that are not measured, and why.
        cells: A cell per operation and contender, by their names.
    """

    setting: dict[str, Any]
    operations: list[Operation]
    contenders: list[Contender] = msgspec.field(name="entrants")
    missing: list[str]
    cells: dict[str, dict[str, Cell]]

    def measured(self, operation: Operation, contender: Contender) -> bool:
        """Tell whether a contender did an operation."""
        return contender.name in self.cells[operation.name]

    def cell(self, operation: Operation, contender: Contender) -> Cell:
        """Return the figures of a contender at an operation."""
        return self.cells[operation.name][contender.name]

    def values(self, operation: Operation, contender: Contender) -> Spread:
        """Return the seconds per call, over the rounds."""
        return Spread.of([each.value for each in self.cell(operation, contender).rounds])

    def ratio(self, operation: Operation, over: Contender, under: Contender) -> Spread:
        """Return how many times as long one contender takes as another, over the rounds."""
        pairs = zip(
            self.cell(operation, over).rounds, self.cell(operation, under).rounds, strict=True
        )
        return Spread.of([one.value / other.value for one, other in pairs])

    def server_ratio(self, operation: Operation, over: Contender, under: Contender) -> Spread:
        """Return how many times as long one contender's calls hold the server as another's.

        The server counts whole microseconds: a batch of one short call may have taken none.
        """
        pairs = zip(
            self.cell(operation, over).rounds, self.cell(operation, under).rounds, strict=True
        )
        return Spread.of(
            [one.server / other.server if other.server else inf for one, other in pairs]
        )
