"""The comparison as the README's table: the library's time, and the others as multiples of it."""

from benchmarks.contenders.contender import FLOOR, LIBRARY, MASTRA, STOCK, Contender
from benchmarks.reports.markdown import table
from benchmarks.studies.comparison.operations import Operation
from benchmarks.studies.comparison.results import Results

_NONE = "–"  # noqa: RUF001 - not measured


def markdown(results: Results) -> str:
    """Write the table.

    The library's time is that on its faster loop, and @mastra/redis, stock and the floor are
    compared with that; peers in Python with the library on their own loop.
    """
    library = [contender for contender in results.contenders if contender.kind == LIBRARY][-1]
    by_kind = {contender.kind: contender for contender in results.contenders if contender.is_peer}
    others = [
        each for each in (MASTRA, Contender(STOCK, library.loop)) if each in results.contenders
    ]
    others += [each for each in results.contenders if each.checkout and each.loop == library.loop]
    others += by_kind.values()
    titles = [
        "",
        "library, ms",
        "library / floor",
        "on the server",
        *(each.kind for each in others),
    ]
    rows = [_row(results, operation, library, others) for operation in results.operations]
    return table(titles, rows)


def _row(
    results: Results, operation: Operation, library: Contender, others: list[Contender]
) -> list[str]:
    seconds = results.values(operation, library).median
    floor = Contender(FLOOR, library.loop)
    overhead = results.ratio(operation, library, floor).median
    on_server = results.server_ratio(operation, library, floor).median
    cells = [
        operation.name,
        _digits(seconds * 1e3),
        f"{_digits(overhead)}x",
        f"{_digits(on_server)}x",
    ]
    for contender in others:
        loop = contender.loop if contender.is_peer else library.loop
        if results.measured(operation, contender):
            ratio = results.ratio(operation, contender, Contender(LIBRARY, loop)).median
            cells.append(f"{_digits(ratio)}x")
        else:
            cells.append(_NONE)
    return cells


def _digits(value: float) -> str:
    """Write two significant digits, from 10 on all digits before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits
