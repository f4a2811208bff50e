"""Rounds in which every contender makes every call, in turn."""

from collections.abc import Iterable
from contextlib import AsyncExitStack

import msgspec

from benchmarks.operations import Operation
from benchmarks.order import Order
from benchmarks.processes import Worker, running
from benchmarks.results import Cell, Round


class Pace(msgspec.Struct, frozen=True):
    """How long a run may take.

    Args:
        rounds: How often all operations are gone through.
        batch: Seconds that a contender has at its turn; it makes one call at least.
        share: Seconds that an operation has in a round; each contender has one turn at least.
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
    async with AsyncExitStack() as stack:
        workers: dict[str, Worker] = {}
        for entrant in order.entrants:
            workers[entrant.name] = await stack.enter_async_context(running(entrant, url))
            await workers[entrant.name].measure(order.warmup())

        def laps(operation: Operation) -> int:
            return _laps(cells[operation.name].values(), pace)

        for number in range(pace.rounds):
            title = f"round {number + 1} of {pace.rounds}"
            async for turn in order.turns(title, laps, shift=number):
                cell = cells[turn.operation.name][turn.entrant.name]
                async with turn.prepared(_times(turn.operation, cell, pace.batch)) as request:
                    sample = await workers[turn.entrant.name].measure(request)
                turn.check(sample)
                cell.rounds.append(Round.of(sample, turn.operation.agents))
        return {name: v for worker in workers.values() for name, v in worker.versions.items()}


def _times(operation: Operation, cell: Cell, budget: float) -> int:
    """Choose how many calls fit the budget, from what one took."""
    latest = cell.rounds[-1] if cell.rounds else None
    one = latest.value * operation.agents if latest else cell.count.elapsed
    return max(1, min(operation.most, int(budget / one)))


def _laps(cells: Iterable[Cell], pace: Pace) -> int:
    """Choose how often all contenders take turns: the same for all, as ratios pair them."""
    once = sum(max(pace.batch, cell.count.elapsed) for cell in cells)
    return max(1, int(pace.share / once))
