"""Event streams in maintenance: verified, and pruned when their last event is old."""

from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("mcp", reason="needs redis-store[frameworks]")

from mcp_types import JSONRPCNotification

from redis_store import Pruned, RedisStore, Retention
from redis_store.integrations.mcp import RedisEventStore
from redis_store.integrations.mcp.maintenance import prune
from redis_store.models import now
from tests.integrations.conftest import database_of
from tests.support.deployments.place import Place
from tests.support.deployments.rights import login_url, server_with
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.raw import Raw

MESSAGE = JSONRPCNotification(jsonrpc="2.0", method="n")
# An entry of the year 2001.
OLD = "1000000000000-0"


async def furnish(opened: RedisStore, raw: Raw, place: Place) -> tuple[str, str]:
    """An old stream, and one with a new event after an old one; return their keys."""
    events = RedisEventStore(opened)
    await events.store_event("new", MESSAGE)
    (new,) = await raw.keys(place.keys.prefix)
    await events.store_event("old", MESSAGE)
    (old,) = set(await raw.keys(place.keys.prefix)) - {new}
    ((_, fields),) = await raw("XRANGE", old, "-", "+")
    for key in (old, new):
        await raw("DEL", key)
        await raw("XADD", key, OLD, *fields)
    await events.store_event("new", None)
    return old, new


async def pruned(place: Place) -> Pruned:
    async with place.store(retention=Retention(integrations=timedelta(days=1))) as store:
        (found,) = [each for each in await store.prune() if each.kind == "mcp"]
    return found


@on_each_topology
async def test_streams_whose_last_event_is_old_are_pruned(
    opened: RedisStore, raw: Raw, place: Place
) -> None:
    _, new = await furnish(opened, raw, place)
    assert await pruned(place) == Pruned("mcp", 1, done=True)
    assert await raw.keys(place.keys.prefix) == [new]
    assert await pruned(place) == Pruned("mcp", 0, done=True)


async def test_a_stream_that_gets_an_event_meanwhile_stays(
    opened: RedisStore, raw: Raw, place: Place
) -> None:
    old, new = await furnish(opened, raw, place)
    limit_us = int((now() - timedelta(days=1)).timestamp() * 1e6)
    removals = [each async for each in prune(database_of(opened), limit_us)]
    await RedisEventStore(opened).store_event("old", MESSAGE)
    assert [await remove() for remove in removals] == [0]
    assert await raw.keys(place.keys.prefix) == sorted([old, new])


@on_each_topology
async def test_an_event_that_cannot_be_read_is_reported(
    opened: RedisStore, raw: Raw, place: Place
) -> None:
    old, new = await furnish(opened, raw, place)
    report = await opened.verify()
    assert report.ok
    assert report.checked["mcp streams"] == 2
    await raw("XADD", old, "*", "token", "t", "body", "{}")
    await raw("XADD", new, "*", "odd", "fields", "token", "t", "body", "{}")
    report = await opened.verify(repair=True)
    assert report.problems == {"corrupt record": 2}
    assert {finding.key for finding in report.findings} == {old, new}


async def test_the_documented_rights_suffice(binary: str, tmp_path: Path) -> None:
    retention = Retention(integrations=timedelta(microseconds=1))
    async with (
        server_with(binary, tmp_path, "every store", "integrations", "MCP") as server,
        RedisStore(login_url(server), retention=retention) as store,
    ):
        await RedisEventStore(store).store_event("s", MESSAGE)
        assert (await store.verify()).checked["mcp streams"] == 1
        await store.prune()
        await store.dangerously_clear_integrations()
