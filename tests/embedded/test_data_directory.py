"""Where an embedded server keeps its data, and that it has the directory to itself."""

import os
import tempfile
from itertools import product
from pathlib import Path

import anyio
import pytest

from redis_store.embedded import EmbeddedServer
from redis_store.errors import BackendUnavailableError, ConfigurationError
from tests.embedded.processes import child_with_server, is_free, listing, private_directory, runs
from tests.support.deployments.servers import server_binaries
from tests.support.wire.raw import Raw


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
    monkeypatch.setattr("redis_store.embedded.data_directory._LOCK_SECONDS", 0.1)
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
    monkeypatch.setattr("redis_store.embedded.data_directory._LOCK_SECONDS", 0.1)
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
