"""The results of the study, and the ratios between stores."""

from typing import Any

import msgspec

from benchmarks.runner.rounds import Round, Spread


class Cost(msgspec.Struct, kw_only=True):
    """What a call costs, the median of some.

    Args:
        round_trips: To the server.
        sent: Bytes to it.
        received: Bytes from it.
        server: Seconds that it spent on commands.
        grows: Bytes of its memory that a call adds, if that was measured.
    """

    round_trips: float
    sent: float
    received: float
    server: float
    grows: float | None = None


class Cell(msgspec.Struct, kw_only=True):
    """A store at a step.

    Args:
        cost: ``None`` if it does not store on the server.
        rounds: The times of calls; those of one round were taken one store after the other.
    """

    cost: Cost | None = None
    rounds: list[Round] = []

    @property
    def seconds(self) -> Spread:
        """The time of a call, over the rounds."""
        return Spread.of([each.value for each in self.rounds])

    @property
    def cpu(self) -> float:
        """The client's CPU time per call."""
        return Spread.of([each.cpu for each in self.rounds]).median

    def over(self, other: "Cell") -> Spread:
        """Return how many times as long this takes as another, over the rounds."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return Spread.of([one.value / another.value for one, another in pairs])


class Measured(msgspec.Struct, kw_only=True):
    """A framework that was measured.

    Args:
        versions: Of its packages, by name.
        steps: A cell per step and store, by the step's name and the store's title.
        memory: Bytes of the server's memory per record of the data, by the store's title.
    """

    versions: dict[str, str]
    steps: dict[str, dict[str, Cell]]
    memory: dict[str, float]


class FrameworkCosts(msgspec.Struct, kw_only=True):
    """All that was measured, by the framework's name, and the environment."""

    setting: dict[str, Any]
    missing: list[str]
    measured: dict[str, Measured]
