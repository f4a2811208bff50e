"""Every adapter in several event loops at once, and in a forked child after use in the parent."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.records.adapters import ADAPTERS
from tests.support.wire.raw import Raw

ROOT = Path(__file__).parents[2]

# What asyncio itself says of a loop that is closed before its transports.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed transport:ResourceWarning",
    "ignore:unclosed <socket:ResourceWarning",
)


@pytest.fixture(autouse=True)
def _warnings_of_this_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
async def opened(place: Place, raw: Raw) -> AsyncIterator[RedisStore]:
    """A store on data of its own."""
    async with place.store() as store:
        yield store
        await store.dangerously_clear_integrations()
        await store.memory.dangerously_clear_all()
        await store.cache.clear()
        assert await raw.keys(place.keys.prefix) == []


@pytest.fixture(params=ADAPTERS)
def name(request: pytest.FixtureRequest) -> str:
    """The name of an adapter."""
    name = str(request.param)
    if not ADAPTERS[name].is_installed:
        pytest.skip("needs redis-store[frameworks]")
    return name


@on_each_topology
@pytest.mark.usefixtures("opened")
async def test_an_adapter_works_in_loops_at_the_same_time(place: Place, name: str) -> None:
    # Not the fixture's, which outlives the test, and its connections of ended loops with it.
    store = place.store(operation_timeout=timedelta(seconds=5))
    adapter = ADAPTERS[name].build(store)

    async def work(worker: int) -> None:
        for n in range(3):
            await adapter.write(10 * worker + n)
        assert {10 * worker + n for n in range(3)} <= await adapter.found()

    with anyio.fail_after(40):
        await adapter.write(99)
        await asyncio.gather(
            work(0), *(asyncio.to_thread(asyncio.run, work(worker)) for worker in range(1, 4))
        )
        # One after another, too: each ends with connections open.
        for worker in (4, 5):
            await asyncio.to_thread(asyncio.run, work(worker))
        expected = {10 * worker + n for worker in range(6) for n in range(3)} | {99}
        assert await adapter.found() == expected
        await store.close()


@on_each_topology
@pytest.mark.usefixtures("opened")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.timeout(120)
async def test_adapters_work_in_a_forked_child_and_in_its_parent(place: Place) -> None:
    """Of all at once, amid their requests: frameworks take long to import."""
    command = [sys.executable, "-m", "tests.support.schedules.forked_adapters"]
    command += [place.url, place.keys.prefix, str(place.keys.hash_tags)]
    with anyio.fail_after(110):
        ended = await anyio.run_process(
            command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    said = ended.stdout.decode()
    assert ended.returncode == 0, said
    assert "Traceback" not in said, said
    assert "used: memory" in said
