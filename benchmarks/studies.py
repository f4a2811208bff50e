"""What the program measures besides the table: curves, a soak, memory; each when asked for."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from benchmarks import curve_plot, curve_report, footprint, footprint_report, soak, soak_report
from benchmarks.curves import Run
from benchmarks.sweep import Pace

_RESULTS: Final = Path(__file__).parent / "results"
_QUICK: Final = Pace(rounds=5, seconds=0.1)
_FULL: Final = Pace(rounds=9, seconds=0.2)
_MOST: Final = 1_000_000
_LEAST: Final = 1_000
_MINUTES: Final = 10.0
_T = TypeVar("_T")


def add_arguments(parser: ArgumentParser) -> None:
    """Add a flag for each."""
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
        "--memory", action="store_true", help="what data takes of the server's memory instead"
    )


def _most(text: str) -> int:
    if int(text) < _LEAST:
        raise ArgumentTypeError(f"at least {_LEAST:,}")
    return int(text)


def _minutes(text: str) -> float:
    if not float(text) > 0:
        raise ArgumentTypeError("more than 0")
    return float(text)


def run(arguments: Namespace) -> bool:
    """Run what was asked for; tell whether that was anything."""
    loop = arguments.loop or ("uvloop" if find_spec("uvloop") else "asyncio")
    if arguments.curves:
        pace = _FULL if arguments.full else _QUICK
        curves = _on(loop, Run(loop, pace, arguments.curves).run())
        _write("curves", curves, curve_report.markdown(curves), curve_plot.svg(curves))
    if arguments.soak:
        soaked = _on(loop, soak.run(arguments.soak))
        soaked.setting["loop"] = loop
        _write("soak", soaked, soak_report.markdown(soaked))
    if arguments.memory:
        footprints = _on(loop, footprint.run())
        _write("memory", footprints, footprint_report.markdown(footprints))
    return bool(arguments.curves or arguments.soak or arguments.memory)


def _on(loop: str, work: Coroutine[Any, Any, _T]) -> _T:
    """Run on the event loop of that name."""
    factory = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def _write(name: str, results: Any, markdown: str, svg: str | None = None) -> None:
    """Write a study's files, and print it."""
    _RESULTS.mkdir(exist_ok=True)
    json = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (_RESULTS / f"{name}.json").write_bytes(json)
    (_RESULTS / f"{name}.md").write_text(markdown)
    if svg is not None:
        (_RESULTS / f"{name}.svg").write_text(svg)
    print(markdown)
    print(f"Written to {_RESULTS}: {name}.*", file=sys.stderr)
