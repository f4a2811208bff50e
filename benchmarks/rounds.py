"""Rounds in which every contender makes every call, in turn."""

from collections.abc import Collection

import msgspec

from benchmarks.operations import Operation
from benchmarks.order import Order
from benchmarks.processes import all_running
from benchmarks.results import Cell, Round


class Pace(msgspec.Struct, frozen=True):
    """How long a run may take.

    Args:
        rounds: How often all operations are gone through.
        batch: Seconds that a contender has at its turn; it makes one call at least.
        share: Seconds per contender that an operation has in a round; each has one turn at least.
    """

    rounds: int
    batch: float
    share: float


async def run(
    order: Order, url: str, cells: dict[str, dict[str, Cell]], pace: Pace
) -> dict[str, str]:
    """Take times.

    Args:
        order: Who makes which call when.
        url: The server's.
        cells: Where rounds are added.
        pace: How long that may take.

    Returns:
        What the contenders ran on: versions by name.
    """
    async with all_running(order.entrants, url) as workers:
        for entrant, worker in workers.items():
            await worker.measure(order.warmup(entrant))

        def laps(operation: Operation) -> int:
            return _laps(cells[operation.name].values(), pace)

        for number in range(pace.rounds):
            title = f"round {number + 1} of {pace.rounds}"
            async for turn in order.turns(title, laps, shift=number):
                worker, cell = workers[turn.entrant], cells[turn.operation.name][turn.entrant.name]
                times = _times(turn.operation, cell, pace.batch)
                async with turn.prepared(worker, times) as request:
                    sample = await worker.measure(request)
                turn.check(sample)
                cell.rounds.append(Round.of(sample, turn.operation.agents))
        return {name: v for worker in workers.values() for name, v in worker.versions.items()}


def _times(operation: Operation, cell: Cell, budget: float) -> int:
    """Choose how many calls fit the budget, from what one took."""
    latest = cell.rounds[-1] if cell.rounds else None
    one = latest.value * operation.agents if latest else cell.count.elapsed
    return max(1, min(operation.most, int(budget / one)))


def _laps(cells: Collection[Cell], pace: Pace) -> int:
    """Choose how often all contenders take turns: the same for all, as ratios pair them."""
    once = sum(max(pace.batch, cell.count.elapsed) for cell in cells)
    return max(1, int(pace.share * len(cells) / once))
