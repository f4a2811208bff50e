"""A run as Markdown."""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.operations import Operation
from benchmarks.processes import NODE, Entrant
from benchmarks.results import Results, Spread

_KILO = 1000


def markdown(results: Results) -> str:
    """Write the tables of a run."""
    parts = [
        "# Benchmark",
        _circumstances(results),
        "## Ratios",
        "Library over floor: what it adds. Others over library: how many times as long they take.",
        _table(["", *_ratio_titles(results)], _ratio_rows(results)),
        "## Time per call, ms",
        "With several agents: per turn. Median of the rounds, and their quartiles.",
        _per_entrant(results, lambda o, e: _spread(results.values(o, e), _ms)),
        "## Agents: p50, p99 in ms, turns per second",
        _per_entrant(results, lambda o, e: _agents(results, o, e), lambda o: o.is_turn),
        "## Round trips, bytes sent and received",
        _per_entrant(results, lambda o, e: _traffic(results, o, e)),
        "## Server time in µs, client's CPU in µs, worst event-loop stall in ms",
        _per_entrant(results, lambda o, e: _load(results, o, e)),
    ]
    return "\n\n".join(parts) + "\n"


def _circumstances(results: Results) -> str:
    facts = [f"- {name}: {value}" for name, value in results.setting.items()]
    return "\n".join([*facts, *(f"- not measured: {name}" for name in results.missing)])


def _libraries(results: Results) -> list[Entrant]:
    return [entrant for entrant in results.entrants if entrant.kind == "library"]


def _pairs(results: Results) -> list[tuple[Entrant, Entrant]]:
    """List which contender is set over which."""
    pairs: list[tuple[Entrant, Entrant]] = []
    for library in _libraries(results):
        pairs.append((library, Entrant("floor", library.loop)))
        pairs.append((Entrant("stock", library.loop), library))
        if NODE in results.entrants:
            pairs.append((NODE, library))
    return pairs


def _ratio_titles(results: Results) -> list[str]:
    return [f"{over.kind} / {under.kind}, {_loop(over, under)}" for over, under in _pairs(results)]


def _loop(over: Entrant, under: Entrant) -> str:
    return under.loop if over == NODE else over.loop


def _ratio_rows(results: Results) -> Iterable[list[str]]:
    for operation in results.operations:
        ratios = (results.ratio(operation, *pair) for pair in _pairs(results))
        yield [operation.name, *(_spread(ratio, _times) for ratio in ratios)]


def _per_entrant(
    results: Results,
    show: Callable[[Operation, Entrant], str],
    wanted: Callable[[Operation], bool] = lambda _: True,
) -> str:
    rows = (
        [operation.name, *(show(operation, entrant) for entrant in results.entrants)]
        for operation in results.operations
        if wanted(operation)
    )
    return _table(["", *(entrant.name for entrant in results.entrants)], rows)


def _agents(results: Results, operation: Operation, entrant: Entrant) -> str:
    rounds = results.cell(operation, entrant).rounds
    p50, p99, rate = (
        Spread.of(values).median
        for values in zip(*((each.p50, each.p99, each.rate) for each in rounds), strict=True)
    )
    return f"{_ms(p50)}, {_ms(p99)}, {rate:,.0f}/s"


def _traffic(results: Results, operation: Operation, entrant: Entrant) -> str:
    count = results.cell(operation, entrant).count
    return f"{count.round_trips}, {_bytes(count.bytes_sent)}, {_bytes(count.bytes_received)}"


def _load(results: Results, operation: Operation, entrant: Entrant) -> str:
    cell = results.cell(operation, entrant)
    cpu = Spread.of([each.cpu for each in cell.rounds]).median
    return f"{cell.count.server * 1e6:,.0f}, {cpu * 1e6:,.0f}, {cell.count.stall * 1e3:.1f}"


def _spread(spread: Spread, show: Callable[[float], str]) -> str:
    return f"{show(spread.median)} ({show(spread.low)}–{show(spread.high)})"  # noqa: RUF001 - a range


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"  # noqa: PLR2004 - three digits


def _ms(seconds: float) -> str:
    ms = seconds * 1e3
    return f"{ms:.3f}" if ms < 1 else f"{ms:,.2f}"


def _bytes(count: int) -> str:
    return f"{count} B" if count < _KILO else f"{count / _KILO:,.1f} kB"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---", *("---:" for _ in titles[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
