"""How an embedded server is reached, started and stopped."""

import asyncio
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from redis_store.embedded import EmbeddedServer
from redis_store.errors import BackendUnavailableError, ConfigurationError
from tests.embedded.processes import is_free, listing, make_executable, private_directory
from tests.support.wire.raw import Raw


def corrupt_log(path: Path) -> None:
    newest = max(path.rglob("*.aof"), key=lambda file: file.stat().st_size)
    newest.write_bytes(b"no log\r\n" + newest.read_bytes())


async def test_the_event_loop_is_the_one_asked_for(
    anyio_backend: tuple[str, dict[str, bool]],
) -> None:
    """Else the tests of this module say nothing about uvloop."""
    loop = asyncio.get_running_loop()
    assert type(loop).__module__.startswith("uvloop") == anyio_backend[1]["use_uvloop"]


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
    monkeypatch.setattr("redis_store.embedded.process._START_SECONDS", 0.2)
    with pytest.raises(BackendUnavailableError, match=r"no answer in 0\.2 s"):
        await EmbeddedServer().start()
