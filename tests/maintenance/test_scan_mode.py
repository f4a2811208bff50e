"""Listings of a store that looks at every record, beside a peer who keeps no index."""

import re
from collections.abc import AsyncIterator

import pytest

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from tests.maintenance.dumps import own_keys
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import Variant, on_one_server
from tests.support.records.builders import message, thread
from tests.support.records.mastra_database import THREADS, load
from tests.support.records.workflow_runs import found, put, record
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

# What a glob pattern must not hold but where it is meant: unescaped.
_GLOB = re.compile(r"(?<!\\)(?:\\\\)*[*?\[\]^-]")

pytestmark = pytest.mark.damages


@pytest.fixture
async def scanning(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[RedisStore]:
    """A store that trusts no index, on a peer's database whose indexes were once complete."""
    await load(raw, place.keys)
    await store.reindex()
    async with _scanning(place.url, place.keys) as opened:
        yield opened


def _scanning(url: str, keys: Keys) -> RedisStore:
    return RedisStore(url, key_prefix=keys.prefix, hash_tags=keys.hash_tags, indexes="scan")


async def test_every_listing_is_right_without_indexes(
    scanning: RedisStore, place: Place, raw: Raw
) -> None:
    await raw("DEL", *await own_keys(raw, place.keys))
    listed = await check_listings(scanning, raw, place.keys)
    assert len(listed.threads) == len(THREADS)
    assert await own_keys(raw, place.keys) == []


async def test_every_listing_is_right_whatever_the_indexes_say(
    scanning: RedisStore, place: Place, raw: Raw
) -> None:
    for key in await own_keys(raw, place.keys):
        if await raw("TYPE", key) == b"zset":
            for at, member in enumerate(await raw("ZRANGE", key, 0, -1)):
                await raw("ZADD", key, -at, member)
                await raw("ZREM" if at % 2 else "ZADD", key, *([] if at % 2 else [at]), member)
            await raw("ZADD", key, 1, "ghost", 2, "plain", 3, "s*1")
        elif await raw("TYPE", key) == b"hash":
            await raw("HSET", key, "u-1", 5, "ghost", 1)
    await check_listings(scanning, raw, place.keys)


async def test_every_listing_is_right_where_indexes_are_of_another_type(
    scanning: RedisStore, place: Place, raw: Raw
) -> None:
    for key in await own_keys(raw, place.keys):
        await raw("SET", key, "x")
    await check_listings(scanning, raw, place.keys)
    await raw("DEL", *await own_keys(raw, place.keys))


async def test_what_the_peer_writes_is_listed_at_once(
    scanning: RedisStore, place: Place, raw: Raw
) -> None:
    await put(raw, place, record("new", "wf", resourceId="u"), "u")
    await raw("DEL", place.keys.thread("plain"), place.keys.score("s*1"))
    bodies = [key for key in await raw.keys(place.keys.prefix) if ":plain" in key]
    await raw("DEL", place.keys.timeline("plain"), *(key for key in bodies if "messages:" in key))
    for key in await raw.keys(place.keys.bodies("plain")):
        await raw("DEL", key)
    listed = await check_listings(scanning, raw, place.keys)
    assert "new" in {run.run_id for run in listed.runs}
    assert "plain" not in {item.id for item in listed.threads}


async def test_what_the_store_writes_itself_is_listed_at_once(
    scanning: RedisStore, place: Place, raw: Raw
) -> None:
    await scanning.memory.save_thread(thread("mine*", "u-1"))
    await scanning.memory.save_messages([message("m?", thread_id="mine*", resource_id="u-1")])
    await scanning.workflows.update_workflow_state("wf", "run-1", {"status": "done"})
    listed = await check_listings(scanning, raw, place.keys)
    assert "mine*" in {item.id for item in listed.threads}
    assert (await found(scanning, "run-1", "wf")).status == "done"


async def test_pages_and_filters_look_at_records(
    scanning: RedisStore, place: Place, raw: Raw
) -> None:
    await raw("DEL", *await own_keys(raw, place.keys))
    every = (await scanning.memory.list_threads(direction="asc")).items
    pages = [
        await scanning.memory.list_threads(direction="asc", page=page, per_page=3)
        for page in range(3)
    ]
    assert [item for page in pages for item in page] == every
    assert [page.has_more for page in pages] == [True, True, False]
    assert {page.total for page in pages} == {len(every)}
    filtered = await scanning.memory.list_threads(metadata={"n": 2})
    assert [item.metadata for item in filtered] == [{"n": 2}]


async def test_an_id_that_reads_like_a_pattern_finds_only_itself(
    scanning: RedisStore, place: Place, raw: Raw
) -> None:
    await put(raw, place, record("rX", "wX", resourceId="u"), "u")
    for workflow, run_id in (("w?", "rX"), ("wX", "r?"), ("w[X]", "r[X]"), ("w*", "rX")):
        run = await scanning.workflows.get_workflow_run_by_id(run_id, workflow_name=workflow)
        assert run is None
    assert (await found(scanning, "rX", "wX")).resource_id == "u"
    assert (await scanning.memory.list_threads(resource_id="u?1")).items == []
    assert (await scanning.memory.list_messages_by_resource_id("u*")).total == 2
    assert (await scanning.memory.list_messages_by_resource_id("u?*")).items == []


@on_one_server
@pytest.mark.usefixtures("scanning")
async def test_no_pattern_holds_an_unescaped_id(
    place: Place, raw: Raw, servers: dict[str, Server], variant: Variant
) -> None:
    """Beside the kind's own stars nothing in a pattern matches but itself."""
    own = {*place.keys.record_patterns().values()}
    async with (
        CountingProxy(servers[variant.server].socket) as proxy,
        _scanning(proxy.url, place.keys) as metered,
    ):
        await metered.ping()
        proxy.reset()
        await check_listings(metered, raw, place.keys)
        await metered.workflows.get_workflow_run_by_id("r*[a-z]?", workflow_name="w\\*^")
        commands = proxy.total.commands
    assert not [command for command in commands if command[0] == b"KEYS"]
    patterns = {command[3].decode() for command in commands if command[0] == b"SCAN"}
    assert len(patterns - own) > 1, "looking for runs with a suffix"
    for pattern in patterns - own:
        assert pattern.endswith(":resourceId:*")
        assert _GLOB.search(pattern.removesuffix("*")) is None, pattern
    assert _GLOB.search("a*") is not None
