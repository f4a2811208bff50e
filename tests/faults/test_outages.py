"""A server that goes away, comes back, loads or stands still: calls say so, and then work again."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic

import anyio
import anyio.lowlevel
import pytest

from redis_store import BackendError, BackendTimeoutError, BackendUnavailableError, RedisStore
from redis_store._engine.keys import Keys
from tests.faults.pairs import standing_still
from tests.support.deployments.servers import Server
from tests.support.inspection.invariants import check_invariants
from tests.support.records.builders import message, thread
from tests.support.records.memory_calls import every_call, furnish
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw

SCRIPTED = (
    "list_messages",
    "list_messages, with includes",
    "save_thread, known",
    "save_messages, new",
    "save_messages, moved",
    "update_messages, of two threads",
    "delete_thread",
    "copy_thread",
)


SHORT = timedelta(seconds=0.4)


@contextmanager
def raises_in_time(kind: type[BackendError], code: str, says: str | None = None) -> Generator[None]:
    """Assert that a call of a store with a short deadline fails, neither long before nor after."""
    began = monotonic()
    with pytest.raises(kind, match=says) as caught:
        yield
    assert caught.value.code == code
    assert caught.value.__cause__ is not None
    assert 0.9 * SHORT.total_seconds() < monotonic() - began < SHORT.total_seconds() + 0.5


@pytest.fixture
async def own(binary: str, tmp_path: Path) -> AsyncIterator[Server]:
    """A server of the test's own, which takes 10 ms per key to load what it saved."""
    args = ("--dbfilename", "dump.rdb", "--rdbcompression", "no", "--key-load-delay", "10000")
    async with await Server.start(binary, args=args, workdir=tmp_path) as server:
        yield server


async def test_a_killed_server_is_found_again(own: Server) -> None:
    """ST-01, GEN-04: calls fail while it is away, reads too, and work once it is back."""
    async with RedisStore(own.url, operation_timeout=SHORT) as store:
        await furnish(store.memory)
        await own.kill()
        for _ in range(2):
            with raises_in_time(BackendUnavailableError, "LIST_MESSAGES_BACKEND_UNAVAILABLE"):
                await store.memory.list_messages("t")
        with raises_in_time(BackendUnavailableError, "SAVE_THREAD_BACKEND_UNAVAILABLE"):
            await store.memory.save_thread(thread("t"))
        await own.restart()
        # The new server has no scripts and no data.
        assert (await store.memory.list_messages("t")).items == []
        await furnish(store.memory)
        assert (await store.memory.list_messages("t")).total == 4


async def test_calls_wait_for_a_server_that_is_away(own: Server) -> None:
    """ST-01: begun while it is away, each is answered once it is back; no error surfaces."""
    async with RedisStore(own.url) as store:
        await own.kill()
        calls = [store.memory.save_thread(thread(f"t{n}")) for n in range(60)]
        saving = [asyncio.ensure_future(call) for call in calls]
        reading = asyncio.ensure_future(store.memory.get_thread_by_id("unknown"))
        done, _ = await asyncio.wait([*saving, reading], timeout=0.1)
        assert not done
        await own.restart()
        await asyncio.gather(*saving)
        assert await reading is None
        assert (await store.memory.list_threads(resource_id="u")).total == 60


async def test_calls_under_way_when_the_server_dies_fail(own: Server) -> None:
    """ST-01: none hangs and none is reported as done after the server was gone."""
    async with RedisStore(own.url, operation_timeout=SHORT) as store, Raw(own.url) as raw:
        await store.memory.save_thread(thread("t"))
        await raw("CLIENT", "PAUSE", 10_000)
        calls = [store.memory.save_messages([message(f"m{n}", n)]) for n in range(60)]
        saving = [asyncio.ensure_future(call) for call in calls]
        await anyio.lowlevel.checkpoint()
        await own.kill()
        outcomes = await asyncio.gather(*saving, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {BackendUnavailableError}


async def test_a_loading_server_is_said_to_load(own: Server) -> None:
    """ST-01: LOADING while it reads its data; afterwards the data is there."""
    timeout = 2 * SHORT  # for the few words of a new connection
    async with RedisStore(own.url, operation_timeout=timeout) as store, Raw(own.url) as raw:
        await store.memory.save_thread(thread("t"))
        # A loading server answers once per 2 MB.
        await raw("MSET", *(text for n in range(150) for text in (f"k{n}", "x" * 2**18)))
        await raw("SAVE")
        await own.kill()
        starting = asyncio.create_task(own.restart())
        said: set[str] = set()

        async def answers() -> bool:
            try:
                return await store.memory.get_thread_by_id("t") is not None
            except (BackendUnavailableError, BackendTimeoutError) as error:
                said.add(error.code)
                return False

        await until(answers, "the data is loaded", timeout=20)
        await starting
    assert "GET_THREAD_BY_ID_BACKEND_LOADING" in said
    # It does not listen at first, and is silent between two looks at its clients.
    others = {f"GET_THREAD_BY_ID_BACKEND_{reason}" for reason in ("UNAVAILABLE", "TIMEOUT")}
    assert said <= {"GET_THREAD_BY_ID_BACKEND_LOADING", *others}


async def test_a_server_that_stands_still_times_out(own: Server) -> None:
    """ST-01: a timeout is an error of its own; no late reply reaches a later call."""
    async with RedisStore(own.url, operation_timeout=SHORT) as store, Raw(own.url) as raw:
        await furnish(store.memory)
        with standing_still(own):
            late = "no answer within 0.4 s"
            with raises_in_time(BackendTimeoutError, "GET_THREAD_BY_ID_BACKEND_TIMEOUT", late):
                await store.memory.get_thread_by_id("t")
            with raises_in_time(BackendTimeoutError, "SAVE_MESSAGES_BACKEND_TIMEOUT", late):
                await store.memory.save_messages([message("late", 9)])
        assert await raw("PING") == b"PONG"
        found = await store.memory.get_thread_by_id("t2")
        assert found is not None
        assert found.id == "t2"
        ids = [each.id for each in await store.memory.list_messages("t")]
        assert ids in (["a", "b", "c", "d"], ["a", "b", "c", "d", "late"])
        await check_invariants(raw, Keys())


@pytest.mark.parametrize("hash_tags", [False, True])
async def test_lost_scripts_are_sent_again(own: Server, *, hash_tags: bool) -> None:
    """ST-01: after SCRIPT FLUSH a call works at once, and leaves what it should."""
    calls = every_call()
    async with RedisStore(own.url, hash_tags=hash_tags) as store, Raw(own.url) as raw:
        for name in SCRIPTED:
            await furnish(store.memory)
            await raw("SCRIPT", "FLUSH")
            await calls[name](store.memory)
            await check_invariants(raw, Keys(hash_tags=hash_tags))
