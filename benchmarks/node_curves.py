"""Curves over cluster size: what a call takes of the client's CPU time, next to one server."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from benchmarks import clusters, curve_data
from benchmarks.curve import Curve
from benchmarks.curve_data import PAGE, Report
from benchmarks.processes import Entrant
from benchmarks.protocol import Request
from benchmarks.sweep import Line, Stop, Sweep
from redis_store import RedisStore

_NODES: Final = (1, 3, 6)
_THREADS: Final = [f"agent-{i}" for i in range(100)]
_LENGTH: Final = 100
# Each with its size and how many records it gives.
_CALLS: Final = {
    "get thread": ("get", 0, 1),
    "last 10": ("last", PAGE, PAGE),
    "save 2": ("save", 2, 2),
    "turn": ("turn", 2, 2),
}

Place = tuple[str, str, RedisStore]


async def measure(sweep: Sweep, library: Entrant, report: Report) -> list[Curve]:
    """Measure them, by one agent and by many; all servers run at the same time, on TCP."""
    async with AsyncExitStack() as stack:
        places: list[Place] = []
        servers = {"standalone": clusters.standalone()}
        servers |= {f"cluster of {n}": clusters.cluster(n) for n in _NODES}
        for name, server in servers.items():
            report(f"loading: {name}")
            url = await stack.enter_async_context(server)
            store = await stack.enter_async_context(RedisStore(url))
            await curve_data.fill(store, dict.fromkeys(_THREADS, _LENGTH), report)
            places.append((name, url, store))
        return [await _measure(sweep, library, places, agents) for agents in (1, 100)]


async def _measure(sweep: Sweep, library: Entrant, places: Sequence[Place], agents: int) -> Curve:
    lines = [
        Line(
            name,
            library,
            [Stop(*place, of_agents(call, _THREADS, size, agents), got) for place in places],
        )
        for name, (call, size, got) in _CALLS.items()
    ]
    title = "1 agent" if agents == 1 else f"{agents} agents at once"
    return Curve(
        title=title,
        axis="servers",
        figure="cpu",
        shape="level",
        lines=await sweep.measure(f"servers, {title}", lines),
    )


def of_agents(call: str, threads: list[str], size: int, agents: int) -> Request:
    """Build a request of agents at once, each on the next thread."""
    return Request(call=call, threads=threads, size=size, agents=agents)
