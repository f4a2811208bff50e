"""Steps of agent frameworks as Markdown."""

from collections.abc import Iterator
from typing import Final

from benchmarks.reports.markdown import facts, figure, table
from benchmarks.studies.frameworks.measuring import COUNTED
from benchmarks.studies.frameworks.results import Cell, FrameworkCosts, Measured

_NOTE: Final = (
    "The same calls on each store, one agent, on a unix socket: threads of 1,000 messages of 480 "
    f"characters, or what the step names. Counts are the median of {COUNTED} calls through a "
    "proxy; server time is that of the commands, without the reading and writing of sockets. Times "
    "were taken in rounds, in each of which every store made the same calls in turn: the median, "
    "and how many times as long as with this library's store, with quartiles. They include the "
    "framework's own work, which a store in the process shows alone. Calls that add are "
    "repeated, so that threads grow by some hundred messages."
)
_TITLES: Final = (
    "step",
    "store",
    "round trips",
    "B up",
    "B down",
    "server, µs",
    "client's CPU, µs",
    "time, µs",
    "times as long",
)
_NONE: Final = "–"  # noqa: RUF001 - not measured


def markdown(costs: FrameworkCosts) -> str:
    """Write the tables of a run."""
    missing = [f"- not measured: {name}" for name in costs.missing]
    parts = ["# Steps of agent frameworks", "\n".join([facts(costs.setting), *missing]), _NOTE]
    for name, measured in costs.measured.items():
        versions = (f"{package} {version}" for package, version in measured.versions.items())
        parts += [
            f"## {name}",
            ", ".join(versions),
            table(_TITLES, _rows(measured)),
            *_memory(measured),
        ]
    return "\n\n".join(parts) + "\n"


def _rows(measured: Measured) -> Iterator[list[str]]:
    for step, cells in measured.steps.items():
        library = next(iter(cells.values()))
        for store, cell in cells.items():
            time = [figure(cell.cpu * 1e6), figure(cell.seconds.median * 1e6)]
            title = step if cell is library else ""
            yield [title, store, *_counts(cell), *time, _ratio(cell, library)]


def _counts(cell: Cell) -> list[str]:
    if cell.cost is None:
        return [_NONE] * 4
    counts = cell.cost.round_trips, cell.cost.sent, cell.cost.received, cell.cost.server * 1e6
    return [f"{each:,.0f}" for each in counts]


def _ratio(cell: Cell, library: Cell) -> str:
    if cell is library:
        return ""
    spread = cell.over(library)
    low, high = figure(spread.low), figure(spread.high)
    return f"{figure(spread.median)} ({low}–{high})"  # noqa: RUF001 - a range


def _memory(measured: Measured) -> Iterator[str]:
    """Write what data takes on the server, per record and per call of steps that add to it."""
    columns = {"record stored": measured.memory} | {
        step: {
            store: cell.cost.grows
            for store, cell in cells.items()
            if cell.cost is not None and cell.cost.grows is not None
        }
        for step, cells in measured.steps.items()
    }
    columns = {title: found for title, found in columns.items() if found}
    if columns:
        stores = next(iter(columns.values()))
        yield "Server memory, by `MEMORY USAGE` of all keys:"
        yield table(
            ["B", *(f"per {title}" for title in columns)],
            ([store, *(f"{found[store]:,.0f}" for found in columns.values())] for store in stores),
        )
