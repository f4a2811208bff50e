"""A curve: what a call takes while one thing grows, and how far that bends."""

from statistics import median
from typing import Any, Literal

import msgspec

from benchmarks.results import Round


class Point(msgspec.Struct):
    """Where on the curve, and what was measured there."""

    at: str
    rounds: list[Round]

    def median(self, figure: str) -> float:
        """Return the median of one of the rounds' figures."""
        return median(float(getattr(each, figure)) for each in self.rounds)


class Curve(msgspec.Struct, kw_only=True):
    """Lines over one axis.

    Args:
        title: What is called.
        axis: What grows.
        figure: What of a round is drawn: ``value`` is wall time, ``cpu`` the client's CPU time.
        shape: What a good line is: ``flat``, ``falling``, or near its first point (``level``).
        lines: Points by the line's name; of some contenders, not as many as of others.
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
        """Return how far a line is from its shape; 1 is not at all.

        ``flat``: the most over the least. ``falling``: how far it rises after any point.
        ``level``: the most over the first.
        """
        values = self.values(name)
        if self.shape == "flat":
            return max(values) / min(values)
        if self.shape == "level":
            return max(values) / values[0]
        return max(max(values[i:]) / value for i, value in enumerate(values))

    def ticks(self) -> list[str]:
        """Return the names of the points, of the line that has most."""
        return [point.at for point in max(self.lines.values(), key=len)]


class Curves(msgspec.Struct):
    """A run: its circumstances and curves."""

    setting: dict[str, Any]
    curves: list[Curve]
