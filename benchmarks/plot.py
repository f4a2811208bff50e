"""A run as a plot: an SVG, time per call on a logarithmic axis."""

from math import ceil, floor, log10
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.results import Results

_LEFT: Final = 170
_WIDTH: Final = 620
_RIGHT: Final = 30
_ROW: Final = 30
_LEGEND: Final = 20
_COLOURS: Final = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#777777")
_FONT: Final = "font-family='sans-serif' font-size='12'"


def svg(results: Results) -> str:
    """Draw a row per operation, and in it a dot per contender between its quartiles."""
    spreads = [
        [results.values(operation, entrant) for entrant in results.entrants]
        for operation in results.operations
    ]
    low = floor(log10(min(spread.low for row in spreads for spread in row)))
    high = ceil(log10(max(spread.high for row in spreads for spread in row)))
    top = _LEGEND * len(results.entrants) + 20
    bottom = top + _ROW * len(spreads)

    def x(seconds: float) -> float:
        return _LEFT + _WIDTH * (log10(seconds) - low) / (high - low)

    parts = [
        _text(_LEFT + 12, _LEGEND * (i + 1), entrant.name) + _dot(_LEFT, _LEGEND * (i + 1) - 4, i)
        for i, entrant in enumerate(results.entrants)
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(_line(at, top, at, bottom, "#dddddd"))
        parts.append(_text(at - 12, bottom + 18, f"{10.0 ** (power + 3):g} ms"))
    for i, (operation, row) in enumerate(zip(results.operations, spreads, strict=True)):
        y = top + _ROW * (i + 0.5)
        parts.append(_text(8, y + 4, operation.name))
        for j, spread in enumerate(row):
            dy = y + (j - (len(row) - 1) / 2) * 2.5
            parts.append(_line(x(spread.low), dy, x(spread.high), dy, _COLOURS[j % len(_COLOURS)]))
            parts.append(_dot(x(spread.median), dy, j))
    size = f"width='{_LEFT + _WIDTH + _RIGHT}' height='{bottom + 30}'"
    background = "<rect width='100%' height='100%' fill='white'/>"
    body = "\n".join([background, *parts])
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size} {_FONT}>\n{body}\n</svg>\n"


def _text(x: float, y: float, text: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}'>{escape(text)}</text>"


def _dot(x: float, y: float, number: int) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    where = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {where} stroke='{colour}' stroke-width='2'/>"
