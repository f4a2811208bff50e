"""Erasing a user: all that belongs to it goes, and nothing else."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from redis_store import Erased, InvalidArgumentError, Progress, RedisStore, Resource
from tests.contract.test_hostile_ids import HOSTILE
from tests.maintenance.chunks import shrink
from tests.maintenance.dumps import dump
from tests.maintenance.expected_listings import check_listings
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.inspection.invariants import check_indexed, check_invariants
from tests.support.records.builders import at, message, thread
from tests.support.records.mastra_database import load
from tests.support.records.messages import ids
from tests.support.records.scores import score
from tests.support.records.two_users import ALL, furnish, mentions, total
from tests.support.records.workflow_runs import found, listed, persist, put, record
from tests.support.wire.raw import Raw


def scanning(place: Place) -> RedisStore:
    """Build a store on the same data that trusts no index."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    return RedisStore(place.url, key_prefix=prefix, hash_tags=hash_tags, indexes="scan")


@pytest.fixture(params=[500, 2])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many records are looked at at once: all there are, or fewer."""
    size: int = request.param
    shrink(monkeypatch, size)
    return size


@on_each_topology
async def test_all_of_a_user_goes_and_nothing_else(
    store: RedisStore, place: Place, raw: Raw, chunk: int
) -> None:
    """The stored keys and values are those of a database that never knew the user."""
    del chunk
    await furnish(store, "bob")
    expected = await _dump(raw, place)
    await store.memory.dangerously_clear_all()
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()
    await furnish(store, "bob", "ana")
    assert await mentions(raw, place.keys.prefix, "ana")

    assert await store.erase_resource("ana") == ALL

    assert await mentions(raw, place.keys.prefix, "ana") == []
    assert await _dump(raw, place) == expected
    await check_indexed(store)
    await check_listings(store, raw, place.keys)
    assert await store.erase_resource("ana") == Erased()


async def _dump(raw: Raw, place: Place) -> dict[str, bytes]:
    """Every key and value; but of the list of a resource's threads only the key.

    Its scores are dates of messages in these threads, not always of the resource's own.
    """
    lists = place.keys.threads_with_messages_of("")
    stored = await dump(raw, place.keys)
    return {key: b"" if key.startswith(lists) else value for key, value in stored.items()}


async def test_others_threads_stay_as_they_are(store: RedisStore, raw: Raw, place: Place) -> None:
    """Their order, and the date of their last use, do not change."""
    await furnish(store, "ana", "bob")
    shared = await store.memory.get_thread_by_id("shared")
    kept = [
        each
        for each in await store.memory.list_messages("shared", per_page=None)
        if each.resource_id != "ana"
    ]
    await store.erase_resource("ana")
    assert await store.memory.get_thread_by_id("shared") == shared
    assert (await store.memory.list_messages("shared", per_page=None)).items == kept
    assert await raw.hash(place.keys.resource_counts("shared")) == {"host": "3", "bob": "3"}


async def test_messages_of_others_go_with_the_users_thread(store: RedisStore) -> None:
    await furnish(store, "ana")
    assert ids(await store.memory.list_messages_by_id(["ana-guest"])) == ["ana-guest"]
    await store.erase_resource("ana")
    assert await store.memory.list_messages_by_id(["ana-guest"]) == []
    assert (await store.memory.list_messages_by_resource_id("host")).total == 3


async def test_an_unknown_user_is_no_error(store: RedisStore, raw: Raw, place: Place) -> None:
    await furnish(store, "bob")
    before = await dump(raw, place.keys)
    for unknown in ("ana", "bo", "bob ", "b*", "*", "BOB"):
        assert await store.erase_resource(unknown) == Erased()
    assert await dump(raw, place.keys) == before


@pytest.mark.parametrize("id_", HOSTILE, ids=ascii)
async def test_an_id_like_any_other_is_erased_alone(
    store: RedisStore, raw: Raw, place: Place, id_: str
) -> None:
    """GEN-07: neighbours keep all they have."""
    near = HOSTILE[id_]
    for n, user in enumerate((*near, id_)):
        await store.memory.save_thread(thread(f"t{n}", user))
        await store.memory.save_messages([message(f"m{n}", thread_id=f"t{n}", resource_id=user)])
        guests = [message(f"g{n}", n, thread_id="t0", resource_id=user)]
        await store.memory.save_messages(guests)
        await store.memory.save_resource(Resource(id=user, working_memory="x"))
        await persist(store, f"r{n}", resource_id=user)
        await store.scores.save_score(score(f"s{n}", resource_id=user))
    erased = await store.erase_resource(id_)
    assert erased == Erased(threads=1, messages=2, runs=1, scores=1, resources=1)
    for n, user in enumerate(near):
        assert ids(await store.memory.list_messages_by_resource_id(user)) == [f"m{n}", f"g{n}"]
        assert await store.memory.get_resource_by_id(user)
        assert await listed(store, resource_id=user) == [f"r{n}"]
        assert await store.scores.get_score_by_id(f"s{n}")
    assert await store.memory.get_thread_by_id("t2") is None
    await check_indexed(store)
    for n in range(2):
        await store.erase_resource(near[n])
    assert await raw.keys(place.keys.prefix) == []


@pytest.mark.parametrize("indexes", ["managed", "scan"])
async def test_a_database_of_another_writer(
    store: RedisStore, raw: Raw, place: Place, indexes: str
) -> None:
    """Once it is indexed; or at once by a store that scans, which needs no index."""
    await load(raw, place.keys)
    async with scanning(place) if indexes == "scan" else place.store() as eraser:
        if indexes == "managed":
            await eraser.reindex()
        erased = await eraser.erase_resource("u*")
        assert erased == Erased(threads=1, messages=2, runs=2, resources=1)
        erased = await eraser.erase_resource("u-2")
        # Two of the messages are in a thread of another user.
        assert erased == Erased(threads=2, messages=6)
        assert await eraser.erase_resource("u-2") == Erased()
        assert await mentions(raw, place.keys.prefix, "u*") == []
        assert await mentions(raw, place.keys.prefix, "u-2") == []
        left = [each.id for each in await eraser.memory.list_threads()]
        assert sorted(left) == [
            "\\",
            "a*b?[c]",
            "plain",
            "{tag}",
        ]
    await store.reindex()
    await check_invariants(raw, place.keys)
    await check_listings(store, raw, place.keys)


@pytest.mark.damages
async def test_a_scan_finds_what_no_index_lists(store: RedisStore, raw: Raw, place: Place) -> None:
    """Nor any thread; and afterwards the indexes do not mention the user either."""
    await furnish(store, "ana", "bob")
    await store.workflows.persist_workflow_snapshot(
        "w", "elsewhere", {}, resource_id="ana", namespace="other"
    )
    await raw("ZREM", place.keys.timeline("shared"), "ana-s0")
    await raw("ZREM", place.keys.threads_of("ana", "created_at"), "ana-thread")
    await raw("ZREM", place.keys.threads_with_messages_of("ana"), "shared")
    async with scanning(place) as eraser:
        assert await eraser.erase_resource("ana") == replace(ALL, runs=3)
    assert await mentions(raw, place.keys.prefix, "ana") == []
    assert (await store.verify()).ok


@pytest.mark.damages
async def test_entries_that_lead_nowhere_go(store: RedisStore, raw: Raw, place: Place) -> None:
    """And those that name records of others, which stay."""
    keys = place.keys
    await furnish(store, "bob")
    run = keys.member(keys.run("workflows", "w0", "bob-run0"))
    for index in (
        *(keys.threads_of("ana", by) for by in ("created_at", "updated_at")),
        keys.threads_with_messages_of("ana"),
    ):
        await raw("ZADD", index, 1, "gone", 2, "bob-thread", 3, "shared")
    await raw("ZADD", *keys.runs_by("resource", "ana"), 1, f"{run}x", 2, run)
    await raw("HSET", keys.resource_counts("shared"), "ana", 0)
    await raw("HSET", keys.resource_counts("bob-thread"), "ana", 7)
    (scores,) = keys.scores_by("all", "", "gone")
    await raw("ZADD", scores, 1, "gone")
    assert await store.erase_resource("ana") == Erased()
    assert await mentions(raw, keys.prefix, "ana") == []
    assert (await store.verify()).ok


@pytest.mark.damages
async def test_corrupt_records_stay_are_named_and_stop_nothing(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """Nobody can tell whose they are."""
    keys = place.keys
    await furnish(store, "ana", "bob")
    corrupt = [
        keys.thread("ana-empty"),
        keys.message("shared", "ana-s1"),
        keys.run("workflows", "w0", "ana-run0"),
        keys.score("bob-score0"),
    ]
    for key in corrupt:
        await raw("SET", key, '{"id": "')
    erased = await store.erase_resource("ana")
    assert sorted(erased.unreadable) == sorted(corrupt)
    assert replace(erased, unreadable=[]) == replace(ALL, threads=1, messages=6, runs=1)
    await raw("DEL", *corrupt)
    assert await store.erase_resource("ana") == Erased()
    own = (
        *(keys.threads_of("ana", by) for by in ("created_at", "updated_at")),
        *keys.runs_by("resource", "ana"),
        keys.threads_with_messages_of("ana"),
    )
    assert set(await raw.keys(keys.prefix)).isdisjoint(own)


@pytest.mark.parametrize("owner", ["ana", "bob"])
async def test_runs_that_others_shadow(
    store: RedisStore, raw: Raw, place: Place, owner: str
) -> None:
    """WF-09: behind a user's run, its own goes too, and another one's is listed from then on."""
    await put(raw, place, record(resourceId=owner), owner)
    await put(raw, place, record(resourceId="ana"))
    await store.reindex()
    assert await store.erase_resource("ana") == Erased(runs=2 if owner == "ana" else 1)
    assert await mentions(raw, place.keys.prefix, "ana") == []
    if owner == "bob":
        assert (await found(store)).resource_id == "bob"
        assert await listed(store, resource_id="bob") == ["r"]
    await check_indexed(store)


@pytest.mark.parametrize("date", [0, None])
async def test_more_records_than_one_batch(
    store: RedisStore, raw: Raw, place: Place, monkeypatch: pytest.MonkeyPatch, date: int | None
) -> None:
    """Also where they share a date, so that no cursor tells them apart."""
    shrink(monkeypatch, 3)
    for n in range(16):
        user, us = "ab"[n % 2], n if date is None else date
        await store.memory.save_thread(thread(f"t{n}", user, created_at=at(us), updated_at=at(us)))
        await store.scores.save_score(score(f"s{n}", us, resource_id=user))
        await persist(store, f"r{n}", us, resource_id=user)
    await store.memory.save_messages(
        [
            message(f"m{n}-{k}", k if date is None else date, thread_id=f"t{n}", resource_id=user)
            for n in range(4)
            for k in range(8)
            for user in "ab"[k % 2]
        ]
    )
    told: list[Progress] = []
    erased = await store.erase_resource("a", progress=told.append)
    assert erased == Erased(threads=8, messages=16 + 8, runs=8, scores=8)
    last = {each.kind: each.done for each in told}
    assert last == {"threads": 8, "messages": 24, "runs": 8, "scores": 8, "resources": 0}
    assert len(told) > len(last)
    left = await store.memory.list_threads(resource_id="b")
    assert left.total == 8
    assert (await store.memory.list_messages_by_resource_id("b")).total == 8
    assert await mentions(raw, place.keys.prefix, "resource:a") == []
    await check_indexed(store)


async def test_arguments_are_checked(store: RedisStore) -> None:
    wrong: list[Any] = ["", None, 7, b"u", "\ud800", "x" * 1025]
    for id_ in wrong:
        with pytest.raises(InvalidArgumentError) as refused:
            await store.erase_resource(id_)
        assert refused.value.code == "ERASE_RESOURCE_INVALID_RESOURCE_ID"
        with pytest.raises(InvalidArgumentError) as refused:
            store.export_resource(id_)
        assert refused.value.code == "EXPORT_RESOURCE_INVALID_RESOURCE_ID"


async def test_threads_that_expire(store: RedisStore, place: Place, raw: Raw) -> None:
    """Erasing a guest's messages does not count as use of the thread."""
    keys = place.keys
    async with RedisStore(
        place.url, key_prefix=keys.prefix, hash_tags=keys.hash_tags, thread_ttl=timedelta(days=1)
    ) as expiring:
        await furnish(expiring, "ana", "bob")
        await raw("PEXPIRE", keys.thread("shared"), 60_000)
        await expiring.erase_resource("ana")
        assert await raw("PTTL", keys.thread("shared")) <= 60_000
        assert await raw("PTTL", keys.thread("bob-thread")) > 60_000
    assert await mentions(raw, keys.prefix, "ana") == []
    await check_indexed(store)


async def test_the_blocking_calls_do_the_same(store: RedisStore, place: Place, raw: Raw) -> None:
    await furnish(store, "ana", "bob")

    def script() -> None:
        with place.store().sync() as blocking:
            exported = list(blocking.export_resource("ana"))
            assert len(exported) == total(ALL)
            told: list[Progress] = []
            assert blocking.erase_resource("ana", progress=told.append) == ALL
            assert told
            blocking.memory.delete_resource("bob")

    await asyncio.to_thread(script)
    assert await mentions(raw, place.keys.prefix, "ana") == []
    assert await store.memory.get_resource_by_id("bob") is None


async def test_the_keyspace_is_not_scanned(store: RedisStore, raw: Raw) -> None:
    """GEN-10: unless the store always does."""
    await furnish(store, "ana")
    before = await _scans(raw)
    _ = [each async for each in store.export_resource("ana")]
    await store.erase_resource("ana")
    assert await _scans(raw) == before


async def _scans(raw: Raw) -> int:
    stats = await raw.commandstats()
    return stats.get("scan", 0)
