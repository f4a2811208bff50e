"""Two stores that save at the same time: both win or one does, and every index agrees."""

from collections.abc import AsyncIterator

import anyio
import pytest

from redis_store import Message, RedisStore
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_invariants
from tests.support.records.builders import message
from tests.support.records.messages import listed, make_threads, saved
from tests.support.wire.raw import Raw

TRIALS = 16


@pytest.fixture
async def other(store: RedisStore, place: Place) -> AsyncIterator[RedisStore]:
    """A second store on the same data, with connections of its own."""
    async with place.store() as second:
        await make_threads(store, "t", "t2", "t3")
        yield second


async def race(*saves: tuple[RedisStore, Message]) -> None:
    """Save each message by its store, all at once."""
    async with anyio.create_task_group() as tasks:
        for store, one in saves:
            tasks.start_soon(store.memory.save_messages, [one])


async def homes(store: RedisStore, id_: str) -> list[str]:
    """Every thread that lists the message."""
    return [t for t in ("t", "t2", "t3") if id_ in await listed(store, t)]


@pytest.mark.races
async def test_two_stores_that_move_one_message_leave_it_in_one_thread(
    store: RedisStore, other: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-04: it never exists in both, and is found by id where it is listed."""
    for n in range(TRIALS):
        await saved(store, message("m"))
        await race(
            (store, message("m", thread_id="t2", text=f"{n}")),
            (other, message("m", thread_id="t3", text=f"{n}")),
        )
        found = await store.memory.list_messages_by_id(["m"])
        assert [m.thread_id for m in found] == await homes(store, "m")
        assert [m.text for m in found] == [f"{n}"]
        await check_invariants(raw, place.keys)


@pytest.mark.races
async def test_a_move_that_races_an_update_in_place_leaves_one_message(
    store: RedisStore, other: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-04: whichever is last."""
    for n in range(TRIALS):
        await saved(store, message("m"))
        await race((store, message("m", text=f"{n}")), (other, message("m", thread_id="t2")))
        assert len(await homes(store, "m")) == 1
        await check_invariants(raw, place.keys)


@pytest.mark.races
async def test_two_stores_that_create_one_message_leave_it_in_one_thread(
    store: RedisStore, other: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-04: also where neither knew of it."""
    for n in range(TRIALS):
        id_ = f"m{n}"
        await race((store, message(id_)), (other, message(id_, thread_id="t2")))
        assert len(await homes(store, id_)) == 1
    await check_invariants(raw, place.keys)


@pytest.mark.races
async def test_many_movers_leave_one_message(
    store: RedisStore, other: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-04: eight at a time, back and forth between three threads."""
    for n in range(TRIALS // 4):
        await race(
            *(
                ((store, other)[k % 2], message("m", n, thread_id=("t", "t2", "t3")[k % 3]))
                for k in range(8)
            )
        )
        assert len(await homes(store, "m")) == 1
        await check_invariants(raw, place.keys)


@pytest.mark.races
async def test_concurrent_saves_of_one_thread_keep_all(
    store: RedisStore, other: RedisStore
) -> None:
    """SAVE-06: with ties and touching dates, each saver's own messages stay in order."""
    by_saver = {
        name: [message(f"{name}{n:02}", n // 4) for n in range(30)] for name in ("a", "b", "c", "d")
    }

    async def save(saver: RedisStore, messages: list[Message]) -> None:
        for first in range(0, len(messages), 3):
            await saver.memory.save_messages(messages[first : first + 3])

    async with anyio.create_task_group() as tasks:
        for n, messages in enumerate(by_saver.values()):
            tasks.start_soon(save, (store, other)[n % 2], messages)
    page = await store.memory.list_messages("t", per_page=None)
    assert page.total == 120
    assert [m.created_at for m in page] == sorted(m.created_at for m in page)
    for name, messages in by_saver.items():
        assert [m for m in page if m.id.startswith(name)] == messages


@pytest.mark.races
async def test_saves_that_race_a_change_of_owner_lose_nothing(
    store: RedisStore, other: RedisStore
) -> None:
    """SAVE-02: the owner that a save believed in may be out of date."""

    async def hand_over() -> None:
        for n in range(10):
            await other.memory.update_thread_resource_id("t", f"u{n}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hand_over)
        for n in range(20):
            tasks.start_soon(store.memory.save_messages, [message(f"m{n:02}", n)])
    assert await listed(store) == [f"m{n:02}" for n in range(20)]
