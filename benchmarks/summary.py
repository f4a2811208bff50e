"""A run as one table: what the library takes, and how many times as long the others."""

from benchmarks.markdown import table
from benchmarks.operations import Operation
from benchmarks.processes import NODE, Entrant
from benchmarks.results import Results

_NONE = "–"  # noqa: RUF001 - not measured


def markdown(results: Results) -> str:
    """Write the table.

    The library's time is that on its fastest loop, next to which @mastra/redis, stock redis.asyncio
    and the floor stand; peers in Python stand next to the library on their own loop.
    """
    library = [entrant for entrant in results.entrants if entrant.kind == "library"][-1]
    by_kind = {entrant.kind: entrant for entrant in results.entrants if entrant.is_peer}
    others = [each for each in (NODE, Entrant("stock", library.loop)) if each in results.entrants]
    others += by_kind.values()
    titles = ["", "library, ms", "library / floor", *(entrant.kind for entrant in others)]
    rows = [_row(results, operation, library, others) for operation in results.operations]
    return table(titles, rows)


def _row(
    results: Results, operation: Operation, library: Entrant, others: list[Entrant]
) -> list[str]:
    seconds = results.values(operation, library).median
    overhead = results.ratio(operation, library, Entrant("floor", library.loop)).median
    cells = [operation.name, _digits(seconds * 1e3), f"{_digits(overhead)}x"]
    for entrant in others:
        loop = entrant.loop if entrant.is_peer else library.loop
        if results.measured(operation, entrant):
            ratio = results.ratio(operation, entrant, Entrant("library", loop)).median
            cells.append(f"{_digits(ratio)}x")
        else:
            cells.append(_NONE)
    return cells


def _digits(value: float) -> str:
    """Write two digits, or all of the whole ones."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits
