"""How a store is constructed, initialised and closed."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio as aioredis

from redis_store import BackendError, ConfigurationError, RedisStore, StoreClosedError
from redis_store._connections.handshake import check_server
from tests.support.deployments.servers import Server
from tests.support.records.memory_calls import every_call
from tests.support.wire.proxies import CountingProxy

URL = "redis://h"
LOAD = [b"SCRIPT", b"LOAD"]
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("source", {}),
    ("source", {"connection_string": URL, "host": "h"}),
    ("source", {"host": "h", "client": aioredis.Redis()}),
    ("connection_string", {"connection_string": ""}),
    ("connection_string", {"connection_string": " "}),
    ("connection_string", {"connection_string": 5}),
    ("connection_string", {"connection_string": "http://h"}),
    ("host", {"host": ""}),
    ("client", {"client": redis.Redis()}),
    ("hash_tags", {"client": aioredis.RedisCluster(host="h"), "hash_tags": False}),
    ("hash_tags", {"connection_string": "redis+cluster://h", "hash_tags": False}),
    ("id", {"connection_string": URL, "id": ""}),
    ("id", {"connection_string": URL, "id": None}),
    ("port", {"host": "h", "port": 0}),
    ("port", {"host": "h", "port": 65536}),
    ("port", {"host": "h", "port": "6379"}),
    ("db", {"connection_string": URL, "db": -1}),
    ("db", {"connection_string": URL, "db": "0"}),
    ("key_prefix", {"connection_string": URL, "key_prefix": None}),
    ("key_prefix", {"connection_string": URL, "key_prefix": "\ud800"}),
    ("key_prefix", {"connection_string": URL, "key_prefix": "{", "hash_tags": True}),
    ("indexes", {"connection_string": URL, "indexes": "other"}),
    ("retention", {"connection_string": URL, "retention": timedelta(1)}),
    ("min_replicas", {"connection_string": URL, "min_replicas": -1}),
    ("min_replicas", {"connection_string": URL, "min_replicas": "1"}),
    ("read_from", {"connection_string": URL, "read_from": "anywhere"}),
    ("read_from", {"connection_string": URL, "read_from": "replica"}),
    ("read_from", {"client": aioredis.Redis(), "read_from": "replica"}),
    ("operation_timeout", {"connection_string": URL, "operation_timeout": 5}),
    ("operation_timeout", {"connection_string": URL, "operation_timeout": timedelta(0)}),
    ("thread_ttl", {"connection_string": URL, "thread_ttl": timedelta(0)}),
    ("client_options", {"connection_string": URL, "no_such_option": 1}),
    ("client_options", {"connection_string": URL, "max_connections": -1}),
    ("client_options", {"connection_string": f"{URL}?no_such_option=1"}),
    ("client_options", {"connection_string": f"{URL}?socket_timeout=soon"}),
    ("connection_pool", {"host": "h", "connection_pool": aioredis.ConnectionPool()}),
    ("unix_socket_path", {"host": "h", "unix_socket_path": "/socket"}),
    ("encoding", {"host": "h", "encoding": "latin-1"}),
    ("encoding", {"client": aioredis.Redis(encoding="latin-1")}),
    ("username", {"client": aioredis.Redis(), "username": "u"}),
    ("password", {"client": aioredis.Redis(), "password": "p"}),
    ("db", {"client": aioredis.Redis(), "db": 1}),
    ("ssl", {"client": aioredis.Redis(), "ssl": True}),
    ("socket_timeout", {"client": aioredis.Redis(), "socket_timeout": 1}),
]


@pytest.mark.parametrize(("named", "arguments"), WRONG)
def test_wrong_arguments_are_refused_by_name(named: str, arguments: dict[str, Any]) -> None:
    """ST-01, GEN-03: the error's code and text say which argument is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        RedisStore(**arguments)
    assert caught.value.code == f"CONFIGURATION_INVALID_{named}".upper()
    assert named in {"source", "client_options"} or named in str(caught.value)
    assert caught.value.category == "user"


def test_a_source_error_names_what_was_given() -> None:
    """ST-01: of several sources the error says which."""
    with pytest.raises(ConfigurationError, match="connection_string and host"):
        RedisStore(URL, host="h")


@pytest.mark.parametrize(
    ("url", "topology"),
    [
        (URL, "standalone"),
        ("unix:///s", "standalone"),
        ("embedded://", "embedded"),
        ("rediss+sentinel://h/service", "sentinel"),
        ("redis+cluster://h", "cluster"),
    ],
)
def test_a_store_knows_its_topology(url: str, topology: str) -> None:
    """ST-01: the connection string carries the topology."""
    assert RedisStore(url).topology == topology
    assert RedisStore(client=aioredis.Redis()).topology == "standalone"


def test_from_url_builds_what_the_constructor_builds() -> None:
    """ST-01: options are passed on, and a subclass builds itself."""

    class Own(RedisStore):
        pass

    built = Own.from_url("redis://h:7/1", id="mine")
    assert type(built) is Own
    assert repr(built) == repr(RedisStore("redis://h:7/1", id="mine"))
    assert repr(built) == "RedisStore('mine', standalone h:7 db 1)"


def test_arguments_win_over_the_connection_string() -> None:
    """ST-01: login and database given as arguments are used."""
    url = "redis://u:p@h/1?password=q&username=v"
    store = RedisStore(url, username="me", password="mine", db=2)
    assert _login(store) == ("me", "mine", 2)
    assert _login(RedisStore(url)) == ("u", "p", 1)


def _login(store: RedisStore) -> tuple[object, ...]:
    client: Any = store.get_client()
    used = client.get_connection_kwargs()
    return used["username"], used["password"], used["db"]


@pytest.mark.parametrize("url", ["redis://me:hush@h", "redis://h?username=me&password=hush"])
def test_a_repr_shows_no_login(url: str) -> None:
    """ST-01: neither name nor password are in the repr."""
    shown = repr(RedisStore(url)) + repr(RedisStore("redis://h", username="me", password="hush"))
    assert "hush" not in shown
    assert "me" not in shown


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"connection_string": "redis+sentinel://me:hush@h/s"}, "sentinel h:26379/s db 0"),
        ({"host": "h", "username": "me", "password": "hush"}, "standalone h:6379 db 0"),
        ({"client": aioredis.Redis(password="hush")}, "borrowed client"),
    ],
)
def test_a_repr_of_the_settings_shows_no_login(arguments: dict[str, Any], shown: str) -> None:
    """ST-01: the record that holds the password shows only where the store is."""
    settings = vars(RedisStore(id="mine", **arguments))["_settings"]
    assert repr(settings) == f"Settings('mine', {shown})"
    assert settings.__rich_repr__() == [("location", shown)]
    assert "hush" not in str(settings.address.__rich_repr__())


def test_the_public_names_of_a_store_are_those_of_its_api() -> None:
    """ST-01: nothing that is for the library's own use can be called by mistake."""
    names = {name for name in {*dir(RedisStore), *vars(RedisStore(URL))} if name[0] != "_"}
    assert names == {
        *("id", "indexes", "topology", "memory", "workflows", "scores", "cache"),
        *("init", "close", "ping", "from_url", "get_client", "get_store"),
        *("prune", "sync", "reindex", "verify", "erase_resource", "export_resource"),
        "dangerously_clear_integrations",
    }


async def test_domains_are_found_by_name() -> None:
    """ST-01: get_store gives the same object as the property, and None for what is unknown."""
    store = RedisStore(URL)
    assert await store.get_store("memory") is store.memory
    assert await store.get_store("nothing") is None


def test_the_constructor_does_no_io(tmp_path: Path) -> None:
    """ST-01: no connection, no directory, and no event loop is needed."""
    RedisStore("redis://127.0.0.1:1")
    RedisStore(f"embedded://{tmp_path}/data")
    assert list(tmp_path.iterdir()) == []


async def test_the_client_is_there_until_the_store_is_closed() -> None:
    """ST-01: get_client gives the redis client; an embedded store has none before init."""
    client = aioredis.Redis()
    store = RedisStore(client=client)
    assert store.get_client() is client
    await store.close()
    with pytest.raises(StoreClosedError):
        store.get_client()
    with pytest.raises(ConfigurationError) as caught:
        RedisStore("embedded://").get_client()
    assert caught.value.code == "GET_CLIENT_NOT_READY"


@pytest.mark.parametrize("use", ["init", "ping", "call"])
async def test_a_store_is_prepared_once(use: str, server: Server) -> None:
    """ST-01: twenty tasks that come first, by init or by a call, prepare it once."""
    async with CountingProxy(server.socket) as proxy:
        store = RedisStore(proxy.url)
        uses: dict[str, Callable[[], Any]] = {
            "init": store.init,
            "ping": store.ping,
            "call": lambda: store.memory.get_thread_by_id("t"),
        }
        await asyncio.gather(*(uses[use]() for _ in range(20)))
        await store.init()
        await store.close()
        loads = [command[2] for command in proxy.total.commands if command[:2] == LOAD]
    assert len(loads) == len(set(loads)) > 0


async def test_every_call_on_a_closed_store_raises(server: Server) -> None:
    """ST-01: init and every call raise StoreClosedError; closing again does nothing."""
    async with RedisStore(server.url) as store:
        pass
    await asyncio.gather(store.close(), store.close())
    for use in (store.init, store.ping, store.__aenter__):
        with pytest.raises(StoreClosedError) as caught:
            await use()
        assert caught.value.code == "STORE_CLOSED"
    for call in every_call().values():
        with pytest.raises(StoreClosedError):
            await call(store.memory)


async def test_a_store_that_was_never_used_can_be_closed() -> None:
    """ST-01: closing before init needs no server, and holds."""
    store = RedisStore("redis://127.0.0.1:1")
    await store.close()
    with pytest.raises(StoreClosedError):
        await store.init()


INFO = "# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\n"


@pytest.mark.parametrize("version", ["6.2.0", "6.10.1", "7.0", "10.0.0-rc1", "7.2.4"])
def test_a_server_of_a_good_version_is_accepted(version: str) -> None:
    """ST-01: 6.2 and newer, compared as numbers."""
    check_server(INFO.format(version=version, mode="standalone").encode())


@pytest.mark.parametrize("version", ["6.0.16", "5.0.14", "2.8", ""])
def test_a_server_that_is_too_old_is_refused(version: str) -> None:
    """ST-01: the error says which version it is and which is needed."""
    with pytest.raises(BackendError, match=rf"Redis {version}; 6.2 or newer") as caught:
        check_server(INFO.format(version=version, mode="standalone").encode())
    assert caught.value.code == "SERVER_TOO_OLD"


@pytest.mark.parametrize("field", ["redis_mode", "server_mode"])
@pytest.mark.parametrize("mode", ["cluster", "sentinel"])
def test_a_server_of_another_mode_is_refused(mode: str, field: str) -> None:
    """ST-01: the error says what the server is, in the words of Redis or of Valkey."""
    info = INFO.format(version="7.0.0", mode=mode).replace("redis_mode", field)
    with pytest.raises(BackendError, match=mode) as caught:
        check_server(info.encode())
    assert caught.value.code == "WRONG_TOPOLOGY"
