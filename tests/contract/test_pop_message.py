"""Popping: the newest message comes off its thread, for one caller."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from redis_store import BackendUnavailableError, CorruptRecordError, MessagePatch, RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.inspection.invariants import check_invariants, check_settled, mend_hints
from tests.support.records.builders import T0, message, thread
from tests.support.records.messages import listed, make_threads, saved, snapshot
from tests.support.schedules.interleaving import between, interleaving
from tests.support.wire.raw import Raw

pytestmark = on_each_topology


_DATED = b'{"id":"b","threadId":"t","resourceId":"u","role":"user","createdAt":%s}'
# Only a client's decoder can tell that the content is none.
_FULL = _DATED % b'"2026-01-15T09:30:00.000Z","content":%s'
CORRUPT = [b"{", b"{}", _DATED % b'"soon"', _FULL % b'"\xff"', _FULL % b"[}"]


async def popped(store: RedisStore, thread_id: str = "t") -> str | None:
    taken = await store.memory.pop_message(thread_id)
    return None if taken is None else taken.id


async def test_the_newest_message_comes_first(store: RedisStore) -> None:
    """SAVE-06: by date, and of one date the last that was saved."""
    await saved(store, message("d", 5), *(message(id_) for id_ in "abc"), message("e", -3))
    expected = message("d", 5)
    assert await store.memory.pop_message("t") == expected
    assert [await popped(store) for _ in range(5)] == ["c", "b", "a", "e", None]


async def test_nothing_of_it_is_left(store: RedisStore, raw: Raw, place: Place) -> None:
    """DEL-01: body, pointer, order entry and count go; the thread and the others stay."""
    await saved(store, message("a"), message("b", 1, resource_id="v"), message("c", thread_id="t2"))
    assert await popped(store) == "b"
    assert await raw("EXISTS", place.keys.message("t", "b")) == 0
    assert await raw("EXISTS", place.keys.message_pointer("b")) == 0
    assert await store.memory.list_messages_by_id(["a", "b", "c"]) == [
        message("a"),
        message("c", thread_id="t2"),
    ]
    assert (await store.memory.list_messages("t", resource_id="v")).total == 0
    assert (await store.memory.list_messages("t", resource_id="u")).total == 1
    assert await listed(store) == ["a"]


async def test_an_empty_or_unknown_thread_has_none(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-05: and nothing is written."""
    await make_threads(store, "t")
    before = await snapshot(raw, place.keys.prefix)
    assert await popped(store) is None
    assert await popped(store, "unknown") is None
    assert await snapshot(raw, place.keys.prefix) == before


async def test_the_thread_moves_ahead(store: RedisStore) -> None:
    """DEL-01: strictly, also from the future, in its record and where it is listed."""
    future = T0.replace(year=2200)
    await saved(store, message("a"), message("b", 1), message("c", thread_id="t2"))
    await store.memory.save_thread(thread(updated_at=future))
    await store.memory.save_thread(thread("t2"))
    assert await popped(store) == "b"
    assert await popped(store, "t2") == "c"
    one, two = [await store.memory.get_thread_by_id(id_) for id_ in ("t", "t2")]
    assert one == thread(updated_at=future.replace(microsecond=1))
    assert two is not None
    assert T0 < two.updated_at < future
    by_update = await store.memory.list_threads(order_by="updated_at")
    assert by_update.items == [one, two]


async def test_a_popped_message_can_be_saved_again(store: RedisStore) -> None:
    """DEL-01: it comes back as new, here or elsewhere."""
    await saved(store, message("a"), message("b", 1))
    taken = await store.memory.pop_message("t")
    assert taken is not None
    await store.memory.save_messages([taken])
    assert await listed(store) == ["a", "b"]
    taken = await store.memory.pop_message("t")
    assert taken is not None
    taken.thread_id = "t2"
    await saved(store, taken)
    assert await listed(store, "t2") == ["b"]


@pytest.mark.races
async def test_each_message_goes_to_one_caller(store: RedisStore, place: Place) -> None:
    """GEN-11: of many callers of two stores; those who come too late get none."""
    await make_threads(store, "t")
    for _ in range(3):
        await store.memory.save_messages([message(f"m{n:02}", n) for n in range(20)])
        async with place.store() as other:
            taken = await asyncio.gather(*(popped((store, other)[n % 2]) for n in range(26)))
        assert sorted(id_ for id_ in taken if id_) == [f"m{n:02}" for n in range(20)]
        assert await listed(store) == []


@pytest.mark.races
async def test_pops_race_saves_and_lose_none(store: RedisStore, place: Place) -> None:
    """GEN-11: each message is taken once or still there."""
    await make_threads(store, "t")
    async with place.store() as other:
        taken = await asyncio.gather(
            *(popped(other) for _ in range(20)),
            *(_save(store, n) for n in range(20)),
        )
    ids = [id_ for id_ in taken if id_] + await listed(store)
    assert sorted(ids) == sorted(f"m{n}" for n in range(20))


async def _save(store: RedisStore, n: int) -> None:
    await store.memory.save_messages([message(f"m{n}", n)])


@pytest.mark.races
async def test_a_message_is_popped_or_moved(store: RedisStore, place: Place, raw: Raw) -> None:
    """GEN-11: in every order; never both, and never neither."""
    seen: set[str | None] = set()
    async with interleaving(place) as racing:
        for order in racing.orders(at_most=40):
            await store.memory.dangerously_clear_all()
            await make_threads(store, "t", "t2")
            await store.memory.save_messages([message("a"), message("b", 1)])
            taken, moved = await order.run(
                lambda m: m.pop_message("t"),
                lambda m: m.update_messages([MessagePatch(id="b", thread_id="t2")]),
            )
            # The move, if refused, may have listed `t` with the date that it would have had.
            if place.keys.hash_tags:
                await mend_hints(store)
            await check_invariants(raw, place.keys)
            id_ = getattr(taken, "id", None)
            left = "ab".replace(str(id_), "")
            assert [m.id for m in await store.memory.list_messages_by_id(["a", "b"])] == [*left]
            assert await listed(store, "t2") == (["b"] if moved else [])
            assert bool(moved) == (id_ == "a")
            seen.add(id_)
    assert seen == {"a", "b"}


@pytest.mark.races
async def test_whoever_comes_between_is_seen(store: RedisStore, place: Place, raw: Raw) -> None:
    """GEN-11: a newer message, another caller, a new owner, the end of the thread."""
    others = {
        "c": lambda: store.memory.save_messages([message("c", 9)]),
        "a": lambda: store.memory.pop_message("t"),
        "b": lambda: store.memory.update_thread_resource_id("t", "v"),
        "": lambda: store.memory.delete_thread("t"),
    }
    for expected, other in others.items():
        for after in (1, 2) if place.keys.hash_tags else ():
            await saved(store, message("a"), message("b", 1))
            taken = await between(place, lambda s: s.memory.pop_message("t"), other, after=after)
            assert (taken.id if taken else "") == expected
            await check_settled(store, raw, place.keys)
            await store.memory.delete_thread("t")


@pytest.mark.damages
@pytest.mark.parametrize("stored", CORRUPT)
async def test_a_message_that_cannot_be_read_is_not_lost(
    store: RedisStore, raw: Raw, place: Place, stored: bytes
) -> None:
    """GEN-03: the error names its key, and it is still there, the newest."""
    await saved(store, message("a"), message("b", 1))
    key = place.keys.message("t", "b")
    await raw("SET", key, stored)
    for _ in range(2):
        with pytest.raises(CorruptRecordError) as caught:
            await store.memory.pop_message("t")
        assert caught.value.key == key
        assert await raw("GET", key) == stored
        assert await raw("GET", place.keys.message_pointer("b")) == b"t"
        assert list(await raw.sorted_set(place.keys.timeline("t"))) == ["a", "b"]
    assert await store.memory.delete_messages(["b"]) == 1
    assert await popped(store) == "a"


@pytest.mark.damages
async def test_a_thread_that_cannot_be_read_keeps_its_messages(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-03: the error names the thread's key."""
    await saved(store, message("a"))
    key = place.keys.thread("t")
    for stored in (b"{", b"{}", b'{"id":"t","resourceId":"u","createdAt":"2026-01-'):
        await raw("SET", key, stored)
        before = await snapshot(raw, place.keys.prefix)
        with pytest.raises(CorruptRecordError) as caught:
            await store.memory.pop_message("t")
        assert caught.value.key == key
        assert await snapshot(raw, place.keys.prefix) == before


@pytest.mark.damages
async def test_entries_that_lead_nowhere_are_skipped(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """DEL-01: and removed."""
    await saved(store, message("a"), message("b", 1))
    await raw("ZADD", place.keys.timeline("t"), 10**16, "ghost", 10**16 + 1, "ghost2")
    assert await popped(store) == "b"
    assert list(await raw.sorted_set(place.keys.timeline("t"))) == ["a"]


@pytest.mark.damages
async def test_the_pointer_decides_whose_message_it_is(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-04: a copy of a message that is in another thread is left to that thread."""
    await saved(store, *(message(id_, us) for us, id_ in enumerate("abcd")))
    await make_threads(store, "t2")
    stored = await raw("GET", place.keys.message("t", "d"))
    await raw("SET", place.keys.message("t2", "d"), stored)
    await raw("SET", place.keys.message_pointer("d"), "t2")
    await raw("SET", place.keys.message_pointer("c"), "t2")  # leads nowhere
    await raw("DEL", place.keys.message_pointer("b"))
    assert [await popped(store) for _ in range(4)] == ["c", "b", "a", None]
    assert await raw("GET", place.keys.message("t2", "d")) == stored
    assert await raw("GET", place.keys.message_pointer("d")) == b"t2"


@pytest.mark.damages
async def test_the_date_decides_where_no_index_is_trusted(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-06: scores that another writer gave need not follow it."""
    await saved(store, message("a"), message("b", 5), message("c", 3))
    await raw("ZADD", place.keys.timeline("t"), 1, "b")
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(
        place.url, key_prefix=prefix, hash_tags=hash_tags, indexes="scan"
    ) as scanning:
        assert [await popped(scanning) for _ in range(4)] == ["b", "c", "a", None]


async def test_messages_of_a_thread_that_expires_take_it_along(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """DEL-01: popping is use."""
    await saved(store, message("a"), message("b", 1))
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(
        place.url, key_prefix=prefix, hash_tags=hash_tags, thread_ttl=timedelta(seconds=90)
    ) as expiring:
        assert await popped(expiring) == "b"
        for key in (place.keys.thread("t"), place.keys.timeline("t"), place.keys.message("t", "a")):
            assert 80_000 < await raw("PTTL", key) <= 90_000
        assert await popped(expiring) == "a"
        assert 80_000 < await raw("PTTL", place.keys.thread("t")) <= 90_000


async def test_a_server_that_is_away_has_taken_nothing(tmp_path: Path) -> None:
    """GEN-03: no connection, so there is no doubt."""
    store = RedisStore(f"unix://{tmp_path}/no-server", operation_timeout=timedelta(seconds=0.2))
    with pytest.raises(BackendUnavailableError) as caught:
        await store.memory.pop_message("t")
    assert not caught.value.details.get("in_doubt")
    assert caught.value.code.startswith("POP_MESSAGE_")
    await store.close()
