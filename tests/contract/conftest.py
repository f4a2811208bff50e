"""A store whose traffic is counted, and the two ways in which messages are saved."""

from collections.abc import AsyncIterator

import pytest

from redis_store import MemoryStore, RedisStore
from redis_store.memory import message_append
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import Variant
from tests.support.wire.proxies import CountingProxy


@pytest.fixture
async def proxy(variant: Variant, servers: dict[str, Server]) -> AsyncIterator[CountingProxy]:
    """What counts the traffic between ``metered`` and the test's server."""
    async with CountingProxy(servers[variant.server].socket) as counting:
        yield counting


@pytest.fixture
async def metered(proxy: CountingProxy, place: Place) -> AsyncIterator[MemoryStore]:
    """The memory of a connected store behind ``proxy``, on the test's data."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(proxy.url, key_prefix=prefix, hash_tags=hash_tags) as opened:
        yield opened.memory
        await opened.memory.dangerously_clear_all()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of saving with its short way, and in the full matrix without it too."""
    is_full = metafunc.config.getoption("--matrix") == "full"
    if is_full and metafunc.definition.path.name.startswith("test_save_"):
        metafunc.fixturenames.append("has_short_way")
        metafunc.parametrize(
            "has_short_way", [True, False], ids=["short", "transaction"], indirect=True
        )


@pytest.fixture
def has_short_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether ``save_messages`` may do without a transaction."""
    monkeypatch.setattr(message_append, "is_enabled", request.param)
