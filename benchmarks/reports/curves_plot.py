"""The curves as a plot: a panel each, time on a logarithmic axis."""

from math import ceil, floor, log10
from typing import Final

from benchmarks.reports.drawing import FAINT, Drawing, colours, duration, width
from benchmarks.studies.curves.curve import Curve, Curves

_COLUMNS: Final = 2
_PANEL: Final = (480, 270)
_LEFT: Final = 62
_RIGHT: Final = 24
_TOP: Final = 62
_BOTTOM: Final = 48
_MARGIN: Final = 8
_FIGURES: Final = {"value": "time per call", "cpu": "client's CPU time per call"}


def svg(curves: Curves) -> str:
    """Draw all curves."""
    drawing = Drawing()
    for number, curve in enumerate(curves.curves):
        row, column = divmod(number, _COLUMNS)
        _Panel(drawing, curve, _MARGIN + column * _PANEL[0], _MARGIN + row * _PANEL[1]).draw()
    rows = ceil(len(curves.curves) / _COLUMNS)
    return drawing.svg(_COLUMNS * _PANEL[0] + 2 * _MARGIN, rows * _PANEL[1] + 2 * _MARGIN)


class _Panel:
    """The panel of one curve."""

    def __init__(self, drawing: Drawing, curve: Curve, left: float, top: float) -> None:
        self._drawing = drawing
        self._curve = curve
        self._left, self._right = left + _LEFT, left + _PANEL[0] - _RIGHT
        self._head = top
        self._top, self._bottom = top + _TOP, top + _PANEL[1] - _BOTTOM
        every = [value for name in curve.lines for value in curve.values(name)]
        self._low, self._high = floor(log10(min(every))), ceil(log10(max(every)))
        self._colours = colours([_kind(name) for name in curve.lines])

    def draw(self) -> None:
        """Draw it."""
        self._frame()
        self._legend()
        for name in self._curve.lines:
            colour = self._colours[_kind(name)]
            points = [(self._x(i), self._y(v)) for i, v in enumerate(self._curve.values(name))]
            self._drawing.line(points, colour, stroke=2)
            for x, y in points:
                self._drawing.dot(x, y, colour, radius=3)

    def _frame(self) -> None:
        title = f"{self._curve.title}: {_FIGURES[self._curve.figure]}"
        self._drawing.text(self._left, self._head + 18, title, bold=True)
        for power in range(self._low, self._high + 1):
            y = self._y(10.0**power)
            self._drawing.line([(self._left, y), (self._right, y)], FAINT)
            self._drawing.text(self._left - 8, y + 4, duration(10.0**power), anchor="end")
        for i, tick in enumerate(self._curve.ticks()):
            self._drawing.text(self._x(i), self._bottom + 18, tick, anchor="middle")
        middle = (self._left + self._right) / 2
        self._drawing.text(middle, self._bottom + 36, self._curve.axis, anchor="middle")

    def _legend(self) -> None:
        x, y = self._left, self._head + 40
        for name in self._curve.lines:
            self._drawing.dot(x + 4, y - 4, self._colours[_kind(name)])
            self._drawing.text(x + 13, y, name)
            x += width(name) + 28

    def _x(self, number: int) -> float:
        last = len(self._curve.ticks()) - 1
        inset = 24
        return self._left + inset + (self._right - self._left - 2 * inset) * number / max(1, last)

    def _y(self, value: float) -> float:
        share = (log10(value) - self._low) / (self._high - self._low)
        return self._bottom - (self._bottom - self._top) * share


def _kind(name: str) -> str:
    return name.partition(" (")[0]
