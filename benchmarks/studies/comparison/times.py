"""Takes the times of calls, in rounds."""

from collections.abc import Collection
from typing import Any

from benchmarks.runner import rounds
from benchmarks.runner.rounds import Round
from benchmarks.runner.server_time import server_seconds
from benchmarks.runner.workers import all_running
from benchmarks.studies.comparison.operations import Operation
from benchmarks.studies.comparison.results import Cell
from benchmarks.studies.comparison.schedule import Schedule


class Pace(rounds.Pace, frozen=True):
    """How long is measured.

    Args:
        rounds: How often all operations are measured.
        batch: Seconds that a contender calls at a time; it makes one call at least.
        share: Seconds per contender that an operation has in a round; short calls are repeated to
            fill them.
    """

    share: float


async def measure(
    schedule: Schedule, url: str, client: Any, cells: dict[str, dict[str, Cell]], pace: Pace
) -> dict[str, str]:
    """Add the rounds to cells that hold costs.

    Args:
        schedule: The trials.
        url: The server's.
        client: A ``redis.asyncio`` client of the server.
        cells: A cell per operation and contender, by their names.
        pace: How long is measured.

    Returns:
        Versions of the contenders' packages, by name.
    """

    def repeats(operation: Operation) -> int:
        return _repeats(cells[operation.name].values(), pace)

    async with all_running(schedule.contenders, url) as workers:
        for contender, worker in workers.items():
            await worker.measure(schedule.warmup(contender))
        for number in range(pace.rounds):
            title = f"round {number + 1} of {pace.rounds}"
            async for trial in schedule.trials(title, repeats, shift=number):
                worker = workers[trial.contender]
                cell = cells[trial.operation.name][trial.contender.name]
                times = _calls(trial.operation, cell, pace.batch)
                async with trial.prepared(worker, times) as request:
                    before = await client.info("commandstats")
                    sample = await worker.measure(request)
                    after = await client.info("commandstats")
                trial.check(sample)
                agents = trial.operation.agents
                server = server_seconds(cell.count.commands, before, after) / agents
                cell.rounds.append(Round.of(sample, agents, server))
        return {name: v for worker in workers.values() for name, v in worker.versions.items()}


def _calls(operation: Operation, cell: Cell, seconds: float) -> int:
    """Choose how many calls fit into a batch, from the time that one took."""
    latest = cell.rounds[-1] if cell.rounds else None
    one = latest.value * operation.agents if latest else cell.count.elapsed
    return max(1, min(operation.most, int(seconds / one)))


def _repeats(cells: Collection[Cell], pace: Pace) -> int:
    """Choose how many batches each contender makes in a round; all the same, as ratios pair them.

    The batch of a contender whose single call takes longer than a batch is that call.
    """
    once = sum(max(pace.batch, cell.count.elapsed) for cell in cells)
    return max(1, int(pace.share * len(cells) / once))
