"""What a test must not leave behind: keys, and what is open in this process."""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from redis_store import CacheStore, RedisStore, ScoreStore, WorkflowStore
from tests.support.deployments.place import Place
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw


@asynccontextmanager
async def no_leaks() -> AsyncGenerator[None]:
    """Assert that no task and no file, socket or pipe is open after the block that was not before.

    What is collected unclosed warns, and a warning fails the test.
    """
    tasks, files = asyncio.all_tasks(), _open_files()
    yield
    gc.collect()
    with suppress(AssertionError):
        await until(lambda: asyncio.all_tasks() <= tasks, "no task is left")
        await until(lambda: _open_files().keys() <= files.keys(), "no file is left open")
    assert asyncio.all_tasks() - tasks == set()
    assert {fd: name for fd, name in _open_files().items() if fd not in files} == {}


def _open_files() -> dict[str, str]:
    """What this process has open, by number; names where the system tells them."""
    names: dict[str, str] = {}
    for number in os.listdir("/dev/fd"):  # noqa: PTH208 - no directory that pathlib knows
        with suppress(OSError):
            os.fstat(int(number))  # not the listing itself, which is closed again
            names[number] = number
            names[number] = os.readlink(f"/dev/fd/{number}")  # noqa: PTH115 - as above
    return names


@asynccontextmanager
async def emptied(
    store: RedisStore, place: Place, raw: Raw, domain: WorkflowStore | ScoreStore | CacheStore
) -> AsyncGenerator[None]:
    """Clear a domain after the block, and assert that nothing is left under the test's prefix."""
    yield
    await (domain.clear() if isinstance(domain, CacheStore) else domain.dangerously_clear_all())
    for thread in await store.memory.list_threads(per_page=None):
        await store.memory.delete_thread(thread.id)
    assert await raw.keys(place.keys.prefix) == []
