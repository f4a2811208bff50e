"""The curves as Markdown."""

from collections.abc import Iterable
from typing import Final

from benchmarks.contenders.messages import MESSAGE_BYTES
from benchmarks.reports.markdown import facts, figure, table
from benchmarks.studies.curves.curve import Curve, Curves, Point
from benchmarks.studies.curves.data import FILLER_TEXT, UNRELATED_MESSAGES

_FIGURES: Final = {"value": "µs per call", "cpu": "client's CPU, µs per call"}
_BENDS: Final = {
    "flat": "most / least",
    "falling": "highest rise",
    "level": "most / standalone",
}
_NOTES: Final = f"""\
Messages that are read have {MESSAGE_BYTES} bytes as JSON, all others a text of {len(FILLER_TEXT)}
characters; unrelated keys are threads of other users, each with {UNRELATED_MESSAGES} of those.

Medians of rounds in which all points were measured in turn. The goal is a line that is flat within
1.5; over agents, one that does not rise; over servers, one within 1.3 of standalone.

A contender whose call takes more than 0.25 s is not measured at the points after it. With several
agents, the time per call is that of all calls by their number. Of a cluster the client's CPU time
counts: there may be more servers than processors, and then wall time says little."""


def markdown(curves: Curves) -> str:
    """Write the tables of a run."""
    parts = ["# Curves", facts(curves.setting), _NOTES]
    for curve in curves.curves:
        parts += [f"## {curve.title}, over {curve.axis}", _values(curve)]
        if curve.shape == "falling":
            parts += ["p50 in ms, p99 in ms, calls per second; p99 / p50 where most are at once:"]
            parts += [_latencies(curve)]
    return "\n\n".join(parts) + "\n"


def _values(curve: Curve) -> str:
    rows = ([name, *_cells(curve, name), f"{curve.bend(name):.2f}"] for name in curve.lines)
    return table([_FIGURES[curve.figure], *curve.ticks(), _BENDS[curve.shape]], rows)


def _cells(curve: Curve, name: str) -> list[str]:
    return _filled(curve, (f"{value * 1e6:,.0f}" for value in curve.values(name)))


def _latencies(curve: Curve) -> str:
    rows = (
        [name, *_filled(curve, map(_latency, points)), f"{_tail(points[-1]):.2f}"]
        for name, points in curve.lines.items()
    )
    return table(["", *curve.ticks(), "p99 / p50"], rows)


def _latency(point: Point) -> str:
    p50, p99, rate = (point.median(name) for name in ("p50", "p99", "rate"))
    return f"{figure(p50 * 1e3)}, {figure(p99 * 1e3)}, {rate:,.0f}/s"


def _tail(point: Point) -> float:
    return point.median("p99") / point.median("p50")


def _filled(curve: Curve, cells: Iterable[str]) -> list[str]:
    """Pad the row of a line that ended early."""
    row = list(cells)
    return row + [""] * (len(curve.ticks()) - len(row))
