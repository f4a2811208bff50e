"""The deployments and stores that tests run on.

By default a contract test runs on the two deployments that differ most: plain keys on one server,
chosen by the test's name so that each binary sees its share, and hash-tagged keys on a cluster. Any
other test runs once (``tests/support/quick_matrix.py``), and a race is tried in few orders.
``--matrix=full`` runs each on every topology, on the standalone one in a layout chosen by its name;
``--matrix=servers`` adds both layouts on each binary.
"""

import gc
import importlib
import os
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from coverage import Coverage

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from tests.support import quick_matrix
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server, server_binaries
from tests.support.deployments.variants import (
    MATRICES,
    Deployments,
    Variant,
    servers_of,
    variants_of,
)
from tests.support.inspection.invariants import check_invariants, mend_hints
from tests.support.schedules.interleaving import Interleaving
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Server]]:
    """One running server of each kind, by name."""
    async with AsyncExitStack() as stack:
        running: dict[str, Server] = {}
        for name, binary in server_binaries().items():
            server = await Server.start(binary, workdir=tmp_path_factory.mktemp(name))
            running[name] = await stack.enter_async_context(server)
        yield running


@pytest.fixture(scope="module")
def binary(server_name: str) -> str:
    """The path of a server binary: of each in turn in the full matrix, of one in the quick one."""
    return server_binaries()[server_name]


@pytest.fixture
def server(servers: dict[str, Server]) -> Server:
    """Any one server, for what does not depend on its kind."""
    return next(iter(servers.values()))


@pytest.fixture(scope="session")
async def deployments(
    servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployments]:
    """The deployments of all variants."""
    async with AsyncExitStack() as stack:
        yield Deployments(servers, stack, tmp_path_factory.mktemp("deployments"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--matrix",
        choices=MATRICES,
        default="quick",
        help="deployments of each test: the two that differ most, all, or all on each server",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    if "variant" in metafunc.fixturenames and all(mark.args[0] != "variant" for mark in marks):
        metafunc.parametrize("variant", variants_of(metafunc), ids=str, indirect=True)
    for argument, names in servers_of(metafunc).items():
        metafunc.parametrize(argument, names, scope="module")


def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are cores, as tests often wait for servers."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the quick matrix does, and put the tests that choose their event loop first.

    While an async fixture of the session is set up, anyio runs every test on that fixture's loop.
    """
    if config.getoption("--matrix") == "quick":
        Interleaving.most_orders = 5
        items[:], left_out = quick_matrix.split(items)
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=lambda item: "anyio_backend" not in _parameters(item))


def pytest_collection_finish() -> None:
    """Spare every later collection the thousands of tests, which stay to the end anyway."""
    # It looks for references when it is imported, and finds none from what is frozen.
    importlib.import_module("hypothesis")
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage where it tells something new: it takes as long as the tests themselves."""
    coverage = Coverage.current() if _repeats(item) else None
    if coverage is None:
        return (yield)
    coverage.stop()
    try:
        return (yield)
    finally:
        coverage.start()


def _repeats(item: pytest.Item) -> bool:
    """Whether a test runs code that others run: on a further topology, or in many programs."""
    names: Any = getattr(item, "fixturenames", ())
    variant = _parameters(item).get("variant")
    is_further = isinstance(variant, Variant) and variant.topology != "embedded"
    return (is_further and "proxy" not in names) or "property" in item.path.parts


def _parameters(item: pytest.Item) -> dict[str, Any]:
    call: Any = getattr(item, "callspec", None)
    return call.params if call else {}


@pytest.fixture
def variant(request: pytest.FixtureRequest) -> Variant:
    chosen = request.param
    assert isinstance(chosen, Variant)
    return chosen


@pytest.fixture
async def place(variant: Variant, deployments: Deployments) -> Place:
    # Glob characters in the prefix: no pattern may be built from it unescaped.
    prefix = f"t*[a-z]?\\{uuid4().hex}:"
    return Place(await deployments.url(variant), Keys(prefix, hash_tags=variant.hash_tags))


@pytest.fixture
async def raw(place: Place, deployments: Deployments) -> Raw:
    """A plain client on the test's deployment, to look behind the store; tests share it."""
    return await deployments.raw(place.url)


@pytest.fixture
async def store(
    place: Place, raw: Raw, request: pytest.FixtureRequest
) -> AsyncIterator[RedisStore]:
    """A store on data of its own.

    Afterwards every index must agree with the records, unless the test is marked ``damages``; and
    deleting what the store lists must leave no key behind. In the hash-tagged layout, where indexes
    lie in other slots than records, the storage contract leaves to ``verify`` what racing calls
    leave of them; so there a test marked ``races`` is checked after that, and only indexes may have
    been at odds.
    """
    async with place.store() as opened:
        yield opened
        damaged = request.node.get_closest_marker("damages") is not None
        if not damaged:
            if place.keys.hash_tags and request.node.get_closest_marker("races") is not None:
                await mend_hints(opened)
            await check_invariants(raw, place.keys)
            for thread in await opened.memory.list_threads(per_page=None):
                await opened.memory.delete_thread(thread.id)
            left = await raw.keys(place.keys.prefix)
            vectors = f"{place.keys.prefix}redis_store:memory:vectors:"
            kept = place.keys.resource(""), *place.keys.all_resources(), vectors
            assert [key for key in left if not key.startswith(kept)] == []
        await opened.memory.dangerously_clear_all()
        assert await raw.keys(place.keys.prefix) == []
        await raw("DEL", place.keys.marker())


@pytest.fixture
async def proxy(variant: Variant, servers: dict[str, Server]) -> AsyncIterator[CountingProxy]:
    """What counts the traffic between ``metered_store`` and the test's server."""
    async with CountingProxy(servers[variant.server].socket) as counting:
        yield counting


@pytest.fixture
async def metered_store(proxy: CountingProxy, place: Place) -> AsyncIterator[RedisStore]:
    """A connected store behind ``proxy``, on the test's data."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(proxy.url, key_prefix=prefix, hash_tags=hash_tags) as opened:
        yield opened
