"""Measures a framework: traffic through a proxy, store by store; then times, in rounds."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.contenders.frameworks.catalogue import Framework, Step, Store
from benchmarks.contenders.protocol import Request, Sample
from benchmarks.runner import proxy, servers
from benchmarks.runner.rounds import Report, Round
from benchmarks.runner.server_time import server_seconds
from benchmarks.runner.workers import Worker, started
from benchmarks.studies.frameworks.results import Cell, Cost, Measured

COUNTED: Final = 9
_WORKER: Final = "benchmarks.contenders.frameworks.worker"
_FILL: Final = Request(call="prepare", threads=[])
_SCAN_CHUNK: Final = 1_000


async def measure(framework: Framework, loop: str, rounds: int, report: Report) -> Measured:
    """Measure all steps with all stores, each with a server and a process of its own."""
    measured = Measured(
        versions={},
        steps={
            step.name: {store.title: Cell() for store in framework.stores}
            for step in framework.steps
        },
        memory={},
    )
    for store in framework.stores:
        if not store.where:
            report(f"{framework.name}: counting, {store.title}")
            await _count(framework, store, loop, measured)
    async with AsyncExitStack() as stack:
        workers: dict[Store, Worker] = {}
        for store in framework.stores:
            url, _ = await stack.enter_async_context(servers.embedded())
            worker = await stack.enter_async_context(_working(framework, store, loop, url))
            await worker.measure(_FILL)
            workers[store] = worker
            measured.versions |= worker.versions
        # The first round opens connections and fills caches.
        for number in range(rounds + 1):
            report(f"{framework.name}: round {number} of {rounds}")
            for step in framework.steps:
                samples = await _round(step, workers, number)
                if number:
                    for store, sample in samples.items():
                        rounds_of = measured.steps[step.name][store.title].rounds
                        rounds_of.append(Round.of(sample, agents=1))
    return measured


@asynccontextmanager
async def _working(
    framework: Framework, store: Store, loop: str, url: str
) -> AsyncGenerator[Worker]:
    python = str(framework.environment.python)
    with TemporaryDirectory() as directory:
        arguments = [framework.module, store.package, loop, url, directory]
        async with started([python, "-m", _WORKER, *arguments]) as worker:
            yield worker


async def _round(step: Step, workers: dict[Store, Worker], number: int) -> dict[Store, Sample]:
    """Have each store make the calls, another one first in each round."""
    stores = list(workers)
    first = number % len(stores)
    samples: dict[Store, Sample] = {}
    for store in [*stores[first:], *stores[:first]]:
        await _prepare(workers[store], step)
        request = Request(call=step.name, threads=[], times=step.calls)
        samples[store] = await workers[store].measure(request)
    got = {store.title: sample.got for store, sample in samples.items()}
    if len(set(got.values())) > 1:
        raise ValueError(f"the stores gave different answers to {step.name}: {got}")
    return samples


async def _count(framework: Framework, store: Store, loop: str, measured: Measured) -> None:
    async with (
        servers.embedded() as (url, own),
        proxy.counting(url) as (proxied, traffic),
        _working(framework, store, loop, proxied) as worker,
    ):
        client: Any = own.get_client()
        before = await _stored(client)
        await worker.measure(_FILL)
        if framework.unit:
            growth = await _stored(client) - before
            measured.memory[store.title] = growth / framework.units
        for step in framework.steps:
            cell = measured.steps[step.name][store.title]
            cell.cost = await _cost(worker, step, traffic, client)


async def _cost(worker: Worker, step: Step, traffic: proxy.Traffic, client: Any) -> Cost:
    """Measure some calls after a first one, which may open connections and load scripts."""
    request = Request(call=step.name, threads=[])
    await _prepare(worker, step)
    await worker.measure(request)
    stored = await _stored(client) if step.adds else 0
    counts: list[Sequence[float]] = []
    for _ in range(COUNTED):
        await _prepare(worker, step)
        before = await client.info("commandstats")
        traffic.reset()
        await worker.measure(request)
        server = server_seconds(traffic.commands, before, await client.info("commandstats"))
        counts.append((traffic.round_trips, traffic.sent, traffic.received, server))
    round_trips, sent, received, server = map(median, zip(*counts, strict=True))
    grows = (await _stored(client) - stored) / COUNTED if step.adds else None
    return Cost(round_trips=round_trips, sent=sent, received=received, server=server, grows=grows)


async def _prepare(worker: Worker, step: Step) -> None:
    await worker.measure(Request(call="prepare", threads=[], tag=step.name))


async def _stored(client: Any) -> int:
    """Sum up the MEMORY USAGE of all keys: unlike ``used_memory``, without clients' buffers."""
    total, cursor = 0, -1
    while cursor:
        cursor, keys = await client.scan(max(cursor, 0), count=_SCAN_CHUNK)
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.memory_usage(key, samples=0)
            total += sum(await pipe.execute())
    return total
