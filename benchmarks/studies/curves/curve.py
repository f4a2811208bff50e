"""A curve: figures at points along an axis, and how far they deviate from the intended shape."""

from statistics import median
from typing import Any, Literal

import msgspec

from benchmarks.runner.rounds import Round


class Point(msgspec.Struct):
    """A position on the axis, by name, and the rounds measured there."""

    at: str
    rounds: list[Round]

    def median(self, figure: str) -> float:
        """Return the median of a figure of the rounds."""
        return median(float(getattr(each, figure)) for each in self.rounds)


class Curve(msgspec.Struct, kw_only=True):
    """A chart of several lines.

    Args:
        title: The call.
        axis: The quantity that grows.
        figure: The figure of a round that is drawn: ``value`` is wall time, ``cpu`` the client's
            CPU time.
        shape: The intended shape: ``flat``, ``falling``, or ``level`` with the first point.
        lines: Points by the line's name. A line ends early if its contender becomes too slow.
    """

    title: str
    axis: str
    figure: Literal["value", "cpu"] = "value"
    shape: Literal["flat", "falling", "level"] = "flat"
    lines: dict[str, list[Point]]

    def values(self, name: str) -> list[float]:
        """Return a line's figures, in seconds."""
        return [point.median(self.figure) for point in self.lines[name]]

    def bend(self, name: str) -> float:
        """Return by which factor a line deviates from its shape; 1 is not at all.

        ``flat``: the maximum over the minimum. ``falling``: the greatest rise after any point.
        ``level``: the maximum over the first value.
        """
        values = self.values(name)
        if self.shape == "flat":
            return max(values) / min(values)
        if self.shape == "level":
            return max(values) / values[0]
        return max(max(values[i:]) / value for i, value in enumerate(values))

    def ticks(self) -> list[str]:
        """Return the positions on the axis."""
        return [point.at for point in max(self.lines.values(), key=len)]


class Curves(msgspec.Struct):
    """All curves of a run, and its environment."""

    setting: dict[str, Any]
    curves: list[Curve]
