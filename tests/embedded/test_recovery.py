"""A server that died is started again with its data, or calls say that the data is gone."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from redis_store import BackendError, BackendUnavailableError, Message, RedisStore, Thread
from redis_store.embedded import EmbeddedServer, find_server
from tests.embedded.processes import ROOT, listing, make_executable, runs
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw

DIED = "the embedded server died"


async def server_pid(store: RedisStore) -> int:
    client = cast("Any", store.get_client())
    return int((await client.info("server"))["process_id"])


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not runs(pid), "the server is gone")


async def on_disk(store: RedisStore) -> None:
    """Wait until the server has written its log: it may wait for a sync that is under way."""
    client = cast("Any", store.get_client())

    async def written() -> bool:
        facts = await client.info("persistence")
        return int(facts["aof_buffer_length"]) == 0

    await until(written, "the log is written")


@asynccontextmanager
async def persistent_store(path: Path, **options: Any) -> AsyncGenerator[RedisStore]:
    async with RedisStore(f"embedded://{path}", **options) as store:
        await store.memory.save_thread(Thread(id="t", resource_id="r", title="kept"))
        await store.memory.save_messages(
            [Message.from_text("user", "hello", thread_id="t", resource_id="r")]
        )
        await on_disk(store)
        yield store


async def title(store: RedisStore) -> str | None:
    thread = await store.memory.get_thread_by_id("t")
    return None if thread is None else thread.title


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each start of a server."""
    script = f'echo start >>"{tmp_path}/starts"; exec {find_server()} "$@"'
    monkeypatch.setenv("REDIS_STORE_SERVER", make_executable(tmp_path / "server", script))
    return tmp_path / "starts"


def count(starts: Path) -> int:
    return len(starts.read_text().splitlines())


async def test_a_persistent_server_is_back_with_its_data(tmp_path: Path) -> None:
    async with persistent_store(tmp_path / "data") as store:
        for _ in range(3):
            client, first = store.get_client(), await server_pid(store)
            await kill(first)
            with anyio.fail_after(5):
                assert await title(store) == "kept"
                page = await store.memory.list_messages("t")
            assert [message.text for message in page] == ["hello"]
            assert await server_pid(store) != first
            assert store.get_client() is client


async def test_writes_after_its_death_are_kept(tmp_path: Path) -> None:
    async with persistent_store(tmp_path / "data") as store:
        await kill(await server_pid(store))
        await store.memory.save_messages(
            [Message.from_text("user", "again", thread_id="t", resource_id="r")]
        )
        page = await store.memory.list_messages("t")
        assert [message.text for message in page] == ["hello", "again"]


async def test_a_hundred_calls_start_it_once(tmp_path: Path, starts: Path) -> None:
    large = [Message.from_text("user", "x" * 100_000, thread_id="t", resource_id="r")]
    async with persistent_store(tmp_path / "data") as store:
        await kill(await server_pid(store))
        titles = [title(store) for _ in range(90)]
        # Large writes have connections of their own.
        found = await asyncio.gather(
            *titles, *(store.memory.save_messages(large) for _ in range(10))
        )
        assert found[:90] == ["kept"] * 90
    assert count(starts) == 2


async def test_calls_under_way_survive_its_death(tmp_path: Path) -> None:
    async with persistent_store(tmp_path / "data") as store:
        pid = await server_pid(store)
        os.kill(pid, signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(title, store)
            await anyio.wait_all_tasks_blocked()
            await kill(pid)
        assert await title(store) == "kept"


async def test_init_starts_it_again(tmp_path: Path, starts: Path) -> None:
    async with persistent_store(tmp_path / "data") as store:
        await store.init()
        assert count(starts) == 1
        os.kill(await server_pid(store), signal.SIGKILL)
        await asyncio.gather(store.init(), store.init(), title(store))
        assert await title(store) == "kept"
    assert count(starts) == 2


async def test_calls_whose_deadline_passes_do_not_stop_it_from_loading(
    tmp_path: Path, starts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with persistent_store(
        tmp_path / "data", operation_timeout=timedelta(seconds=0.5)
    ) as store:
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        script = f'read -r _ <"{gate}"; exec {find_server()} "$@"'
        monkeypatch.setenv("REDIS_STORE_SERVER", make_executable(tmp_path / "slow", script))
        await kill(await server_pid(store))
        for _ in range(2):
            with anyio.fail_after(2), pytest.raises(BackendError):
                await title(store)
        await anyio.to_thread.run_sync(gate.write_text, "go\n")
        await until(lambda: _is_kept(store), "it has loaded its data")
    assert count(starts) == 2


async def _is_kept(store: RedisStore) -> bool:
    try:
        return await title(store) == "kept"
    except BackendError:
        return False


async def test_a_start_that_fails_is_said_at_once_and_tried_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_executable(tmp_path / "server", "echo out of luck >&2; exit 3")
    async with persistent_store(tmp_path / "data") as store:
        with monkeypatch.context() as patched:
            patched.setenv("REDIS_STORE_SERVER", broken)
            await kill(await server_pid(store))
            errors = await asyncio.gather(
                title(store), store.memory.list_threads(), store.init(), return_exceptions=True
            )
            with anyio.fail_after(2), pytest.raises(BackendUnavailableError, match="out of luck"):
                await title(store)
        assert [cast("BackendError", error).code for error in errors] == [
            "GET_THREAD_BY_ID_EMBEDDED_START_FAILED",
            "LIST_THREADS_EMBEDDED_START_FAILED",
            "INIT_EMBEDDED_START_FAILED",
        ]
        assert await title(store) == "kept"


async def test_a_closed_connection_is_no_death() -> None:
    async with RedisStore("embedded://") as store:
        client, pid = cast("Any", store.get_client()), await server_pid(store)
        for _ in range(3):
            await client.client_kill_filter(_type="normal", skipme=True)
            assert await store.ping()
        assert await server_pid(store) == pid


async def test_a_server_that_hangs_is_not_dead() -> None:
    async with RedisStore("embedded://") as store:
        pid = await server_pid(store)
        os.kill(pid, signal.SIGSTOP)
        await store.init()
        pinging = asyncio.create_task(store.ping())
        await anyio.wait_all_tasks_blocked()
        os.kill(pid, signal.SIGCONT)
        assert await pinging
        assert await server_pid(store) == pid


async def test_without_a_path_every_call_says_that_the_data_is_gone() -> None:
    async with RedisStore("embedded://") as store:
        await store.memory.save_thread(Thread(id="t", resource_id="r"))
        await kill(await server_pid(store))
        calls = {
            "GET_THREAD_BY_ID": lambda: store.memory.get_thread_by_id("t"),
            "SAVE_THREAD": lambda: store.memory.save_thread(Thread(id="u", resource_id="r")),
            "DANGEROUSLY_CLEAR_ALL": store.memory.dangerously_clear_all,
            "PING": store.ping,
            "INIT": store.init,
        }
        for name, call in list(calls.items()) * 2:
            with anyio.fail_after(1), pytest.raises(BackendUnavailableError, match=DIED) as caught:
                await call()
            assert caught.value.code == f"{name}_EMBEDDED_SERVER_DIED"
            assert "its data is gone" in str(caught.value)
            assert caught.value.details["in_doubt"] is False


async def test_without_a_path_concurrent_calls_all_say_so(temp_root: Path) -> None:
    async with RedisStore("embedded://") as store:
        os.kill(await server_pid(store), signal.SIGKILL)
        with anyio.fail_after(2):
            errors = await asyncio.gather(
                *(store.ping() for _ in range(50)), return_exceptions=True
            )
        assert {type(error) for error in errors} == {BackendUnavailableError}
        assert all(DIED in str(error) for error in errors)
        assert len(set(map(id, errors))) == 50
        await until(lambda: listing(temp_root) == [], "it left nothing")


async def test_without_a_path_a_write_under_way_says_so() -> None:
    async with RedisStore("embedded://") as store:
        pid = await server_pid(store)
        os.kill(pid, signal.SIGSTOP)
        saving = asyncio.create_task(store.memory.save_thread(Thread(id="t", resource_id="r")))
        incrementing = asyncio.create_task(store.cache.increment("n"))
        await anyio.wait_all_tasks_blocked()
        os.kill(pid, signal.SIGKILL)
        with anyio.fail_after(2):
            for task in (saving, incrementing):
                with pytest.raises(BackendUnavailableError, match=DIED):
                    await task


@pytest.mark.parametrize("path", ["", "data"], ids=["memory", "persistent"])
async def test_a_cancelled_start_leaves_a_server_that_runs(path: str, tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / path if path else None) as server:
        pid = server.pid
        for turns in range(20):
            starting = asyncio.create_task(server.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            await asyncio.wait([starting])
        assert server.pid == pid
        assert runs(pid)


async def test_a_server_whose_watchdog_was_killed_still_serves() -> None:
    async with RedisStore("embedded://") as store:
        pid = await server_pid(store)
        await kill(os.getsid(pid))
        await store.init()
        assert await store.ping()
        assert await server_pid(store) == pid


async def test_every_event_loop_of_a_store_gets_it_back(tmp_path: Path, starts: Path) -> None:
    async with persistent_store(tmp_path / "data") as store:
        await kill(await server_pid(store))
        elsewhere = [asyncio.to_thread(asyncio.run, title(store)) for _ in range(3)]
        assert await asyncio.gather(title(store), *elsewhere) == ["kept"] * 4
    assert count(starts) == 2


async def test_every_event_loop_hears_of_the_loss() -> None:
    async with RedisStore("embedded://") as store:
        await asyncio.to_thread(asyncio.run, store.init())
        await kill(await server_pid(store))
        for _ in range(2):
            with pytest.raises(BackendUnavailableError, match=DIED):
                await asyncio.to_thread(asyncio.run, title(store))
        with pytest.raises(BackendUnavailableError, match=DIED):
            await store.ping()


async def test_two_threads_start_it_once(tmp_path: Path, starts: Path) -> None:
    server = EmbeddedServer(tmp_path / "data")
    async with server:
        first = server.pid
        await kill(first)
        threads = [threading.Thread(target=asyncio.run, args=(server.recover(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        assert server.pid != first
        async with Raw(server.url) as client:
            assert await client("PING") == b"PONG"
    assert count(starts) == 2


def test_it_outlives_the_event_loop_that_started_it() -> None:
    server = EmbeddedServer()
    asyncio.run(server.start())
    pid = server.pid
    asyncio.run(server.start())
    assert server.pid == pid
    assert runs(pid)
    asyncio.run(server.stop())
    assert not runs(pid)


FORKING = """
import asyncio, os
from redis_store.embedded import EmbeddedServer

server = EmbeddedServer()
asyncio.run(server.start())
child = os.fork()
if child == 0:
    asyncio.run(server.start())
    asyncio.run(server.recover())
    asyncio.run(server.stop())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
pid = server.pid
asyncio.run(server.start())
assert server.pid == pid
asyncio.run(server.stop())
"""


def test_a_forked_child_leaves_it_to_its_parent() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", FORKING], cwd=ROOT, check=True)
