"""Runs the comparison: chooses operations and contenders, counts costs, then takes times."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

from benchmarks.contenders.contender import (
    FLOOR,
    LIBRARY,
    MASTRA,
    STOCK,
    Contender,
    library_at,
    python_peers,
    why_no_mastra,
)
from benchmarks.runner import environment, servers
from benchmarks.runner.progress import Progress
from benchmarks.studies.comparison import costs, times
from benchmarks.studies.comparison.dataset import Dataset
from benchmarks.studies.comparison.operations import OPERATIONS, Operation
from benchmarks.studies.comparison.results import Results
from benchmarks.studies.comparison.schedule import Schedule
from benchmarks.studies.comparison.times import Pace

_QUICK: Final = Pace(rounds=2, batch=0.03, share=0.115)
_FULL: Final = Pace(rounds=7, batch=0.1, share=0.4)
# Some peers take seconds for it, and half a minute to write its threads.
_LONG_FOR_PEERS: Final = "turn, 100 agents"


def choose_operations(only: str, *, full: bool) -> list[Operation]:
    """List the operations whose name contains a text; long ones if full or asked for by name."""
    return [
        operation
        for operation in OPERATIONS
        if only in operation.name and (full or only or not operation.is_long)
    ]


def choose_contenders(
    loop: str | None, against: Path | None, *, full: bool
) -> tuple[list[Contender], list[str]]:
    """List the contenders that can run here, and notes on the others.

    Args:
        loop: The event loop of those in Python; ``None`` is asyncio and uvloop.
        against: Another checkout, whose library is a contender too.
        full: Whether peers in Python do the operation that takes them long.
    """
    loops, missing = [loop] if loop else ["asyncio", "uvloop"], list[str]()
    if find_spec("uvloop") is None and "uvloop" in loops:
        loops.remove("uvloop")
        missing.append("uvloop: not installed")
    chosen: list[Contender] = []
    for each in loops:
        # One right after the other, so that both libraries meet the same state of the machine.
        libraries = [Contender(LIBRARY, each), *([library_at(against, each)] if against else [])]
        chosen += [*libraries, Contender(FLOOR, each), Contender(STOCK, each)]
    if why := why_no_mastra():
        missing.append(f"{MASTRA.kind}: {why}")
    else:
        chosen.append(MASTRA)
    peers, notes = python_peers(loops[0])
    if not full:
        peers = [peer.without(_LONG_FOR_PEERS) for peer in peers]
    return chosen + peers, missing + notes


async def run(
    operations: Sequence[Operation],
    contenders: Sequence[Contender],
    missing: list[str],
    *,
    full: bool,
) -> Results:
    """Measure operations by contenders, all on one server."""
    pace = _FULL if full else _QUICK
    contenders = [each for each in contenders if any(each.can(o.name) for o in operations)]
    setting = environment.describe() | {"rounds": pace.rounds, "seconds per batch": pace.batch}
    progress = Progress()
    async with servers.embedded() as (url, store):
        setting["server"] = await environment.server_version(store)
        schedule = Schedule(Dataset(store), operations, contenders, progress)
        cells = await costs.count(schedule, url)
        client = cast("Any", store.get_client())
        setting |= await times.measure(schedule, url, client, cells, pace)
    progress.end()
    return Results(setting, list(operations), contenders, missing, cells)
