"""The study of frameworks as the README's table: the library's store, and the best other one."""

from typing import Final

from benchmarks.contenders.frameworks.catalogue import FRAMEWORKS, Framework, Step
from benchmarks.reports.markdown import table
from benchmarks.studies.frameworks.results import Cell, FrameworkCosts

_TITLES: Final = (
    "step",
    "round trips",
    "bytes up / down",
    "best other store",
    "round trips",
    "bytes up / down",
    "its time",
)
_NONE: Final = "–"  # noqa: RUF001 - not measured
_KILO: Final = 1_000


def markdown(costs: FrameworkCosts) -> str:
    """Write the table."""
    rows = [
        _row(framework, step, costs.measured[framework.name].steps[step.name])
        for framework in FRAMEWORKS
        if framework.name in costs.measured
        for step in framework.steps
    ]
    return table(_TITLES, rows) + "\n"


def _row(framework: Framework, step: Step, cells: dict[str, Cell]) -> list[str]:
    library = cells[framework.stores[0].title]
    row = [f"{framework.name}: {step.name}", *_counts(library)]
    if framework.best_other is None:
        return [*row, *[_NONE] * 4]
    other = cells[framework.best_other.title]
    ratio = other.over(library).median
    # Two significant digits: the spread leaves no more.
    return [*row, framework.best_other.title, *_counts(other), f"{float(f'{ratio:.2g}'):,g}x"]


def _counts(cell: Cell) -> list[str]:
    cost = cell.cost
    if cost is None:
        return [_NONE] * 2
    return [f"{cost.round_trips:,.0f}", f"{_bytes(cost.sent)} / {_bytes(cost.received)}"]


def _bytes(count: float) -> str:
    if count < _KILO:
        return f"{count:.0f}"
    kilo = count / _KILO
    return f"{kilo:.1f} k" if kilo < 10 else f"{kilo:,.0f} k"  # noqa: PLR2004 - two digits
