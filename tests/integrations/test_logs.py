"""Logs: items and a head in one slot, and the indexes that list them."""

import asyncio
from datetime import timedelta

import pytest

from redis_store import BackendError, CorruptRecordError
from redis_store._engine.database import Database
from redis_store._engine.integration_keys import IntegrationKeys
from redis_store._engine.logs import Item, Logs
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.raw import Raw

HOSTILE = ["", "a", "a:1", "}", "{", "}{x}", "*", "é\n", "\0", "1:a"]
ALL = ("all",)


@pytest.fixture
def logs(db: Database, keys: IntegrationKeys) -> Logs:
    """Logs listed by their owner and among all."""
    return Logs(db, keys, "session", listed_in=lambda id_: [("owner", id_[0]), ALL])


def items(*bodies: str, stamp: float = 0.0) -> list[Item]:
    return [Item(body.encode(), stamp) for body in bodies]


async def bodies(logs: Logs, *id_: str, last: int | None = None) -> list[str] | None:
    log = await logs.read(id_, last=last)
    return None if log is None else [item.body.decode() for item in log.items]


@on_each_topology
async def test_a_log_grows_at_its_end(logs: Logs) -> None:
    assert await logs.read(("u", "s")) is None
    assert await logs.append(("u", "s"), items("a", "b"), fields={"x": "1", "y": b"\0\xff"})
    assert await logs.append(("u", "s"), items("c"), fields={"x": "2"})
    assert await bodies(logs, "u", "s") == ["a", "b", "c"]
    assert await bodies(logs, "u", "s", last=2) == ["b", "c"]
    assert await bodies(logs, "u", "s", last=0) == []
    assert await bodies(logs, "u", "s", last=9) == ["a", "b", "c"]
    assert await bodies(logs, "u", "other") is None
    (head, nothing) = await logs.heads([("u", "s"), ("u", "other")])
    assert head is not None
    assert nothing is None
    assert head.fields == {"x": b"2", "y": b"\0\xff"}
    assert head.created_us < head.updated_us


@on_each_topology
async def test_a_log_is_popped_cleared_and_deleted(logs: Logs) -> None:
    await logs.append(("u", "s"), items("a", "b", "c"), fields={"x": "1"})
    assert await logs.pop(("u", "s")) == Item(b"c")
    await logs.clear(("u", "s"))
    assert await bodies(logs, "u", "s") == []
    assert await logs.pop(("u", "s")) is None
    assert [id_ for id_, _ in await logs.list_by(ALL)] == [("u", "s")]
    assert await logs.delete(("u", "s"))
    assert not await logs.delete(("u", "s"))
    assert await logs.read(("u", "s")) is None
    assert await logs.indexes.page(ALL) == []
    assert await logs.list_by(ALL) == []


async def test_reading_since_a_stamp_goes_back_to_the_first_older_item(logs: Logs) -> None:
    """Stamps need not rise: what is before an older item is not looked at."""
    stamps = [5.0, 1.5, 3.25, 2.0, 1764550000.123456]
    await logs.append(("u", "s"), [Item(b"%d" % n, stamp) for n, stamp in enumerate(stamps)])

    async def since(stamp: float, last: int | None = None) -> str:
        log = await logs.read(("u", "s"), since=stamp, last=last)
        assert log is not None
        return "".join(item.body.decode() for item in log.items)

    assert await since(0) == await since(float("-inf")) == "01234"
    assert await since(1.5) == "01234"
    assert await since(1.75) == "234"
    assert await since(2.0) == "234"
    assert await since(2.5) == "4"
    assert await since(1764550000.123456) == "4"
    assert await since(1764550000.123457) == await since(float("inf")) == ""
    assert await since(0, last=2) == "34"


@pytest.mark.parametrize("length", [99, 100, 101, 250])
async def test_reading_since_works_across_chunks(logs: Logs, length: int) -> None:
    await logs.append(("u", "s"), [Item(b"", n) for n in range(length)])
    for since in (0, 1, length - 101, length - 100, length - 99, length - 1, length):
        log = await logs.read(("u", "s"), since=since)
        assert log is not None
        assert [item.stamp for item in log.items] == list(range(max(since, 0), length))


async def test_more_items_than_lua_unpacks_are_appended_at_once(logs: Logs) -> None:
    many = [Item(b"%d" % n, n) for n in range(20_001)]
    await logs.append(("u", "s"), many)
    log = await logs.read(("u", "s"))
    assert log is not None
    assert log.items == many


@on_each_topology
async def test_a_log_is_created_once_and_not_by_an_append_to_none(logs: Logs) -> None:
    assert not await logs.append(("u", "s"), items("a"), fields={"x": "1"}, expect="present")
    assert await logs.read(("u", "s")) is None
    created = await asyncio.gather(
        *(logs.append(("u", "s"), items(f"{n}"), expect="missing") for n in range(10))
    )
    assert created.count(True) == 1
    assert await bodies(logs, "u", "s") == [f"{created.index(True)}"]
    assert await logs.append(("u", "s"), items("b"), expect="present")
    assert await logs.delete(("u", "s"))
    assert not await logs.append(("u", "s"), items("c"), expect="present")
    assert [await logs.list_by(ALL), await logs.read(("u", "s"))] == [[], None]


@on_each_topology
async def test_racing_appends_keep_every_item_and_field(logs: Logs) -> None:
    await asyncio.gather(
        *(logs.append(("u", "s"), items(f"{n}", f"{n}"), fields={f"f{n}": "1"}) for n in range(50))
    )
    found = await bodies(logs, "u", "s")
    assert found is not None
    assert found[::2] == found[1::2], "each append is in one piece"
    assert sorted(found[::2]) == sorted(f"{n}" for n in range(50))
    (head,) = await logs.heads([("u", "s")])
    assert head is not None
    assert len(head.fields) == 50


async def test_of_appends_with_one_token_the_first_is_applied(
    logs: Logs, keys: IntegrationKeys, raw: Raw
) -> None:
    elsewhere = keys.key("state", "app")

    async def append(body: str, token: str, id_: str = "s") -> bool:
        also = [("HINCRBY", elsewhere, "n", 1)]
        return await logs.append(("u", id_), items(body), token=token, also=also)

    assert await append("a", "1")
    assert await append("b", "2")
    assert await append("again", "1"), "applied before"
    assert await append("c", "1", "other")
    assert await bodies(logs, "u", "s") == ["a", "b"]
    assert await bodies(logs, "u", "other") == ["c"]
    assert await raw("HGET", elsewhere, "n") == b"3"
    await logs.delete(("u", "s"))
    assert await append("d", "1")
    assert await bodies(logs, "u", "s") == ["d"]


async def test_a_refused_append_leaves_a_log_listed_as_it_was(logs: Logs) -> None:
    await logs.append(("u", "s"), items("a"), token="1")
    listed = await logs.indexes.page(ALL)
    assert not await logs.append(("u", "s"), items("b"), expect="missing")
    assert await logs.append(("u", "s"), items("a"), token="1")
    assert await logs.indexes.page(ALL) == listed


async def test_commands_run_with_an_append_if_it_is_applied(
    logs: Logs, keys: IntegrationKeys, raw: Raw
) -> None:
    elsewhere = keys.key("state", "app")
    also = [("HSET", elsewhere, "k", "v")]
    assert not await logs.append(("u", "s"), items("a"), expect="present", also=also)
    assert await raw("EXISTS", elsewhere) == 0
    assert await logs.append(("u", "s"), items("a"), also=also)
    assert await raw("HGET", elsewhere, "k") == b"v"


@on_each_topology
async def test_logs_are_listed_last_updated_first(logs: Logs) -> None:
    for id_ in ("a", "b", "c"):
        await logs.append(("u", id_), fields={"name": id_})
    await logs.append(("v", "d"))
    await logs.append(("u", "a"))
    owned = await logs.list_by(("owner", "u"))
    assert [id_ for id_, _ in owned] == [("u", "a"), ("u", "c"), ("u", "b")]
    assert [head.fields["name"] for _, head in owned] == [b"a", b"c", b"b"]
    assert len(await logs.list_by(ALL)) == 4
    assert [id_ for id_, _ in await logs.list_by(ALL, start=1, limit=2)] == [("v", "d"), ("u", "c")]
    assert await logs.list_by(ALL, limit=0) == await logs.list_by(("owner", "w")) == []


async def test_hostile_ids_are_told_apart(logs: Logs) -> None:
    ids = [(first, second) for first in HOSTILE for second in HOSTILE]
    for id_ in ids:
        await logs.append(id_, items("".join(id_)), fields={id_[1]: id_[0]})
    assert {id_ for id_, _ in await logs.list_by(ALL)} == set(ids)
    for id_ in ids:
        assert await bodies(logs, *id_) == ["".join(id_)]
    for first in HOSTILE:
        listed = dict(await logs.list_by(("owner", first)))
        assert listed.keys() == {(first, second) for second in HOSTILE}
        assert all(head.fields == {id_[1]: first.encode()} for id_, head in listed.items())


async def test_an_unused_log_expires_and_a_used_one_does_not(
    db: Database, keys: IntegrationKeys, raw: Raw
) -> None:
    logs = Logs(db, keys, "session", listed_in=lambda _: [ALL], ttl=timedelta(hours=1))
    await logs.append(("s",), items("a", "b"))
    of_log = [keys.key("session", "s"), keys.key("session_items", "s")]

    async def left() -> list[int]:
        return [await raw("PTTL", key) for key in of_log]

    async def use(*, ms: int = 1000) -> None:
        for key in of_log:
            await raw("PEXPIRE", key, ms)

    for use_it in (
        lambda: logs.append(("s",), items("c")),
        lambda: logs.read(("s",)),
        lambda: logs.pop(("s",)),
    ):
        await use()
        await use_it()
        assert all(3_590_000 < ms <= 3_600_000 for ms in await left())
    for key in of_log:
        await raw("DEL", key)
    assert [each.id for each in await logs.indexes.page(ALL)] == [("s",)]
    assert await logs.list_by(ALL) == []
    assert await logs.indexes.page(ALL) == [], "its entry is removed by who finds it"


async def test_a_log_changed_since_is_not_deleted(logs: Logs) -> None:
    await logs.append(("u", "s"), items("a"))
    (head,) = await logs.heads([("u", "s")])
    assert head is not None
    await logs.append(("u", "s"), items("b"))
    assert not await logs.delete(("u", "s"), unchanged_since_us=head.updated_us)
    assert await bodies(logs, "u", "s") == ["a", "b"]
    (head,) = await logs.heads([("u", "s")])
    assert head is not None
    assert await logs.delete(("u", "s"), unchanged_since_us=head.updated_us)
    assert await logs.indexes.page(ALL) == []


@pytest.mark.parametrize("damaged", ["session", "session_items", "session_tokens"])
async def test_an_append_to_a_key_of_another_type_writes_nothing(
    logs: Logs, keys: IntegrationKeys, raw: Raw, damaged: str
) -> None:
    await raw("SET", keys.key(damaged, "u", "s"), "x")
    with pytest.raises(BackendError, match="another type"):
        await logs.append(("u", "s"), items("a"), fields={"x": "1"})
    for kind in ("session", "session_items", "session_tokens"):
        assert await raw("EXISTS", keys.key(kind, "u", "s")) == (kind == damaged)


async def test_a_corrupt_log_says_its_key(logs: Logs, keys: IntegrationKeys, raw: Raw) -> None:
    await raw("HSET", keys.key("session", "u", "s"), "updated", "5")
    with pytest.raises(CorruptRecordError) as caught:
        await logs.read(("u", "s"))
    assert caught.value.key == keys.key("session", "u", "s")
    await raw("HSET", keys.key("session", "u", "s"), "created", "5:x")
    await raw("RPUSH", keys.key("session_items", "u", "s"), "short")
    with pytest.raises(CorruptRecordError) as caught:
        await logs.read(("u", "s"))
    assert caught.value.key == keys.key("session_items", "u", "s")
