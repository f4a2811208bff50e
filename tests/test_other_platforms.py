"""Without what only POSIX has, everything works but the embedded server."""

import subprocess
import sys

import pytest

from tests.embedded.processes import ROOT
from tests.support.deployments.servers import Server, server_binaries

# What Windows lacks. The event loop comes first, as that of this platform is made of it.
HIDE = """
import asyncio, os, select, signal, socket, subprocess, sys

runner = asyncio.Runner()
runner.get_loop()
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
POSIX = {
    os: ("fork", "getpgid", "getsid", "killpg", "pread", "register_at_fork", "setsid"),
    signal: ("SIGHUP", "SIGKILL"),
    socket: ("AF_UNIX",),
    asyncio: ("open_unix_connection", "start_unix_server"),
}
for module, names in POSIX.items():
    for name in names:
        delattr(module, name)
"""

USE = """
import redis_store.embedded
from redis_store import ConfigurationError, EmbeddedServer, Message, RedisStore, Thread

assert EmbeddedServer is redis_store.embedded.EmbeddedServer

async def main():
    async with RedisStore(sys.argv[1]) as store:
        await store.memory.save_thread(Thread(id="t", resource_id="r", title="here"))
        print((await store.memory.get_thread_by_id("t")).title)

runner.run(main())
"""

REFUSED = """
for build in {builds}:
    try:
        build()
    except ConfigurationError as error:
        print(error.code, error)
"""


def _run(code: str, *arguments: str) -> str:
    """Run a program in a process of its own, where POSIX is hidden."""
    command = [sys.executable, "-W", "error", "-c", HIDE + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_server_is_used_over_redis(tmp_path_factory: pytest.TempPathFactory) -> None:
    workdir = tmp_path_factory.mktemp("server")
    binary = next(iter(server_binaries().values()))
    async with await Server.start(binary, tcp=True, workdir=workdir) as server:
        assert _run(USE, server.url) == "here\n"


@pytest.mark.parametrize(
    "build",
    ["RedisStore('embedded://')", "RedisStore('embedded:///data')", "EmbeddedServer()"],
)
def test_an_embedded_server_is_refused_by_name(build: str) -> None:
    imports = "from redis_store import ConfigurationError, EmbeddedServer, RedisStore\n"
    said = _run(imports + REFUSED.format(builds=f"[lambda: {build}]"))
    assert said.startswith("EMBEDDED_NOT_SUPPORTED ")
    assert "embedded:// needs POSIX" in said
    assert "redis://" in said


def test_a_unix_socket_is_refused_by_name() -> None:
    imports = "from redis_store import ConfigurationError, RedisStore\n"
    said = _run(imports + REFUSED.format(builds="[lambda: RedisStore('unix:///socket')]"))
    assert said.startswith("CONFIGURATION_INVALID_CONNECTION_STRING ")
    assert "unix://" in said
    assert "redis://" in said
