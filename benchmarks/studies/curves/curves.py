"""The curves: over thread length, unrelated keys, concurrent agents, and servers of a cluster."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from benchmarks.contenders.contender import FLOOR, LIBRARY, MASTRA, Contender, why_no_mastra
from benchmarks.contenders.protocol import Request
from benchmarks.runner import environment, servers
from benchmarks.runner.progress import Progress
from benchmarks.runner.rounds import Pace
from benchmarks.studies.comparison.dataset import OWNED, USER
from benchmarks.studies.curves import data
from benchmarks.studies.curves.curve import Curve, Curves
from benchmarks.studies.curves.data import PAGE
from benchmarks.studies.curves.sweep import Line, Place, Stop, Sweep
from redis_store import RedisStore

_QUICK: Final = Pace(rounds=5, batch=0.1)
_FULL: Final = Pace(rounds=9, batch=0.2)
_LENGTHS: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
_KEYS: Final = (1_000, 10_000, 100_000, 1_000_000)
_AGENTS: Final = (1, 10, 100, 1_000)
_CLUSTERS: Final = (1, 3, 6)
_CLUSTER_AGENTS: Final = (1, 100)
# Short, as a thousand agents have a thread each.
_AGENT_LENGTH: Final = 100
_THREAD: Final = "thread"


async def run(loop: str, most: int, *, full: bool) -> Curves:
    """Measure all curves, each on servers of its own.

    Args:
        loop: The event loop of the library and the floor.
        most: Points beyond so many messages or keys are left out.
        full: Whether to measure longer.
    """
    return await _Run(loop, most, _FULL if full else _QUICK).run()


class _Run:
    def __init__(self, loop: str, most: int, pace: Pace) -> None:
        self._library = Contender(LIBRARY, loop)
        self._contenders = [self._library, Contender(FLOOR, loop)]
        if not why_no_mastra():
            self._contenders.append(MASTRA)
        self._pace = pace
        self._most = most
        self._progress = Progress()
        self._sweep = Sweep(pace, self._progress)

    async def run(self) -> Curves:
        pace = {"rounds": self._pace.rounds, "seconds per batch": self._pace.batch}
        setting = environment.describe() | pace
        async with servers.embedded() as (_, store):
            setting["server"] = await environment.server_version(store)
        curves = [await self._over_length()]
        curves += await self._over_keys()
        curves += await self._over_agents()
        curves += await self._over_servers()
        self._progress.end()
        return Curves(setting | self._sweep.versions, curves)

    async def _over_length(self) -> Curve:
        lengths = {f"{_THREAD}-{n}": n for n in _LENGTHS if n <= self._most}
        async with servers.embedded() as (url, store):
            await data.fill(store, lengths, self._progress)
            stops = [
                Stop(Place(f"{n:,}", url, store), _last(thread_id), PAGE)
                for thread_id, n in lengths.items()
            ]
            lines = await self._sweep.measure("thread length", self._lines(stops))
        return Curve(title="last 10", axis="messages in the thread", lines=lines)

    async def _over_keys(self) -> list[Curve]:
        calls = {
            "get thread": (Request(call="get", threads=[_THREAD]), 1),
            "last 10": (_last(_THREAD), PAGE),
            "threads of a user": (
                Request(call="threads_of", threads=[""], resource=USER),
                len(OWNED),
            ),
        }
        # A server for each point, so that all can be measured in turn.
        async with AsyncExitStack() as stack:
            places: list[Place] = []
            for keys in (keys for keys in _KEYS if keys <= self._most):
                url, store = await stack.enter_async_context(servers.embedded())
                await data.fill(store, {_THREAD: _AGENT_LENGTH}, self._progress)
                await data.fill_user(store)
                await data.fill_unrelated(store, keys, self._progress)
                places.append(Place(f"{keys:,}", url, store))
            return [
                Curve(
                    title=title,
                    axis="unrelated keys",
                    lines=await self._sweep.measure(
                        f"unrelated keys, {title}",
                        self._lines([Stop(place, *call) for place in places]),
                    ),
                )
                for title, call in calls.items()
            ]

    async def _over_agents(self) -> list[Curve]:
        threads = [f"agent-{i}" for i in range(max(_AGENTS))]
        async with servers.embedded() as (url, store):
            await data.fill(store, dict.fromkeys(threads, _AGENT_LENGTH), self._progress)

            def stops(call: str, size: int, got: int) -> list[Stop]:
                return [
                    Stop(Place(f"{n:,}", url, store), _by_agents(call, threads, size, n), got)
                    for n in _AGENTS
                ]

            return [
                Curve(
                    title=title,
                    axis="agents at once",
                    shape="falling",
                    lines=await self._sweep.measure(
                        f"agents, {title}", self._lines(stops(call, size, got))
                    ),
                )
                for title, call, size, got in (("get thread", "get", 0, 1), ("turn", "turn", 2, 2))
            ]

    async def _over_servers(self) -> list[Curve]:
        """Measure the library's CPU time on clusters, next to a standalone server."""
        threads = [f"agent-{i}" for i in range(max(_CLUSTER_AGENTS))]
        deployments = {"standalone": servers.standalone()}
        deployments |= {f"cluster of {n}": servers.cluster(n) for n in _CLUSTERS}
        async with AsyncExitStack() as stack:
            places: list[Place] = []
            for name, deployment in deployments.items():
                self._progress(f"loading: {name}")
                url = await stack.enter_async_context(deployment)
                store = await stack.enter_async_context(RedisStore(url))
                await data.fill(store, dict.fromkeys(threads, _AGENT_LENGTH), self._progress)
                places.append(Place(name, url, store))
            return [await self._on_servers(places, threads, agents) for agents in _CLUSTER_AGENTS]

    async def _on_servers(self, places: Sequence[Place], threads: list[str], agents: int) -> Curve:
        calls = {
            "get thread": ("get", 0, 1),
            "last 10": ("last", PAGE, PAGE),
            "save 2": ("save", 2, 2),
            "turn": ("turn", 2, 2),
        }
        lines = [
            Line(
                name,
                self._library,
                [Stop(place, _by_agents(call, threads, size, agents), got) for place in places],
            )
            for name, (call, size, got) in calls.items()
        ]
        title = "1 agent" if agents == 1 else f"{agents} agents at once"
        return Curve(
            title=title,
            axis="servers",
            figure="cpu",
            shape="level",
            lines=await self._sweep.measure(f"servers, {title}", lines),
        )

    def _lines(self, stops: Sequence[Stop]) -> list[Line]:
        """Build a line for each contender."""
        return [Line(contender.name, contender, stops) for contender in self._contenders]


def _last(thread_id: str) -> Request:
    return Request(call="last", threads=[thread_id], size=PAGE)


def _by_agents(call: str, threads: list[str], size: int, agents: int) -> Request:
    """Build a request of concurrent agents, each on the next thread."""
    return Request(call=call, threads=threads, size=size, agents=agents)
