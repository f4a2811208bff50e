"""Members of our sorted sets and hashes that are no text, and so another's: no call minds them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from redis_store import RedisStore
from redis_store._engine.timestamps import epoch_us
from redis_store.maintenance import Retention
from tests.support.deployments.place import Place
from tests.support.records import two_users as users
from tests.support.records.builders import T0
from tests.support.records.memory_calls import every_call, furnish
from tests.support.wire.raw import Raw, typed_values

_ALIEN = b"\xff"
_DAY = timedelta(days=1)
# Behind all others, in their midst, and before all: so each end of a page meets one.
_SCORES = {_ALIEN: 8 * 10**15, b"a\xfe": epoch_us(T0) + 5, b"\xc3": 0}

pytestmark = pytest.mark.damages


async def _spoil(raw: Raw, place: Place) -> int:
    """Add them to each sorted set and hash; return how many there are."""
    spoiled = 0
    for key, (kind, _) in (await typed_values(raw, place.keys.prefix)).items():
        if kind == b"zset":
            for member, score in _SCORES.items():
                await raw("ZADD", key, score, member)
        elif kind == b"hash":
            await raw("HSET", key, _ALIEN, 1)
        spoiled += kind in (b"zset", b"hash")
    return spoiled


async def test_every_call_of_memory_goes_on(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-03: whatever it reads."""
    for name, call in every_call().items():
        await furnish(store.memory)
        assert await _spoil(raw, place) >= 10
        try:
            await call(store.memory)
        except Exception as exc:
            exc.add_note(name)
            raise


async def test_listings_leave_them_out(store: RedisStore, raw: Raw, place: Place) -> None:
    """THR-05, MSG-06: they are on no page, and count in no total."""
    await users.furnish(store, "ana")
    pages: dict[str, Callable[[], Awaitable[Any]]] = {
        "all threads": store.memory.list_threads,
        "her threads": lambda: store.memory.list_threads(resource_id="ana"),
        "messages": lambda: store.memory.list_messages("shared"),
        "her messages": lambda: store.memory.list_messages_by_resource_id("ana"),
        "runs": store.workflows.list_workflow_runs,
        "scores": lambda: store.scores.list_scores_by_run_id("run"),
    }
    expected = {name: await read() for name, read in pages.items()}
    await _spoil(raw, place)
    found = {name: await read() for name, read in pages.items()}
    assert {name: page.items for name, page in found.items()} == {
        name: page.items for name, page in expected.items()
    }
    assert {name: page.total for name, page in found.items()} == {
        name: page.total for name, page in expected.items()
    }


async def test_verify_removes_them(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-06: it reports them by names that can be printed."""
    await users.furnish(store, "ana")
    await _spoil(raw, place)
    report = await store.verify(repair=True)
    assert report.problems["stale entry"] > 0
    assert {"\\xff", "a\\xfe"} <= {finding.member for finding in report.findings}
    assert (await store.verify()).ok
    for _, value in (await typed_values(raw, place.keys.prefix)).values():
        assert _ALIEN not in value


async def test_maintenance_goes_on(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-06: reindex, prune, export and erase_resource do all that they would without them."""
    await users.furnish(store, "ana")
    await _spoil(raw, place)
    await store.reindex()
    await _spoil(raw, place)
    exported = [each async for each in store.export_resource("ana")]
    assert len(exported) == users.total(users.ALL)
    erased = await store.erase_resource("ana")
    assert replace(erased, messages=users.ALL.messages) == users.ALL
    assert [each async for each in store.export_resource("ana")] == []
    await users.furnish(store, "ana")
    await _spoil(raw, place)
    every = Retention(threads=_DAY, messages=_DAY, resources=_DAY, snapshots=_DAY, scores=_DAY)
    async with place.store(retention=every) as pruning:
        await pruning.prune()
    assert (await store.memory.list_messages("shared")).total == 0


async def test_threads_that_expire_go_on(store: RedisStore, raw: Raw, place: Place) -> None:
    """THR-11: lifetimes and the removal of expired threads."""
    await users.furnish(store, "ana")
    await _spoil(raw, place)
    async with place.store(thread_ttl=_DAY) as expiring:
        memory = expiring.memory
        assert (await memory.list_messages("shared")).total == 6
        assert len((await memory.list_messages_by_resource_id("ana")).items) == 6
        assert (await memory.list_threads()).total == 3
