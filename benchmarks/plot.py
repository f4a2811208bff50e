"""A run as a plot: a row per operation, time per call on a logarithmic axis."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Final

from benchmarks.drawing import FAINT, Drawing, colours, duration, width
from benchmarks.operations import Operation
from benchmarks.processes import NODE, Entrant
from benchmarks.results import Results, Spread

_LEFT: Final = 150
_WIDTH: Final = 660
_RATIOS: Final = 120
_ROW: Final = 36
_DOTS: Final = 22  # from the first contender's to the last one's, within a row
_TITLE: Final = 26
_LEGEND: Final = 22
_SHADE: Final = "#f4f6f8"
_LIBRARY: Final = "library"


def svg(results: Results) -> str:
    """Draw a dot per contender and operation, between its quartiles."""
    return _Plot(results).draw()


class _Plot:
    """A plot while it is drawn."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._drawing = Drawing()
        self._kinds = list(dict.fromkeys(entrant.kind for entrant in results.entrants))
        self._colours = colours(self._kinds)
        self._loops = {entrant.loop for entrant in results.entrants}
        spreads = [
            spread for operation in results.operations for _, spread in self._spreads(operation)
        ]
        self._low = floor(log10(min(spread.low for spread in spreads)))
        self._high = ceil(log10(max(spread.high for spread in spreads)))

    def draw(self) -> str:
        """Draw it all."""
        top = self._legend() + 34
        bottom = top + _ROW * len(self._results.operations)
        for number in range(0, len(self._results.operations), 2):
            self._shade(top + _ROW * (number + 0.5))
        self._axis(top, bottom)
        for number, operation in enumerate(self._results.operations):
            self._row(operation, top + _ROW * (number + 0.5))
        self._ratios(top)
        return self._drawing.svg(_LEFT + _WIDTH + _RATIOS, bottom + 34)

    def _legend(self) -> float:
        """Draw the legend; give where it ends."""
        self._drawing.text(12, _TITLE, "Time per call: median and quartiles", bold=True)
        x, y = 12.0, _TITLE + _LEGEND + 2.0
        for kind in self._kinds:
            if x + width(kind) > _LEFT + _WIDTH + _RATIOS - 40:
                x, y = 12.0, y + _LEGEND
            self._drawing.dot(x + 5, y - 4, self._colours[kind], radius=5)
            self._drawing.text(x + 16, y, kind)
            x += width(kind) + 34
        if {"asyncio", "uvloop"} <= self._loops:
            note = "Python: a ring is on asyncio, a dot is on uvloop"
            self._drawing.text(_LEFT + _WIDTH + _RATIOS - 12, _TITLE, note, anchor="end")
        return y

    def _shade(self, y: float) -> None:
        self._drawing.line([(0, y), (_LEFT + _WIDTH + _RATIOS, y)], _SHADE, stroke=_ROW)

    def _axis(self, top: float, bottom: float) -> None:
        for power in range(self._low, self._high + 1):
            x = self._x(10.0**power)
            self._drawing.line([(x, top), (x, bottom)], FAINT)
            self._drawing.text(x, bottom + 20, duration(10.0**power), anchor="middle")

    def _row(self, operation: Operation, y: float) -> None:
        self._drawing.text(12, y + 4, operation.name)
        spreads = self._spreads(operation)
        present = {entrant.kind for entrant, _ in spreads}
        kinds = [kind for kind in self._kinds if kind in present]
        step = _DOTS / max(1, len(kinds) - 1)
        for entrant, spread in spreads:
            self._spread(entrant, spread, y - _DOTS / 2 + step * kinds.index(entrant.kind))

    def _spread(self, entrant: Entrant, spread: Spread, y: float) -> None:
        colour, is_library = self._colours[entrant.kind], entrant.kind == _LIBRARY
        self._drawing.line([(self._x(spread.low), y), (self._x(spread.high), y)], colour, 1.5)
        is_ring = entrant.loop == "asyncio" and "uvloop" in self._loops
        radius = 5 if is_library else 3.5
        self._drawing.dot(self._x(spread.median), y, colour, radius=radius, filled=not is_ring)

    def _ratios(self, top: float) -> None:
        """Say how many times as long the peer on Node takes as the library."""
        library = self._library()
        if library is None or NODE not in self._results.entrants:
            return
        right = _LEFT + _WIDTH + _RATIOS - 12
        self._drawing.text(right, top - 8, f"{NODE.kind} / {_LIBRARY}", anchor="end")
        for number, operation in enumerate(self._results.operations):
            if {library, NODE} <= {entrant for entrant, _ in self._spreads(operation)}:
                ratio = self._results.ratio(operation, NODE, library).median
                text = f"{ratio:,.1f}x" if ratio < 10 else f"{ratio:,.0f}x"  # noqa: PLR2004
                self._drawing.text(right, top + _ROW * (number + 0.5) + 4, text, anchor="end")

    def _library(self) -> Entrant | None:
        """Give the library on its faster loop."""
        ours = [entrant for entrant in self._results.entrants if entrant.kind == _LIBRARY]
        return max(ours, key=lambda entrant: entrant.loop, default=None)

    def _spreads(self, operation: Operation) -> Sequence[tuple[Entrant, Spread]]:
        """List who made the calls; the library last, as it is drawn above others."""
        results = self._results
        measured = [each for each in results.entrants if results.measured(operation, each)]
        measured.sort(key=lambda entrant: entrant.kind == _LIBRARY)
        return [(entrant, results.values(operation, entrant)) for entrant in measured]

    def _x(self, seconds: float) -> float:
        return _LEFT + (_WIDTH - 30) * (log10(seconds) - self._low) / (self._high - self._low)
