"""A run as Markdown."""

from collections.abc import Callable, Sequence

from benchmarks.markdown import table
from benchmarks.operations import Operation
from benchmarks.processes import NODE, Entrant
from benchmarks.results import Results, Spread

_KILO = 1000
_NONE = "–"  # noqa: RUF001 - not measured


def markdown(results: Results) -> str:
    """Write the tables of a run."""
    parts = [
        "# Benchmark",
        _circumstances(results),
        "## Ratios",
        "Library over floor: what it adds. Others over library: how many times as long they take.",
        _ratios(results, _pairs(results)),
        _ratios(results, _peer_pairs(results)),
        "## Time per call, ms",
        "With several agents: per turn. Median of the rounds, and their quartiles.",
        *_per_entrant(results, lambda o, e: _spread(results.values(o, e), _ms)),
        "## Agents: p50, p99 in ms, turns per second",
        *_per_entrant(results, lambda o, e: _agents(results, o, e), lambda o: o.is_turn),
        "## Round trips, bytes sent and received",
        *_per_entrant(results, lambda o, e: _traffic(results, o, e)),
        "## Server time in µs, client's CPU in µs, worst event-loop stall in ms",
        *_per_entrant(results, lambda o, e: _load(results, o, e)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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


def _peer_pairs(results: Results) -> list[tuple[Entrant, Entrant]]:
    """Set each peer in Python over the library on the same loop."""
    return [
        (peer, library)
        for library in _libraries(results)
        for peer in results.entrants
        if peer.is_peer and peer.loop == library.loop
    ]


def _ratios(results: Results, pairs: Sequence[tuple[Entrant, Entrant]]) -> str:
    titles = [f"{over.kind} / {under.kind}, {_loop(over, under)}" for over, under in pairs]
    rows: list[list[str]] = []
    for operation in results.operations:
        able = [results.measured(operation, over) for over, _ in pairs]
        if any(able):
            shown = (
                _spread(results.ratio(operation, *pair), _times) if is_able else _NONE
                for pair, is_able in zip(pairs, able, strict=True)
            )
            rows.append([operation.name, *shown])
    return table(["", *titles], rows) if rows else ""


def _loop(over: Entrant, under: Entrant) -> str:
    return under.loop if over == NODE else over.loop


def _per_entrant(
    results: Results,
    show: Callable[[Operation, Entrant], str],
    wanted: Callable[[Operation], bool] = lambda _: True,
) -> list[str]:
    """Write a table of those that do all, and one of the peers in Python."""

    def text(operation: Operation, entrant: Entrant) -> str:
        return show(operation, entrant) if results.measured(operation, entrant) else _NONE

    peers = [entrant for entrant in results.entrants if entrant.is_peer]
    others = [entrant for entrant in results.entrants if not entrant.is_peer]
    tables: list[str] = []
    for entrants in (others, peers):
        rows = [
            [operation.name, *(text(operation, entrant) for entrant in entrants)]
            for operation in results.operations
            if wanted(operation) and any(each.takes_part(operation.name) for each in entrants)
        ]
        if rows:
            tables.append(table(["", *(entrant.name for entrant in entrants)], rows))
    return tables


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
