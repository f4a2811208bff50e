"""The comparison as a plot: a row per operation, time per call on a logarithmic axis."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Final

from benchmarks.contenders.contender import LIBRARY, MASTRA, Contender
from benchmarks.reports.drawing import FAINT, Drawing, colours, duration, width
from benchmarks.runner.rounds import Spread
from benchmarks.studies.comparison.operations import Operation
from benchmarks.studies.comparison.results import Results

_LEFT: Final = 150
_WIDTH: Final = 660
_RATIOS: Final = 120
_ROW: Final = 36
_DOTS: Final = 22  # from the first contender's to the last one's, within a row
_TITLE: Final = 26
_LEGEND: Final = 22
_SHADE: Final = "#f4f6f8"


def svg(results: Results) -> str:
    """Draw a dot per contender and operation, on the line between its quartiles."""
    return _Plot(results).draw()


class _Plot:
    """The drawing of one plot."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._drawing = Drawing()
        self._kinds = list(dict.fromkeys(contender.kind for contender in results.contenders))
        self._colours = colours(self._kinds)
        self._loops = {contender.loop for contender in results.contenders}
        spreads = [
            spread for operation in results.operations for _, spread in self._spreads(operation)
        ]
        self._low = floor(log10(min(spread.low for spread in spreads)))
        self._high = ceil(log10(max(spread.high for spread in spreads)))

    def draw(self) -> str:
        """Return the finished SVG."""
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
        """Draw the legend; return the y of its last line."""
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
        present = {contender.kind for contender, _ in spreads}
        kinds = [kind for kind in self._kinds if kind in present]
        step = _DOTS / max(1, len(kinds) - 1)
        for contender, spread in spreads:
            self._spread(contender, spread, y - _DOTS / 2 + step * kinds.index(contender.kind))

    def _spread(self, contender: Contender, spread: Spread, y: float) -> None:
        colour, is_library = self._colours[contender.kind], contender.kind == LIBRARY
        self._drawing.line([(self._x(spread.low), y), (self._x(spread.high), y)], colour, 1.5)
        is_ring = contender.loop == "asyncio" and "uvloop" in self._loops
        radius = 5 if is_library else 3.5
        self._drawing.dot(self._x(spread.median), y, colour, radius=radius, filled=not is_ring)

    def _ratios(self, top: float) -> None:
        """Draw a column of @mastra/redis over the library."""
        library = self._library()
        if library is None or MASTRA not in self._results.contenders:
            return
        right = _LEFT + _WIDTH + _RATIOS - 12
        self._drawing.text(right, top - 8, f"{MASTRA.kind} / {LIBRARY}", anchor="end")
        for number, operation in enumerate(self._results.operations):
            if {library, MASTRA} <= {contender for contender, _ in self._spreads(operation)}:
                ratio = self._results.ratio(operation, MASTRA, library).median
                text = f"{ratio:,.1f}x" if ratio < 10 else f"{ratio:,.0f}x"  # noqa: PLR2004
                self._drawing.text(right, top + _ROW * (number + 0.5) + 4, text, anchor="end")

    def _library(self) -> Contender | None:
        """Return the library on its faster loop."""
        ours = [contender for contender in self._results.contenders if contender.kind == LIBRARY]
        return max(ours, key=lambda contender: contender.loop, default=None)

    def _spreads(self, operation: Operation) -> Sequence[tuple[Contender, Spread]]:
        """List the contenders measured; the library last, so that it is drawn on top."""
        results = self._results
        measured = [each for each in results.contenders if results.measured(operation, each)]
        measured.sort(key=lambda contender: contender.kind == LIBRARY)
        return [(contender, results.values(operation, contender)) for contender in measured]

    def _x(self, seconds: float) -> float:
        return _LEFT + (_WIDTH - 30) * (log10(seconds) - self._low) / (self._high - self._low)
