"""The comparison as Markdown."""

from collections.abc import Callable, Sequence

from benchmarks.contenders.contender import FLOOR, LIBRARY, MASTRA, STOCK, Contender
from benchmarks.reports.markdown import figure, table
from benchmarks.runner.rounds import Spread
from benchmarks.studies.comparison.operations import Operation
from benchmarks.studies.comparison.results import Results

_KILO = 1000
_NONE = "–"  # noqa: RUF001 - not measured


def markdown(results: Results) -> str:
    """Write the tables of a run."""
    parts = [
        "# Benchmark",
        _setting(results),
        "## Ratios",
        "Library over floor: what it adds. Others over library: how many times as long they take.",
        _ratios(results, _pairs(results)),
        _ratios(results, _peer_pairs(results)),
        "Server time, library over floor: how much longer a call holds it than plain commands do.",
        _server_ratios(results),
        "## Time per call, ms",
        "With several agents: per turn. Median of the rounds, and their quartiles.",
        *_per_contender(results, lambda o, e: _spread(results.values(o, e), _ms)),
        "## Agents: p50, p99 in ms, turns per second",
        *_per_contender(results, lambda o, e: _agents(results, o, e), lambda o: o.is_turn),
        "## Round trips, bytes sent and received",
        *_per_contender(results, lambda o, e: _traffic(results, o, e)),
        "## Server time per call in µs, client's CPU in µs, worst event-loop stall in ms",
        *_per_contender(results, lambda o, e: _load(results, o, e)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _setting(results: Results) -> str:
    facts = [f"- {name}: {value}" for name, value in results.setting.items()]
    return "\n".join([*facts, *(f"- not measured: {name}" for name in results.missing)])


def _libraries(results: Results) -> list[Contender]:
    return [contender for contender in results.contenders if contender.kind == LIBRARY]


def _pairs(results: Results) -> list[tuple[Contender, Contender]]:
    """List the ratios: the contender above the line and the one below."""
    pairs: list[tuple[Contender, Contender]] = []
    for library in _libraries(results):
        pairs.append((library, Contender(FLOOR, library.loop)))
        pairs.append((Contender(STOCK, library.loop), library))
        pairs += [
            (each, library)
            for each in results.contenders
            if each.checkout and each.loop == library.loop
        ]
        if MASTRA in results.contenders:
            pairs.append((MASTRA, library))
    return pairs


def _peer_pairs(results: Results) -> list[tuple[Contender, Contender]]:
    """List the ratios of the peers in Python over the library on the same loop."""
    return [
        (peer, library)
        for library in _libraries(results)
        for peer in results.contenders
        if peer.is_peer and peer.loop == library.loop
    ]


def _ratios(results: Results, pairs: Sequence[tuple[Contender, Contender]]) -> str:
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


def _server_ratios(results: Results) -> str:
    libraries = _libraries(results)
    rows = [
        [
            operation.name,
            *(
                _spread(results.server_ratio(operation, each, Contender(FLOOR, each.loop)), _times)
                for each in libraries
            ),
        ]
        for operation in results.operations
    ]
    return table(["", *(each.loop for each in libraries)], rows)


def _loop(over: Contender, under: Contender) -> str:
    return under.loop if over == MASTRA else over.loop


def _per_contender(
    results: Results,
    show: Callable[[Operation, Contender], str],
    wanted: Callable[[Operation], bool] = lambda _: True,
) -> list[str]:
    """Write a table of the contenders that can do all operations, and one of the peers."""

    def text(operation: Operation, contender: Contender) -> str:
        return show(operation, contender) if results.measured(operation, contender) else _NONE

    peers = [contender for contender in results.contenders if contender.is_peer]
    others = [contender for contender in results.contenders if not contender.is_peer]
    tables: list[str] = []
    for contenders in (others, peers):
        rows = [
            [operation.name, *(text(operation, contender) for contender in contenders)]
            for operation in results.operations
            if wanted(operation) and any(each.can(operation.name) for each in contenders)
        ]
        if rows:
            tables.append(table(["", *(contender.name for contender in contenders)], rows))
    return tables


def _agents(results: Results, operation: Operation, contender: Contender) -> str:
    rounds = results.cell(operation, contender).rounds
    p50, p99, rate = (
        Spread.of(values).median
        for values in zip(*((each.p50, each.p99, each.rate) for each in rounds), strict=True)
    )
    return f"{_ms(p50)}, {_ms(p99)}, {rate:,.0f}/s"


def _traffic(results: Results, operation: Operation, contender: Contender) -> str:
    count = results.cell(operation, contender).count
    return f"{count.round_trips}, {_bytes(count.bytes_sent)}, {_bytes(count.bytes_received)}"


def _load(results: Results, operation: Operation, contender: Contender) -> str:
    cell = results.cell(operation, contender)
    server, cpu = (
        Spread.of(values).median
        for values in zip(*((each.server, each.cpu) for each in cell.rounds), strict=True)
    )
    return f"{figure(server * 1e6)}, {cpu * 1e6:,.0f}, {cell.count.stall * 1e3:.1f}"


def _spread(spread: Spread, show: Callable[[float], str]) -> str:
    return f"{show(spread.median)} ({show(spread.low)}–{show(spread.high)})"  # noqa: RUF001 - a range


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"  # noqa: PLR2004 - three digits


def _ms(seconds: float) -> str:
    ms = seconds * 1e3
    return f"{ms:.3f}" if ms < 1 else f"{ms:,.2f}"


def _bytes(count: int) -> str:
    return f"{count} B" if count < _KILO else f"{count / _KILO:,.1f} kB"
