"""Making a thread only if there is none: by itself, or with its first messages."""

import asyncio
from typing import Any

import pytest

from redis_store import (
    InvalidArgumentError,
    MemoryStore,
    RedisStore,
    Thread,
    ThreadExistsError,
    ThreadNotFoundError,
)
from redis_store.models import now
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.messages import listed, make_threads, saved, snapshot
from tests.support.schedules.waiting import until
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

FUTURE = T0.replace(year=2200)


async def test_a_new_thread_is_stored_as_it_is(store: RedisStore) -> None:
    """THR-01: with the dates given, and listed."""
    one = thread("a", title="Hi", metadata={"a": [1]}, created_at=at(-5), updated_at=at(7))
    two = thread("b", "v", updated_at=FUTURE)
    assert await store.memory.create_thread(one) == one
    assert await store.memory.get_or_create_thread(two) == two
    assert await store.memory.get_thread_by_id("a") == one
    assert (await store.memory.list_threads(direction="asc")).items == [one, two]
    assert (await store.memory.list_threads_by_resource_id("v")).items == [two]


async def test_a_thread_whose_id_is_taken_changes_nothing(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """CLONE-04: the error says which; the thread that is there can be had, whoever owns it."""
    stored = thread(title="first", metadata={"a": 1})
    await store.memory.save_thread(stored)
    await store.memory.save_messages([message("m")])
    stored = await store.memory.update_thread("t", title="second")
    before = await snapshot(raw, place.keys.prefix)
    with pytest.raises(ThreadExistsError) as caught:
        await store.memory.create_thread(thread(resource_id="v"))
    assert caught.value.thread_id == caught.value.details["thread_id"] == "t"
    assert caught.value.code == "CREATE_THREAD_THREAD_EXISTS"
    assert await store.memory.get_or_create_thread(thread(resource_id="v")) == stored
    assert await snapshot(raw, place.keys.prefix) == before


async def test_a_deleted_thread_can_be_made_again(store: RedisStore) -> None:
    """THR-07: it begins empty."""
    await saved(store, message("m"))
    await store.memory.delete_thread("t")
    assert await store.memory.create_thread(thread(title="again")) == thread(title="again")
    assert await listed(store) == []


@pytest.mark.damages
async def test_a_damaged_record_takes_its_id(store: RedisStore, raw: Raw, place: Place) -> None:
    """THR-01: only ``save_thread`` replaces it."""
    await raw("SET", place.keys.thread("t"), b"{")
    with pytest.raises(ThreadExistsError):
        await store.memory.create_thread(thread())
    assert await raw("GET", place.keys.thread("t")) == b"{"


async def test_a_taken_id_costs_one_round_trip(
    metered: MemoryStore, store: RedisStore, proxy: CountingProxy
) -> None:
    """THR-01: the refusal has the record."""
    await store.memory.save_thread(thread())
    with proxy.measure() as cost, pytest.raises(ThreadExistsError):
        await metered.create_thread(thread())
    assert cost.round_trips == len(cost.commands) == 1


@pytest.mark.races
async def test_of_racing_creators_exactly_one_wins(store: RedisStore, place: Place) -> None:
    """GEN-11: of two stores; the others learn that they lost, or get the winner's thread."""
    async with place.store() as other:
        for n in range(10):
            wanted = [thread(f"t{n}", f"u{i}", title=f"{i}") for i in range(10)]
            outcomes: list[Any] = await asyncio.gather(
                *(
                    (store, other)[i % 2].memory.create_thread(each)
                    for i, each in enumerate(wanted)
                ),
                return_exceptions=True,
            )
            (winner,) = [each for each in outcomes if isinstance(each, Thread)]
            assert sum(isinstance(each, ThreadExistsError) for each in outcomes) == 9
            assert await store.memory.get_thread_by_id(f"t{n}") == winner
            assert await other.memory.get_or_create_thread(thread(f"t{n}")) == winner


@pytest.mark.races
async def test_racing_callers_get_one_thread(store: RedisStore, place: Place) -> None:
    """GEN-11: whichever was first, it is the one that is stored."""
    async with place.store() as other:
        for n in range(10):
            wanted = [thread(f"t{n}", f"u{i}", title=f"{i}") for i in range(10)]
            got = await asyncio.gather(
                *(
                    (store, other)[i % 2].memory.get_or_create_thread(each)
                    for i, each in enumerate(wanted)
                )
            )
            stored = await store.memory.get_thread_by_id(f"t{n}")
            assert stored in wanted
            assert got == [stored] * 10


# With the first messages


async def test_messages_make_their_thread(store: RedisStore) -> None:
    """SAVE-03: owned by the first one's resource, created with the oldest, updated now."""
    before = now()
    batch = [message("b", 5, resource_id="v"), message("a", -7), message("c", 9)]
    assert await store.memory.save_messages(batch, create_thread=True) == batch
    made = await store.memory.get_thread_by_id("t")
    assert made is not None
    assert before <= made.updated_at <= now()
    assert made == thread(resource_id="v", created_at=at(-7), updated_at=made.updated_at)
    assert (await store.memory.list_threads_by_resource_id("v")).items == [made]
    for order_by in ("created_at", "updated_at"):
        assert (await store.memory.list_threads(order_by=order_by)).items == [made]
    assert await listed(store) == ["a", "b", "c"]
    assert [m.id for m in await store.memory.list_messages_by_id(["a", "b"])] == ["a", "b"]


async def test_a_thread_is_never_made_in_the_future(store: RedisStore) -> None:
    """SAVE-03: it is made now, and updated later than that."""
    late = message("a")
    late.created_at = FUTURE
    before = now()
    await store.memory.save_messages([late], create_thread=True)
    made = await store.memory.get_thread_by_id("t")
    assert made is not None
    assert before <= made.created_at < made.updated_at <= now()


async def test_a_known_thread_stays_what_it_is(store: RedisStore) -> None:
    """SAVE-03: only ``updated_at`` moves, whoever owns it."""
    stored = thread(resource_id="w", title="T", metadata={"a": 1}, created_at=at(3))
    await store.memory.save_thread(stored)
    await store.memory.save_messages([message("a"), message("b", 1)], create_thread=True)
    found = await store.memory.get_thread_by_id("t")
    assert found is not None
    assert found.updated_at > stored.updated_at
    stored.updated_at = found.updated_at
    assert found == stored
    assert (await store.memory.list_threads(resource_id="w")).items == [stored]
    assert (await store.memory.list_threads(resource_id="u")).items == []


async def test_of_several_threads_those_that_are_missing_are_made(store: RedisStore) -> None:
    """SAVE-02, SAVE-03: also one that only an overridden message names."""
    await make_threads(store, "t", resource_id="w")
    batch = [
        message("a"),
        message("b", thread_id="t2", resource_id="v"),
        message("c", 2, thread_id="t3"),
        message("c", 1, thread_id="t2"),
    ]
    await store.memory.save_messages(batch, create_thread=True)
    threads = (await store.memory.list_threads()).items
    assert {each.id: each.resource_id for each in threads} == {"t": "w", "t2": "v", "t3": "u"}
    assert await listed(store, ["t", "t2", "t3"]) == ["a", "b", "c"]
    assert await listed(store, "t3") == []


async def test_messages_can_move_to_a_thread_that_they_make(store: RedisStore) -> None:
    """SAVE-04: the one that they leave stays, without them."""
    await saved(store, message("a"), message("b", 1))
    moved = message("a", thread_id="new", text="moved")
    await store.memory.save_messages([moved, message("c", thread_id="new")], create_thread=True)
    assert await listed(store) == ["b"]
    assert (await store.memory.list_messages("new")).items[0] == moved


async def test_a_refused_batch_makes_no_thread(store: RedisStore, raw: Raw, place: Place) -> None:
    """SAVE-02: nor does an empty one, nor any by default."""
    assert await store.memory.save_messages([], create_thread=True) == []
    with pytest.raises(InvalidArgumentError):
        await store.memory.save_messages(
            [message("a"), message("b", resource_id="")], create_thread=True
        )
    with pytest.raises(ThreadNotFoundError):
        await store.memory.save_messages([message("a")])
    assert await raw.keys(place.keys.prefix) == []


@pytest.mark.races
async def test_racing_savers_make_one_thread(store: RedisStore, place: Place) -> None:
    """SAVE-03, GEN-11: with the messages of all, and the owner of the first."""
    async with place.store() as other:
        for n in range(10):
            id_ = f"t{n}"
            await asyncio.gather(
                *(
                    (store, other)[i % 2].memory.save_messages(
                        [message(f"{id_} {i}", i, thread_id=id_, resource_id=f"u{i % 4}")],
                        create_thread=True,
                    )
                    for i in range(10)
                )
            )
            assert await listed(store, id_) == [f"{id_} {i}" for i in range(10)]
            made = await store.memory.get_thread_by_id(id_)
            assert made is not None
            assert made in (await store.memory.list_threads_by_resource_id(made.resource_id)).items
    assert (await store.memory.list_threads(per_page=None)).total == 10


async def test_entries_of_a_former_thread_are_replaced(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-03: a thread that expired, or was half deleted, leaves entries with other dates."""
    for order_by in ("created_at", "updated_at"):
        for index in place.keys.thread_indexes("t", "u", order_by):
            await raw("ZADD", index, 5, "t")
    await store.memory.save_messages([message("a", 3)], create_thread=True)
    made = await store.memory.get_thread_by_id("t")
    assert made is not None
    assert made.created_at == at(3)
    report = await store.verify()
    assert report.ok, report.findings


async def test_a_known_thread_without_entries_gets_its_own_dates(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-03: in the plain layout it stays unlisted, as no writer has lost its entries."""
    await store.memory.save_thread(thread(created_at=at(-9)))
    for index in place.keys.thread_indexes("t", "u", "created_at"):
        await raw("ZREM", index, "t")
    await store.memory.save_messages([message("a", 3)], create_thread=True)
    if place.keys.hash_tags:
        assert (await store.verify()).ok
    else:
        await store.verify(repair=True)


async def test_a_thread_is_made_once_an_expired_one_is_gone(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """THR-01, SAVE-03: with its own lifetime, whatever lists the former one."""
    await saved(store, message("a"))
    thread_keys = [*place.keys.of_thread("t")[:3], place.keys.message("t", "a")]
    for key in thread_keys:
        await raw("PEXPIRE", key, 1)

    async def is_gone() -> bool:
        return not await raw("EXISTS", *thread_keys)

    await until(is_gone, "the thread expired")
    await store.memory.save_messages([message("a", 8, text="new")], create_thread=True)
    assert [m.text for m in await store.memory.list_messages("t")] == ["new"]
    assert (await store.verify()).ok
