"""Measure the library next to others on a server of its own: a table, and files in results/."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.contenders import event_loop
from benchmarks.reports import comparison as comparison_report
from benchmarks.reports import comparison_plot, curves_plot, files, frameworks_summary, summary
from benchmarks.reports import curves as curves_report
from benchmarks.reports import frameworks as frameworks_report
from benchmarks.reports import memory as memory_report
from benchmarks.reports import soak as soak_report
from benchmarks.studies import memory, soak
from benchmarks.studies.comparison import comparison
from benchmarks.studies.curves import curves
from benchmarks.studies.frameworks import frameworks

_MOST: Final = 1_000_000
_LEAST: Final = 1_000
_MINUTES: Final = 10.0


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="more operations, more and longer rounds"
    )
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), help="one event loop, not both")
    parser.add_argument(
        "--only", default="", help="operations or frameworks whose name contains this"
    )
    parser.add_argument(
        "--against",
        type=_checkout,
        metavar="PATH",
        help="measure the library of another checkout too, in turn with this one's: same calls, "
        "data, interpreter and packages; above 1, 'library at PATH / library' says that it is "
        "slower than this one",
    )
    parser.add_argument(
        "--curves",
        nargs="?",
        type=_most,
        const=_MOST,
        metavar="MOST",
        help="curves over thread length, unrelated keys, agents and servers instead of the table; "
        f"up to so many messages and keys ({_MOST:,})",
    )
    parser.add_argument(
        "--soak",
        nargs="?",
        type=_minutes,
        const=_MINUTES,
        metavar="MINUTES",
        help=f"watch the memory of 100 agents at work instead ({_MINUTES:.0f} minutes)",
    )
    parser.add_argument(
        "--memory", action="store_true", help="the server's memory per thread and message instead"
    )
    parser.add_argument(
        "--frameworks",
        action="store_true",
        help="steps of agent frameworks on this library and on other stores instead",
    )
    return parser.parse_args()


def _checkout(text: str) -> Path:
    path = Path(text).resolve()
    if not (path / "redis_store" / "__init__.py").exists():
        raise ArgumentTypeError(f"no redis_store in {path}")
    return path


def _most(text: str) -> int:
    if int(text) < _LEAST:
        raise ArgumentTypeError(f"at least {_LEAST:,}")
    return int(text)


def _minutes(text: str) -> float:
    if not float(text) > 0:
        raise ArgumentTypeError("more than 0")
    return float(text)


def _compare(arguments: Namespace) -> None:
    """Measure and print the table."""
    full = arguments.full
    operations = comparison.choose_operations(arguments.only, full=full)
    if not operations:
        sys.exit(f"no operation's name contains {arguments.only!r}")
    contenders, missing = comparison.choose_contenders(arguments.loop, arguments.against, full=full)
    results = asyncio.run(comparison.run(operations, contenders, missing, full=full))
    markdown = comparison_report.markdown(results)
    texts = {
        "results.md": markdown,
        "results.svg": comparison_plot.svg(results),
        "summary.md": summary.markdown(results),
    }
    files.write("results", results, texts)
    print(markdown)
    print(f"Written to {files.DIRECTORY}: results.*, summary.md", file=sys.stderr)


def _study(arguments: Namespace) -> None:
    """Run the studies that were asked for."""
    loop = arguments.loop or ("uvloop" if find_spec("uvloop") else "asyncio")
    if arguments.curves:
        measured = event_loop.run(loop, curves.run(loop, arguments.curves, full=arguments.full))
        svg = curves_plot.svg(measured)
        _publish("curves", measured, curves_report.markdown(measured), {"curves.svg": svg})
    if arguments.soak:
        soaked = event_loop.run(loop, soak.run(loop, arguments.soak))
        _publish("soak", soaked, soak_report.markdown(soaked), {})
    if arguments.memory:
        footprints = event_loop.run(loop, memory.run())
        _publish("memory", footprints, memory_report.markdown(footprints), {})
    if arguments.frameworks:
        costs = asyncio.run(frameworks.run(loop, arguments.only, full=arguments.full))
        table = frameworks_summary.markdown(costs)
        _publish(
            "frameworks",
            costs,
            frameworks_report.markdown(costs),
            {"frameworks_summary.md": table},
        )


def _publish(name: str, results: Any, markdown: str, plots: dict[str, str]) -> None:
    files.write(name, results, {f"{name}.md": markdown, **plots})
    print(markdown)
    print(f"Written to {files.DIRECTORY}: {name}.*", file=sys.stderr)


def main() -> None:
    """Run the program."""
    arguments = _arguments()
    if arguments.curves or arguments.soak or arguments.memory or arguments.frameworks:
        _study(arguments)
    else:
        _compare(arguments)


if __name__ == "__main__":
    main()
