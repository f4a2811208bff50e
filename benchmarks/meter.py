"""What a call costs, counted for each contender before times are taken."""

from typing import Any, Final

from benchmarks.order import Order, Turn
from benchmarks.processes import Worker, all_running
from benchmarks.proxy import Traffic, counting
from benchmarks.results import Cell, Count

# Seconds from which a call is made once: what it does when first used hardly shows.
_LONG: Final = 1.0


async def count(order: Order, url: str, client: Any) -> dict[str, dict[str, Cell]]:
    """Have each contender make each call, through a proxy.

    Args:
        order: Who makes which call when.
        url: The server's.
        client: A ``redis.asyncio`` client of it.
    """
    cells: dict[str, dict[str, Cell]] = {operation.name: {} for operation in order.operations}
    async with (
        counting(url) as (proxied, traffic),
        all_running(order.entrants, proxied) as workers,
    ):
        async for turn in order.turns("counting"):
            worker = workers[turn.entrant]
            await worker.measure(order.warmup(turn.entrant))
            counted = await _counted(worker, turn, traffic, client)
            if counted.elapsed < _LONG:
                # The first time opened connections, and compiled what is compiled when it is used.
                counted = await _counted(worker, turn, traffic, client)
            cells[turn.operation.name][turn.entrant.name] = Cell(counted)
    return cells


async def _counted(worker: Worker, turn: Turn, traffic: Traffic, client: Any) -> Count:
    async with turn.prepared(worker, times=1) as request:
        request.watch = True
        before = await client.info("commandstats")
        traffic.reset()
        sample = await worker.measure(request)
        after = await client.info("commandstats")
    turn.check(sample)
    return Count(
        round_trips=traffic.round_trips,
        bytes_sent=traffic.sent,
        bytes_received=traffic.received,
        commands=dict(traffic.commands),
        server=_server_seconds(traffic, before, after),
        stall=sample.stall,
        elapsed=sample.elapsed,
    )


def _server_seconds(traffic: Traffic, before: dict[str, Any], after: dict[str, Any]) -> float:
    """Sum the server's time over what the client sent.

    Not over all commands: those that a script or a transaction ran are in its own time already.
    """
    total = 0.0
    for name, calls in traffic.commands.items():
        stats = after.get(f"cmdstat_{name}")
        if stats is None:
            continue
        known = before.get(f"cmdstat_{name}", {"calls": 0, "usec": 0})
        ran = stats["calls"] - known["calls"]
        total += calls * (stats["usec"] - known["usec"]) / max(1, ran)
    return total / 1e6
