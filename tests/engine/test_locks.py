"""KeyedLocks: one at a time for a key, all at once for different ones, nothing left afterwards."""

import asyncio
import gc
from weakref import ref

import pytest

from redis_store._engine.locks import KeyedLock, KeyedLocks


async def pause() -> None:
    """Let every other task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_holds_a_key_at_a_time_in_the_order_of_asking() -> None:
    locks, running, done = KeyedLocks(), 0, list[int]()

    async def take(number: int) -> None:
        nonlocal running
        async with locks.of("k"):
            running += 1
            assert running == 1
            await pause()
            running -= 1
            done.append(number)

    await asyncio.gather(*map(take, range(20)))
    assert done == list(range(20))


async def test_different_keys_do_not_wait_for_each_other() -> None:
    locks = KeyedLocks()
    async with locks.of("a"), asyncio.timeout(5), locks.of("b"):
        pass


async def test_a_cancelled_wait_gives_the_turn_to_the_next() -> None:
    locks, done = KeyedLocks(), list[str]()

    async def take(name: str) -> None:
        async with locks.of("k"):
            done.append(name)

    async with locks.of("k"):
        first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
        await pause()
        first.cancel()
        await pause()
        assert done == []
    await second
    assert first.cancelled()
    assert done == ["second"]


async def test_a_cancelled_holder_and_one_that_fails_give_the_turn_back() -> None:
    locks = KeyedLocks()

    async def hold() -> None:
        async with locks.of("k"):
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await pause()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ValueError, match="x"):
        async with locks.of("k"):
            raise ValueError("x")
    async with asyncio.timeout(5), locks.of("k"):
        pass


async def test_a_turn_that_is_awaited_is_the_same_for_who_comes_later() -> None:
    """A lock that nobody but a waiter knows must not be replaced by a new one."""
    locks, inside = KeyedLocks(), list[str]()
    may_leave = asyncio.Event()

    async def take(name: str) -> None:
        async with locks.of("k"):
            inside.append(name)
            await may_leave.wait()

    first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
    await pause()
    gc.collect()
    third = asyncio.create_task(take("third"))
    await pause()
    assert inside == ["first"]
    may_leave.set()
    await asyncio.gather(first, second, third)
    assert inside == ["first", "second", "third"]


async def test_a_key_that_nobody_holds_is_forgotten() -> None:
    locks, taken = KeyedLocks(), list[ref[KeyedLock]]()

    async def take(key: str) -> None:
        taken.append(ref(locks.of(key)))
        async with locks.of(key):
            await pause()

    await asyncio.gather(*(take(f"k{n % 50}") for n in range(100)))
    gc.collect()
    assert [lock() for lock in taken] == [None] * 100
