"""Rounds: in each, every contender makes every call, in turn; ratios pair the same round."""

from collections.abc import Callable, Sequence
from statistics import median, quantiles

import msgspec

from benchmarks.contenders.protocol import Sample

Report = Callable[[str], object]  # told what is measured next


class Pace(msgspec.Struct, frozen=True):
    """How long is measured.

    Args:
        rounds: How often all calls are measured.
        batch: Seconds that a contender calls at a time; it makes one call at least.
    """

    rounds: int
    batch: float


class Round(msgspec.Struct, kw_only=True):
    """A batch of calls summed up, in seconds.

    Args:
        value: The figure that contenders are compared by: with one agent the median time of a
            call, with several the elapsed time per call.
        p50: The median time of a call.
        p99: The time that 99 % of the calls stay below.
        rate: Calls per second.
        cpu: The client's CPU time per call.
        server: The time that the server spends on commands per call, if it was measured.
        calls: How many calls there were.
    """

    value: float
    p50: float
    p99: float
    rate: float
    cpu: float
    calls: int
    server: float = 0.0

    @classmethod
    def of(cls, sample: Sample, agents: int, server: float = 0.0) -> "Round":
        """Sum up a batch of so many concurrent agents."""
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
            server=server,
        )


class Spread(msgspec.Struct):
    """A median and its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one value or more."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*quantiles(values, n=4, method="inclusive"))
