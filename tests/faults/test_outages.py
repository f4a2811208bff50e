"""A server that goes away, comes back, loads or stands still: calls say so, and then work again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from redis_store import BackendTimeoutError, BackendUnavailableError, RedisStore
from redis_store.keys import Keys
from tests.builders import message, thread
from tests.calls import every_call, furnish
from tests.invariants import check_invariants
from tests.raw import Raw
from tests.servers import Server, server_binaries, until

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


@pytest.fixture(params=server_binaries().values(), ids=list(server_binaries()))
async def own(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    """A server of the test's own, which takes 20 ms per key to load what it saved."""
    args = ("--dbfilename", "dump.rdb", "--rdbcompression", "no", "--key-load-delay", "20000")
    async with await Server.start(request.param, args=args, workdir=tmp_path) as server:
        yield server


async def test_a_killed_server_is_found_again(own: Server) -> None:
    """ST-01, GEN-04: calls fail while it is away, reads too, and work once it is back."""
    async with RedisStore(own.url) as store:
        await furnish(store.memory)
        await own.kill()
        for _ in range(2):
            with pytest.raises(BackendUnavailableError) as caught:
                await store.memory.list_messages("t")
            assert caught.value.code == "LIST_MESSAGES_BACKEND_UNAVAILABLE"
        await own.restart()
        # The new server has no scripts and no data.
        assert (await store.memory.list_messages("t")).items == []
        await furnish(store.memory)
        assert (await store.memory.list_messages("t")).total == 4


async def test_calls_under_way_when_the_server_dies_fail(own: Server) -> None:
    """ST-01: none hangs and none is reported as done after the server was gone."""
    async with RedisStore(own.url) as store, Raw(own.url) as raw:
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
    async with RedisStore(own.url) as store, Raw(own.url) as raw:
        await store.memory.save_thread(thread("t"))
        # A loading server answers once per 2 MB.
        await raw("MSET", *(text for n in range(40) for text in (f"k{n}", "x" * 2**18)))
        await raw("SAVE")
        await own.kill()
        starting = asyncio.create_task(own.restart())
        said: set[str] = set()

        async def answers() -> bool:
            try:
                return await store.memory.get_thread_by_id("t") is not None
            except BackendUnavailableError as error:
                said.add(error.code)
                return False

        await until(answers, "the data is loaded", timeout=20)
        await starting
    assert "GET_THREAD_BY_ID_BACKEND_LOADING" in said
    assert said <= {"GET_THREAD_BY_ID_BACKEND_LOADING", "GET_THREAD_BY_ID_BACKEND_UNAVAILABLE"}


async def test_a_server_that_stands_still_times_out(own: Server) -> None:
    """ST-01: a timeout is an error of its own; no late reply reaches a later call."""
    async with RedisStore(own.url, socket_timeout=0.3) as store, Raw(own.url) as raw:
        await furnish(store.memory)
        os.kill(own.pid, signal.SIGSTOP)
        with pytest.raises(BackendTimeoutError, match="in time") as caught:
            await store.memory.get_thread_by_id("t")
        with pytest.raises(BackendTimeoutError):
            await store.memory.save_messages([message("late", 9)])
        os.kill(own.pid, signal.SIGCONT)
        assert caught.value.code == "GET_THREAD_BY_ID_BACKEND_TIMEOUT"
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.__cause__ is not None
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
