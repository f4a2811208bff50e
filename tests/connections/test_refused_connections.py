"""Connections that fail: the error says which and what to check, and holds no secret."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from redis_store import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    RedisStore,
)
from tests.support.deployments.logins import ANN, SECRETS, WATCH
from tests.support.deployments.servers import Server, free_port, server_binaries
from tests.support.inspection.leftovers import no_leaks
from tests.support.inspection.secrets_shown import all_said, check_secrets, refused
from tests.support.records.memory_calls import every_call
from tests.support.wire.raw import Raw

PASSWORD = token_hex(16)
BINARY = next(iter(server_binaries().values()))


async def _refused(caplog: pytest.LogCaptureFixture, store: RedisStore) -> BackendError:
    """Initialise a store that cannot be, which leaves nothing; return its error."""
    async with no_leaks():
        return await _error(caplog, store)


async def _error(caplog: pytest.LogCaptureFixture, store: RedisStore) -> BackendError:
    """Initialise a store that cannot be; return its error, in which there is no secret."""
    error = await refused(caplog, store, PASSWORD)
    assert error.__cause__ is not None, "the cause is chained"
    return error


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that asks for a password, which is not the one that is tried."""
    async with await Server.start(BINARY, tcp=True, workdir=tmp_path_factory.mktemp("g")) as server:
        async with Raw(server.url) as raw:
            await raw("CONFIG", "SET", "requirepass", token_hex(16))
        yield server


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("login", ["password", "user", "nothing"])
async def test_a_refused_login(
    login: str, protocol: int, guarded: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: a wrong password, an unknown user, or none: check username and password."""
    options: dict[str, Any] = {
        "password": {"password": PASSWORD},
        "user": {"username": "nobody", "password": PASSWORD},
        "nothing": {},
    }[login]
    error = await _refused(caplog, RedisStore(guarded.url, protocol=protocol, **options))
    assert isinstance(error, BackendUnavailableError)
    assert error.code == ("INIT_BACKEND_NOAUTH" if login == "nothing" else "INIT_BACKEND_WRONGPASS")
    assert "check username and password" in str(error)


async def test_a_password_in_the_url(guarded: Server, caplog: pytest.LogCaptureFixture) -> None:
    """ST-01: it is no more shown than one that was given as an argument."""
    store = RedisStore(f"redis://:{PASSWORD}@127.0.0.1:{guarded.port}?password={PASSWORD}")
    assert (await _refused(caplog, store)).code == "INIT_BACKEND_WRONGPASS"


@pytest.mark.parametrize("where", ["port", "socket"])
async def test_a_server_that_is_not_there(
    where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: nobody listens: the server cannot be reached, and where that was."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}" if where == "port" else f"unix://{tmp_path}/socket"
    error = await _refused(caplog, RedisStore(url, password=PASSWORD))
    assert isinstance(error, BackendUnavailableError)
    assert error.code == "INIT_BACKEND_UNAVAILABLE"
    assert "cannot be reached" in str(error)
    assert (str(port) if where == "port" else str(tmp_path)) in str(error)


async def test_every_call_reports_a_server_that_is_not_there() -> None:
    """GEN-04: without init too, in its own name; a read is never empty."""
    store = RedisStore(f"redis://127.0.0.1:{free_port()}")
    for name, call in every_call().items():
        with pytest.raises(BackendUnavailableError) as caught:
            await call(store.memory)
        method = name.split(",")[0].upper()
        assert caught.value.code == f"{method}_BACKEND_UNAVAILABLE"
    await store.close()


async def _says_nothing(client: SocketStream) -> None:
    async with client:
        await anyio.sleep_forever()


async def _hangs_up(client: SocketStream) -> None:
    await client.aclose()


async def _speaks_http(client: SocketStream) -> None:
    async with client:
        await client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@asynccontextmanager
async def _listening(behaviour: Callable[[SocketStream], Awaitable[None]]) -> AsyncGenerator[int]:
    """Serve every connection to a loopback port, which is returned, in one way."""
    port = free_port()
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, behaviour)
        yield port
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("behaviour", "kind", "code"),
    [
        (_says_nothing, BackendTimeoutError, "INIT_BACKEND_TIMEOUT"),
        (_hangs_up, BackendUnavailableError, "INIT_BACKEND_UNAVAILABLE"),
        (_speaks_http, BackendError, "INIT_BACKEND_REFUSED"),
    ],
)
async def test_a_listener_that_is_no_server(
    behaviour: Callable[[SocketStream], Awaitable[None]],
    kind: type[BackendError],
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ST-01: within the timeout, and as what it is."""
    async with no_leaks(), _listening(behaviour) as port:
        url = f"redis://127.0.0.1:{port}"
        started = anyio.current_time()
        error = await _error(caplog, RedisStore(url, password=PASSWORD, socket_timeout=0.2))
        assert anyio.current_time() - started < 2
    assert type(error) is kind
    assert error.code == code


async def test_a_cluster_node(binary: str, tmp_path: Path) -> None:
    """ST-01: a server in cluster mode is refused by name, not by its first redirection."""
    args = ("--cluster-enabled", "yes")
    async with await Server.start(binary, args=args, workdir=tmp_path) as server:
        with pytest.raises(BackendError, match="cluster") as caught:
            await RedisStore(server.url).__aenter__()
    assert caught.value.code == "INIT_WRONG_TOPOLOGY"


async def test_a_database_that_the_server_does_not_have(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: the server's own words are in the message."""
    error = await _refused(caplog, RedisStore(server.url, db=5000))
    assert "DB index is out of range" in str(error)
    assert error.code.startswith("INIT_BACKEND_")


@pytest.mark.parametrize("denied", ["-info", "-script", "-dbsize"])
async def test_a_user_who_lacks_a_permission(
    denied: str, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """ST-01: what init needs and is denied is a missing permission."""
    user = f"u{token_hex(4)}"
    async with Raw(server.url) as raw:
        await raw("ACL", "SETUSER", user, "on", f">{PASSWORD}", "~*", "+@all", denied)
        store = RedisStore(server.url, username=user, password=PASSWORD, key_prefix=user)
        error = await _refused(caplog, store)
        await raw("ACL", "DELUSER", user)
    assert error.code == "INIT_BACKEND_NOPERM"
    assert "permission" in str(error)


@pytest.mark.parametrize(
    "rest", ["h?socket_timeout=soon", "h?no_such_option=1", "h:port", "h/1", "a,,b"]
)
@pytest.mark.parametrize("scheme", ["redis+sentinel", "redis+cluster", "redis", "nonsense"])
def test_a_wrong_connection_string_shows_no_secret(scheme: str, rest: str) -> None:
    """ST-01: neither of the two logins that it holds."""
    query = f"{'&' if '?' in rest else '?'}sentinel_password={WATCH.url_part.strip(':@')}"
    url = f"{scheme}://{ANN.url_part}{rest}{query}"
    try:
        said = repr(RedisStore(url))
    except ConfigurationError as error:
        said = all_said(error)
    check_secrets(said, SECRETS)
