"""Curves over thread length, unrelated keys, concurrency and cluster size."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, cast

from benchmarks import curve_data, dataset, node_curves, processes, setting
from benchmarks.curve import Curve, Curves
from benchmarks.curve_data import PAGE
from benchmarks.node_curves import of_agents
from benchmarks.processes import NODE, Entrant
from benchmarks.progress import Progress
from benchmarks.protocol import Request
from benchmarks.sweep import Line, Pace, Stop, Sweep
from redis_store import RedisStore
from redis_store.embedded import EmbeddedServer

_LENGTHS: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
_KEYS: Final = (1_000, 10_000, 100_000, 1_000_000)
_AGENTS: Final = (1, 10, 100, 1_000)
# Short enough for a thousand of them.
_AGENT_LENGTH: Final = 100
_THREAD: Final = "thread"


def _last(thread_id: str) -> Request:
    return Request(call="last", threads=[thread_id], size=PAGE)


class Run:
    """Measures all curves.

    Args:
        loop: The event loop of the library and the floor.
        pace: How long each point is measured.
        most: Points beyond so many messages or keys are left out.
    """

    def __init__(self, loop: str, pace: Pace, most: int) -> None:
        self._library = Entrant("library", loop)
        self._entrants = [self._library, Entrant("floor", loop)]
        if not processes.missing():
            self._entrants.append(NODE)
        self._pace = pace
        self._most = most
        self._progress = Progress()
        self._sweep = Sweep(pace, self._progress)

    async def run(self) -> Curves:
        """Measure them, each on servers of its own."""
        pace = {"rounds": self._pace.rounds, "seconds per batch": self._pace.seconds}
        circumstances = setting.describe() | pace
        async with _embedded() as (_, store):
            client = cast("Any", store.get_client())
            circumstances["server"] = setting.server_version(await client.info("server"))
        curves = [await self._over_length()]
        curves += await self._over_keys()
        curves += await self._over_agents()
        curves += await node_curves.measure(self._sweep, self._library, self._progress)
        self._progress.end()
        return Curves(circumstances | self._sweep.versions, curves)

    async def _over_length(self) -> Curve:
        lengths = {f"{_THREAD}-{n}": n for n in _LENGTHS if n <= self._most}
        async with _embedded() as (url, store):
            await curve_data.fill(store, lengths, self._progress)
            stops = [
                Stop(f"{n:,}", url, store, _last(thread_id), PAGE)
                for thread_id, n in lengths.items()
            ]
            lines = await self._sweep.measure("thread length", self._lines(stops))
        return Curve(title="last 10", axis="messages in the thread", lines=lines)

    async def _over_keys(self) -> list[Curve]:
        # A server for each point: all can be measured in turn.
        async with AsyncExitStack() as stack:
            places: list[tuple[str, str, RedisStore]] = []
            for keys in (keys for keys in _KEYS if keys <= self._most):
                url, store = await stack.enter_async_context(_embedded())
                await curve_data.fill(store, {_THREAD: _AGENT_LENGTH}, self._progress)
                await curve_data.fill_user(store)
                await curve_data.fill_strangers(store, keys, self._progress)
                places.append((f"{keys:,}", url, store))
            calls = {
                "get thread": (Request(call="get", threads=[_THREAD]), 1),
                "last 10": (_last(_THREAD), PAGE),
                "threads of a user": (
                    Request(call="threads_of", threads=[""], resource=dataset.USER),
                    len(dataset.OWNED),
                ),
            }
            return [
                Curve(
                    title=title,
                    axis="unrelated keys",
                    lines=await self._sweep.measure(
                        f"unrelated keys, {title}",
                        self._lines([Stop(*place, *call) for place in places]),
                    ),
                )
                for title, call in calls.items()
            ]

    async def _over_agents(self) -> list[Curve]:
        threads = [f"agent-{i}" for i in range(max(_AGENTS))]
        async with _embedded() as (url, store):
            await curve_data.fill(store, dict.fromkeys(threads, _AGENT_LENGTH), self._progress)

            def stops(call: str, size: int, got: int) -> list[Stop]:
                return [
                    Stop(f"{n:,}", url, store, of_agents(call, threads, size, n), got)
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

    def _lines(self, stops: Sequence[Stop]) -> list[Line]:
        return [Line(entrant.name, entrant, stops) for entrant in self._entrants]


@asynccontextmanager
async def _embedded() -> AsyncGenerator[tuple[str, RedisStore]]:
    async with EmbeddedServer() as server, RedisStore(server.url) as store:
        yield server.url, store
