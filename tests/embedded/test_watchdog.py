"""An embedded server ends with the process that started it, however that ends."""

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from redis_store.embedded import EmbeddedServer, find_server
from tests.embedded.processes import (
    PARENT,
    ROOT,
    child_with_server,
    is_free,
    make_executable,
    private_directory,
    runs,
)
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw


async def test_a_terminals_interrupt_does_not_reach_it() -> None:
    async with EmbeddedServer() as server:
        assert os.getsid(server.pid) != os.getsid(0)


@pytest.mark.parametrize("persistent", [False, True], ids=["memory", "persistent"])
async def test_it_dies_with_a_killed_parent(tmp_path: Path, *, persistent: bool) -> None:
    async with child_with_server(tmp_path if persistent else "") as child:
        assert runs(child.server_pid)
        assert child.private.exists()
        child.process.kill()
    await until(lambda: not runs(child.server_pid), "the server is gone")
    await until(lambda: not child.private.exists(), "its directory is gone")


async def test_a_parent_killed_at_any_moment_of_the_start_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "data")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    for delay_ms in range(0, 48, 6):
        async with await anyio.open_process(
            command, stderr=None, cwd=ROOT, env=environment
        ) as parent:
            assert parent.stdout is not None
            await parent.stdout.receive()
            await anyio.sleep(delay_ms / 1000)
            parent.kill()
    await until(lambda: not list(tmp_path.glob("redis-store-*")), "no directory is left")
    await until(lambda: is_free(tmp_path / "data"), "no process is left")


async def test_it_dies_with_a_killed_parent_though_a_forked_child_lives() -> None:
    async with child_with_server("", "fork") as child:
        try:
            child.process.kill()
            await until(lambda: not runs(child.server_pid), "the server is gone")
            await until(lambda: not child.private.exists(), "its directory is gone")
            assert runs(child.forked_pid)
        finally:
            os.kill(child.forked_pid, signal.SIGKILL)


async def test_what_was_acknowledged_survives_a_killed_parent(tmp_path: Path) -> None:
    for count in range(3):
        async with child_with_server(tmp_path) as child:
            async with Raw(f"unix://{child.private / 'socket'}") as client:
                assert await client("INCR", "n") == 2 * count + 1
            child.process.kill()
        async with EmbeddedServer(tmp_path) as server, Raw(server.url) as client:
            assert await client("INCR", "n") == 2 * count + 2


async def test_a_server_that_died_leaves_nothing_and_can_be_started_again() -> None:
    async with EmbeddedServer() as server:
        first, private = server.pid, private_directory(server.url)
        os.kill(first, signal.SIGKILL)
        await until(lambda: not private.exists(), "the watchdog removed its directory")
        await until(lambda: restarted(server, first), "it is started anew")
        async with Raw(server.url) as client:
            assert await client("PING") == b"PONG"


async def restarted(server: EmbeddedServer, first: int) -> bool:
    await server.start()
    return server.pid != first


async def test_what_a_server_left_running_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'sleep 60 & echo $! >{tmp_path}/left; exec {find_server()} "$@"'
    monkeypatch.setenv("REDIS_STORE_SERVER", make_executable(tmp_path / "server", script))
    async with EmbeddedServer():
        left = int((tmp_path / "left").read_text())
        assert runs(left)
    await until(lambda: not runs(left), "it is gone")


async def test_it_ends_though_its_watchdog_was_killed(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path) as server:
        pid, watchdog = server.pid, os.getsid(server.pid)
        os.kill(watchdog, signal.SIGKILL)
        await until(lambda: not runs(watchdog), "the watchdog is gone")
        assert runs(pid)
        assert not is_free(tmp_path)
    await until(lambda: not runs(pid), "the server is gone")
    await until(lambda: is_free(tmp_path), "its directory is free")


async def test_a_server_that_will_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_store.embedded.watchdog._STOP_SECONDS", 0.1)
    async with EmbeddedServer(tmp_path) as server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
    await until(lambda: not runs(pid), "it is gone")
    await until(lambda: is_free(tmp_path), "its directory is free")
