"""Measure the library next to others on a server of its own: a table, and files in results/."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from benchmarks import meter, plot, processes, report, rounds, setting, studies, summary
from benchmarks.dataset import Dataset
from benchmarks.operations import OPERATIONS, Operation
from benchmarks.order import Order
from benchmarks.processes import NODE, Entrant
from benchmarks.progress import Progress
from benchmarks.results import Results
from benchmarks.rounds import Pace
from redis_store import RedisStore
from redis_store.embedded import EmbeddedServer

_RESULTS: Final = Path(__file__).parent / "results"
_KINDS: Final = ("library", "floor", "stock")
_QUICK: Final = Pace(rounds=2, batch=0.03, share=0.115)
_FULL: Final = Pace(rounds=7, batch=0.1, share=0.4)
# Of peers some take seconds for it, and half a minute to write their threads.
_LONG_FOR_PEERS: Final = "turn, 100 agents"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="more operations, more and longer rounds"
    )
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), help="one event loop, not both")
    parser.add_argument("--only", default="", help="operations whose name contains this")
    studies.add_arguments(parser)
    return parser.parse_args()


def _entrants(loop: str | None, *, full: bool) -> tuple[list[Entrant], list[str]]:
    """List who takes part, and who cannot and why."""
    loops, missing = [loop] if loop else ["asyncio", "uvloop"], list[str]()
    if find_spec("uvloop") is None and "uvloop" in loops:
        loops.remove("uvloop")
        missing.append("uvloop: not installed")
    entrants = [Entrant(kind, loop) for loop in loops for kind in _KINDS]
    why = processes.missing()
    if why:
        missing.append(f"{NODE.kind}: {why}")
    else:
        entrants.append(NODE)
    peers, absent = _peers(loops, full=full)
    return entrants + peers, missing + absent


def _peers(loops: Sequence[str], *, full: bool) -> tuple[list[Entrant], list[str]]:
    """List the peers in Python, on one loop; in quick mode for what is quickly done."""
    entrants, missing = processes.peers(loops[0])
    if not full:
        entrants = [peer.without(_LONG_FOR_PEERS) for peer in entrants]
    return entrants, missing


async def _measure(
    operations: Sequence[Operation], entrants: list[Entrant], missing: list[str], *, full: bool
) -> Results:
    pace = _FULL if full else _QUICK
    circumstances = setting.describe() | {"rounds": pace.rounds, "seconds per batch": pace.batch}
    progress = Progress()
    async with EmbeddedServer() as server, RedisStore(server.url) as store:
        client = cast("Any", store.get_client())
        circumstances["server"] = setting.server_version(await client.info("server"))
        order = Order(Dataset(store), operations, entrants, progress)
        cells = await meter.count(order, server.url, client)
        circumstances |= await rounds.run(order, server.url, cells, pace)
    progress.end()
    return Results(circumstances, list(operations), entrants, missing, cells)


def _write(results: Results) -> None:
    _RESULTS.mkdir(exist_ok=True)
    json = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (_RESULTS / "results.json").write_bytes(json)
    (_RESULTS / "results.md").write_text(report.markdown(results))
    (_RESULTS / "results.svg").write_text(plot.svg(results))
    (_RESULTS / "summary.md").write_text(summary.markdown(results))


def main() -> None:
    """Run the program."""
    arguments = _arguments()
    if studies.run(arguments):
        return
    full = arguments.full
    operations = [
        operation
        for operation in OPERATIONS
        if arguments.only in operation.name and (full or arguments.only or not operation.is_long)
    ]
    if not operations:
        sys.exit(f"no operation's name contains {arguments.only!r}")
    entrants, missing = _entrants(arguments.loop, full=full)
    entrants = [each for each in entrants if any(each.takes_part(o.name) for o in operations)]
    results = asyncio.run(_measure(operations, entrants, missing, full=full))
    _write(results)
    print(report.markdown(results))
    print(f"Written to {_RESULTS}: results.*, summary.md", file=sys.stderr)


if __name__ == "__main__":
    main()
