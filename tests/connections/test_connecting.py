"""The ways to a server: TCP, unix socket, login, database, TLS, embedded."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import anyio
import pytest
import trustme

from redis_store import BackendUnavailableError, RedisStore, Resource
from tests.support.deployments.servers import Server, server_binaries
from tests.support.inspection.leftovers import no_leaks
from tests.support.wire.proxies import TlsTerminator
from tests.support.wire.raw import Raw

# Every character that a URL must escape.
PASSWORD = f"{token_hex(8)} :/?#[]@!$&'()*+,;=%é"


async def _works(store: RedisStore) -> bool:
    """Write and read one record in a place of its own."""
    id_ = uuid4().hex
    await store.memory.update_resource(id_, working_memory="x")
    found = await store.memory.get_resource_by_id(id_)
    return found is not None and found.working_memory == "x"


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with a TCP port, a password and a user ``me``, who has the same password."""
    binary = next(iter(server_binaries().values()))
    workdir = tmp_path_factory.mktemp("guarded")
    async with await Server.start(binary, tcp=True, workdir=workdir) as server:
        async with Raw(server.url) as raw:
            await raw("ACL", "SETUSER", "me", "on", f">{PASSWORD}", "~*", "+@all")
            await raw("CONFIG", "SET", "requirepass", PASSWORD)
        yield server


QUOTED = quote(PASSWORD, safe="")
LOGIN: dict[str, Any] = {"username": "me", "password": PASSWORD}
WAYS: dict[str, Callable[[Server], RedisStore]] = {
    "a URL": lambda s: RedisStore(f"redis://:{QUOTED}@127.0.0.1:{s.port}"),
    "a URL with a user": lambda s: RedisStore(f"redis://me:{QUOTED}@127.0.0.1:{s.port}"),
    "a URL with a query": lambda s: RedisStore(f"redis://127.0.0.1:{s.port}?password={QUOTED}"),
    "a URL and arguments": lambda s: RedisStore(f"redis://127.0.0.1:{s.port}", **LOGIN),
    "host and port": lambda s: RedisStore(host="127.0.0.1", port=s.port, **LOGIN),
    "a socket with a user": lambda s: RedisStore(f"unix://me:{QUOTED}@{s.socket}"),
    "a socket and arguments": lambda s: RedisStore(f"unix://{s.socket}", **LOGIN),
    "RESP2": lambda s: RedisStore(f"{s.url}?protocol=2", **LOGIN),
    "RESP3": lambda s: RedisStore(s.url, protocol=3, **LOGIN),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_store_connects(way: str, guarded: Server) -> None:
    """ST-01, ST-03: and leaves nothing open when it is closed."""
    async with no_leaks(), WAYS[way](guarded) as store:
        assert await _works(store)


@pytest.mark.parametrize(
    ("url", "options", "db"),
    [("{}?db=3", {}, 3), ("{}", {"db": 4}, 4), ("{}?db=3", {"db": 4}, 4), ("{}", {}, 0)],
)
async def test_a_store_uses_its_database(
    url: str, options: dict[str, Any], db: int, server: Server
) -> None:
    """ST-01: the number is in the URL or an argument; other databases stay as they are."""
    prefix = f"{uuid4().hex}:"
    async with RedisStore(url.format(server.url), key_prefix=prefix, **options) as store:
        await store.memory.save_resource(Resource(id="r"))
        for number in (0, 3, 4):
            async with Raw(f"{server.url}?db={number}") as raw:
                found = await raw.keys(f"{prefix}mastra_resources:")
            assert len(found) == (number == db)
        await store.memory.dangerously_clear_all()


async def test_a_database_may_stand_in_a_tcp_urls_path(guarded: Server) -> None:
    """ST-01: redis://host/5 is database 5."""
    async with RedisStore(f"redis://127.0.0.1:{guarded.port}/5", **LOGIN) as store:
        assert await _works(store)
    async with Raw(f"redis://:{QUOTED}@127.0.0.1:{guarded.port}/5") as raw:
        assert await raw("DBSIZE") > 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_tls_checks_the_servers_certificate(host: str, server: Server) -> None:
    """ST-01: with the right authority it connects, by URL and by argument."""
    async with no_leaks(), TlsTerminator(server.socket) as tls:
        trusting: dict[str, Any] = {"ssl_ca_certs": str(tls.ca_path)}
        async with RedisStore(f"rediss://{host}:{tls.port}", **trusting) as store:
            assert await _works(store)
        async with RedisStore(host=host, port=tls.port, ssl=True, **trusting) as store:
            assert await _works(store)


@pytest.mark.parametrize("trusted", ["another authority", "the system's"])
async def test_tls_refuses_a_certificate_of_an_unknown_authority(
    trusted: str, server: Server, tmp_path: Path
) -> None:
    """ST-01: the error is chained and says that the certificate is not trusted."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    options: dict[str, Any] = {"ssl_ca_certs": str(other)} if trusted == "another authority" else {}
    async with no_leaks(), TlsTerminator(server.socket) as tls:
        with pytest.raises(BackendUnavailableError, match="certificate") as caught:
            await RedisStore(f"rediss://127.0.0.1:{tls.port}", **options).__aenter__()
        assert caught.value.__cause__ is not None


async def test_tls_refuses_a_certificate_for_another_host(server: Server) -> None:
    """ST-01: a trusted authority is not enough."""
    async with no_leaks(), TlsTerminator(server.socket) as tls:
        url = f"rediss://127.0.0.2:{tls.port}"
        with pytest.raises(BackendUnavailableError):
            await RedisStore(url, ssl_ca_certs=str(tls.ca_path)).__aenter__()


async def test_a_client_without_tls_is_not_served(server: Server) -> None:
    """ST-01: talking plain to a TLS port fails; it does not hang."""
    async with no_leaks(), TlsTerminator(server.socket) as tls:
        with pytest.raises(BackendUnavailableError):
            await RedisStore(f"redis://127.0.0.1:{tls.port}", socket_timeout=2).__aenter__()


def _names(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()]


def _directory(store: RedisStore) -> Path:
    client: Any = store.get_client()
    return Path(client.get_connection_kwargs()["path"]).parent


async def test_an_embedded_store_is_private_and_leaves_nothing() -> None:
    """ST-01, ST-03: each has a server of its own; its files, sockets and tasks go with it."""
    async with no_leaks():
        async with RedisStore("embedded://") as one, RedisStore("embedded://", db=2) as other:
            assert one.topology == "embedded"
            assert await _works(one)
            await one.memory.save_resource(Resource(id="r"))
            assert await other.memory.get_resource_by_id("r") is None
            directories = [_directory(one), _directory(other)]
        assert not any(directory.exists() for directory in directories)


async def test_an_embedded_store_with_a_path_keeps_its_data(tmp_path: Path) -> None:
    """ST-01: what one store wrote the next one finds; beside the data nothing is left behind."""
    url = f"embedded://{quote(str(tmp_path))}/some%20data"
    async with no_leaks():
        async with RedisStore(url) as store:
            await store.memory.save_resource(Resource(id="r", working_memory="kept"))
            directory = _directory(store)
        assert not directory.exists()
        async with RedisStore(url) as store:
            found = await store.memory.get_resource_by_id("r")
        assert found is not None
        assert found.working_memory == "kept"
    assert _names(tmp_path) == ["some data"]


@pytest.mark.parametrize("url", ["embedded://", "{}"])
@pytest.mark.parametrize("milliseconds", [0, 1, 5, 20])
async def test_a_cancelled_start_leaves_nothing_open(
    url: str, milliseconds: int, server: Server
) -> None:
    """ST-03: wherever connecting is cancelled, no connection, task or server stays."""
    async with no_leaks():
        with anyio.move_on_after(milliseconds / 1000):
            async with RedisStore(url.format(server.url)) as store:
                assert await _works(store)
