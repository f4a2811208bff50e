"""Writes of logs and documents whose reply is lost, or whose caller is cancelled."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from redis_store import BackendUnavailableError, RedisStore
from redis_store._engine import logs as logs_module
from redis_store._engine.documents import MISSING, Documents
from redis_store._engine.hash_indexes import IndexEntry
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.logs import Item, Logs
from redis_store._engine.steps import Tokens
from tests.integrations.conftest import database_of
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.schedules.waiting import until

ALL = ("all",)


@pytest.fixture
async def forgetful(place: Place) -> AsyncIterator[RedisStore]:
    """A store that loses the replies to its next write, but not the write."""
    async with place.store() as store:
        yield store


def logs_of(store: RedisStore) -> Logs:
    db = database_of(store)
    return Logs(db, IntegrationKeys(db.keys, "toy"), "log", listed_in=lambda _: [ALL])


def documents_of(store: RedisStore) -> Documents:
    db = database_of(store)
    return Documents(db, IntegrationKeys(db.keys, "toy"), "doc")


async def stored(store: RedisStore) -> list[bytes]:
    log = await logs_of(store).read(("l",))
    return [] if log is None else [item.body for item in log.items]


@on_each_topology
async def test_an_append_counts_once(opened: RedisStore, forgetful: RedisStore) -> None:
    for n, expect in enumerate(("missing", "present", None)):
        lost = lose_next_reply(forgetful)
        assert await logs_of(forgetful).append(("l",), [Item(b"%d" % n)], expect=expect)  # type: ignore[arg-type]
        assert lost
    assert await stored(opened) == [b"0", b"1", b"2"]
    assert [id_ for id_, _ in await logs_of(opened).list_by(ALL)] == [("l",)]


@pytest.mark.parametrize("others", [1, 30])
async def test_an_append_counts_once_although_others_append_and_pop_meanwhile(
    opened: RedisStore, forgetful: RedisStore, others: int
) -> None:
    """Between the lost reply and the repeat; the item itself may be gone by then."""
    logs = logs_of(opened)
    lost = lose_next_reply(forgetful)
    send = database_of(forgetful).send

    async def interrupted(*args: object, **options: object) -> object:
        if lost:
            assert await logs.pop(("l",)) == Item(b"mine")
            for n in range(others):
                await logs.append(("l",), [Item(b"%d" % n)])
            database_of(forgetful).send = send  # type: ignore[method-assign]
        return await send(*args, **options)  # type: ignore[arg-type]

    database_of(forgetful).send = interrupted  # type: ignore[method-assign, assignment]
    assert await logs_of(forgetful).append(("l",), [Item(b"mine")])
    assert await stored(opened) == [b"%d" % n for n in range(others)]


async def test_no_more_tokens_are_kept_than_needed(
    opened: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_module, "_TOKENS", Tokens(5, 60_000))
    for _ in range(12):
        await logs_of(opened).append(("l",))
    db = database_of(opened)
    tokens = IntegrationKeys(db.keys, "toy").key("log_tokens", "l")
    assert await db.command("ZCARD", tokens) == 5
    assert 0 < await db.command("PTTL", tokens) <= 60_000


async def test_an_append_to_a_log_that_is_deleted_meanwhile_finds_none(
    opened: RedisStore, forgetful: RedisStore
) -> None:
    """It came before the deletion."""
    logs = logs_of(opened)
    await logs.append(("l",))
    lost = lose_next_reply(forgetful)
    send = database_of(forgetful).send

    async def interrupted(*args: object, **options: object) -> object:
        if lost:
            await logs.delete(("l",))
            database_of(forgetful).send = send  # type: ignore[method-assign]
        return await send(*args, **options)  # type: ignore[arg-type]

    database_of(forgetful).send = interrupted  # type: ignore[method-assign, assignment]
    assert not await logs_of(forgetful).append(("l",), [Item(b"x")], expect="present")
    assert await logs.read(("l",)) is None


async def test_a_pop_is_not_repeated(opened: RedisStore, forgetful: RedisStore) -> None:
    """It may have taken an item, and the error says so; it takes no other."""
    await logs_of(opened).append(("l",), [Item(b"a"), Item(b"b")])
    lost = lose_next_reply(forgetful)
    with pytest.raises(BackendUnavailableError) as caught:
        await logs_of(forgetful).pop(("l",))
    assert lost
    assert caught.value.details["in_doubt"]
    assert await stored(opened) == [b"a"]


async def test_a_deletion_is_made_once(opened: RedisStore, forgetful: RedisStore) -> None:
    await logs_of(opened).append(("l",))
    version = await documents_of(opened).put(("d",), b"", [IndexEntry(ALL)])
    lost = lose_next_reply(forgetful)
    assert await logs_of(forgetful).delete(("l",))
    assert lost
    lost = lose_next_reply(forgetful)
    assert await documents_of(forgetful).delete(("d",), expect=version)
    assert lost
    assert await logs_of(opened).indexes.page(ALL) == []
    assert await documents_of(opened).indexes.page(ALL) == []


@on_each_topology
async def test_the_winner_of_a_version_is_told_so(
    opened: RedisStore, forgetful: RedisStore
) -> None:
    version = MISSING
    for n in range(3):
        lost = lose_next_reply(forgetful)
        put = await documents_of(forgetful).put(
            ("d",), b"%d" % n, [IndexEntry(ALL, n)], expect=version
        )
        assert lost
        assert put is not None
        version = put
    ((entry, found),) = await documents_of(opened).list_by(ALL)
    assert (entry.score, found.body, found.version) == (2, b"2", version)


@on_each_topology
async def test_a_log_that_is_stored_again_during_its_deletion_stays_listed(
    opened: RedisStore, place: Place
) -> None:
    """Another writer comes before each request of the call that deletes it."""
    logs = logs_of(opened)
    async with gated_store(place) as (store, gate):
        gate.shut = True
        deletion = asyncio.ensure_future(logs_of(store).delete(("l",)))
        while not deletion.done():
            await until(lambda: gate.holds or deletion.done(), "a request or the end")
            if gate.holds:
                await logs.append(("l",))
                gate.let_through()
        assert await deletion
    exists = await logs.read(("l",)) is not None
    assert exists == place.keys.hash_tags, "in the plain layout there is one request"
    assert len(await logs.list_by(ALL)) == exists


@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancelled_write_is_made_whole_or_not_at_all(
    opened: RedisStore, place: Place, how: How
) -> None:
    """With its index entries; a reader may have to remove one that leads nowhere."""
    logs, documents = logs_of(opened), documents_of(opened)
    async with gated_store(place) as (store, gate):
        calls = {
            "append": lambda: logs_of(store).append(("l",), [Item(b"a"), Item(b"b")]),
            "delete": lambda: logs_of(store).delete(("l",)),
            "put": lambda: documents_of(store).put(("d",), b"1", [IndexEntry(ALL, 1)]),
            "move": lambda: documents_of(store).put(("d",), b"2", [IndexEntry(("new",), 2)]),
            "remove": lambda: documents_of(store).delete(("d",)),
        }
        for name, call in calls.items():
            point = 0
            while await cancelled_at(point, call, gate, how):
                await _check_whole(logs, documents)
                if name in {"delete", "move", "remove"}:
                    await logs.append(("l",), [Item(b"a"), Item(b"b")])
                    await documents.put(("d",), b"1", [IndexEntry(ALL, 1)])
                else:
                    await asyncio.gather(logs.delete(("l",)), documents.delete(("d",)))
                point += 1
            assert point >= 2, name
            await logs.append(("l",), [Item(b"a"), Item(b"b")])
            await documents.put(("d",), b"1", [IndexEntry(ALL, 1)])


async def _check_whole(logs: Logs, documents: Documents) -> None:
    log = await logs.read(("l",))
    items = [] if log is None else [item.body for item in log.items]
    assert items == [b"a", b"b"] * (len(items) // 2)
    assert [id_ for id_, _ in await logs.list_by(ALL)] == ([] if log is None else [("l",)])
    document = await documents.get(("d",))
    listed = {
        by: [entry.score for entry, _ in await documents.list_by(by)] for by in (ALL, ("new",))
    }
    expected = {None: {}, b"1": {ALL: [1]}, b"2": {("new",): [2]}}
    wanted = expected[None if document is None else document.body]
    assert {by: scores for by, scores in listed.items() if scores} == wanted
