"""Counts the cost of a call to each contender: round trips, bytes, commands, stalls.

Separate from the times, as the counting proxy slows every call down.
"""

from typing import Final

from benchmarks.runner.proxy import Traffic, counting
from benchmarks.runner.workers import Worker, all_running
from benchmarks.studies.comparison.results import Cell, Count
from benchmarks.studies.comparison.schedule import Schedule, Trial

# A call that takes as many seconds is made only once: costs of first use hardly show in it.
_LONG: Final = 1.0


async def count(schedule: Schedule, url: str) -> dict[str, dict[str, Cell]]:
    """Have each contender make each call through a proxy.

    Args:
        schedule: The trials.
        url: The server's.

    Returns:
        A cell per operation and contender, by their names.
    """
    cells: dict[str, dict[str, Cell]] = {operation.name: {} for operation in schedule.operations}
    async with (
        counting(url) as (proxied, traffic),
        all_running(schedule.contenders, proxied) as workers,
    ):
        async for trial in schedule.trials("counting"):
            worker = workers[trial.contender]
            await worker.measure(schedule.warmup(trial.contender))
            counted = await _count(worker, trial, traffic)
            if counted.elapsed < _LONG:
                # The first call opened connections and filled caches: only the second counts.
                counted = await _count(worker, trial, traffic)
            cells[trial.operation.name][trial.contender.name] = Cell(counted)
    return cells


async def _count(worker: Worker, trial: Trial, traffic: Traffic) -> Count:
    async with trial.prepared(worker, times=1) as request:
        request.watch = True
        traffic.reset()
        sample = await worker.measure(request)
    trial.check(sample)
    return Count(
        round_trips=traffic.round_trips,
        bytes_sent=traffic.sent,
        bytes_received=traffic.received,
        commands=dict(traffic.commands),
        stall=sample.stall,
        elapsed=sample.elapsed,
    )
