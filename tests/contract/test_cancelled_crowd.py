"""Calls that are cancelled at any moment, by the clock: among many others, and amid much data."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from time import perf_counter
from typing import Any

import anyio
import pytest

from redis_store import MemoryStore, RedisStore, Resource
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_settled
from tests.support.records.builders import message, thread
from tests.support.wire.raw import Raw

TASKS = 50
ROUNDS = 8

Call = Callable[[], Awaitable[None]]


class Talker:
    """A caller with records of its own, which all hold its name: it notices any other's."""

    def __init__(self, memory: MemoryStore, name: str, chance: Random) -> None:
        self.memory = memory
        self.name = name
        self.saved = 0
        self._chance = chance

    def call(self) -> Call:
        """Choose one of the calls."""
        calls = [self.get, self.list, self.find, self.remember, self.retitle, self.save]
        return self._chance.choice(calls)

    async def begin(self) -> None:
        await self.memory.save_thread(thread(self.name, self.name, title=self.name))
        await self.memory.save_resource(Resource(id=self.name, working_memory=self.name))
        await self.save()

    async def get(self) -> None:
        found = await self.memory.get_thread_by_id(self.name)
        assert found is not None
        assert (found.id, found.title) == (self.name, self.name)

    async def list(self) -> None:
        page = await self.memory.list_messages(self.name, per_page=None)
        assert [(m.id, m.text) for m in page] == [
            (f"{self.name} {n}", self.name) for n in range(len(page))
        ]
        assert self.saved <= len(page)

    async def find(self) -> None:
        found = await self.memory.list_messages_by_id([f"{self.name} 0"])
        assert [m.text for m in found] == [self.name]

    async def remember(self) -> None:
        resource = await self.memory.merge_working_memory(self.name, str)
        assert (resource.id, resource.working_memory) == (self.name, self.name)

    async def retitle(self) -> None:
        assert (await self.memory.update_thread(self.name, title=self.name)).id == self.name

    async def save(self) -> None:
        """Save the next message; once saved it is there, whether or not this ended."""
        place: dict[str, Any] = {"thread_id": self.name, "resource_id": self.name}
        new = message(f"{self.name} {self.saved}", self.saved, text=self.name, **place)
        assert await self.memory.save_messages([new]) == [new]
        self.saved += 1


@pytest.mark.races
async def test_no_reply_reaches_another_caller(store: RedisStore, place: Place, raw: Raw) -> None:
    """GEN-12: fifty callers, each cancelled at random again and again."""
    chance = Random()  # noqa: S311 - no secret
    cut = [0, 0]

    async def talk(talker: Talker) -> None:
        await talker.begin()
        for number in range(ROUNDS):
            call, seconds = talker.call(), chance.uniform(0, 0.02)
            if number % 2:
                with anyio.move_on_after(seconds) as scope:
                    await call()
                cut[0] += scope.cancelled_caught
            else:
                limit = asyncio.timeout(seconds)
                try:
                    async with limit:
                        await call()
                except TimeoutError:
                    assert limit.expired()
                    cut[1] += 1
        await talker.list()

    async with anyio.create_task_group() as group:
        for number in range(TASKS):
            group.start_soon(talk, Talker(store.memory, f"caller {number}", chance))
    assert min(cut) > 0
    with anyio.fail_after(5):  # where calls wait for a connection, none has been lost
        await asyncio.gather(*(store.ping() for _ in range(4 * TASKS)))
    await check_settled(store, raw, place.keys)


@pytest.mark.races
async def test_much_data_goes_whole_or_not_at_all(store: RedisStore) -> None:
    """GEN-12: a write that is cut off is not applied, and not after the caller's next either."""
    memory, chance = store.memory, Random()  # noqa: S311 - no secret
    big = [message(f"m{n}", n, text="x" * 20_000) for n in range(100)]
    await memory.save_thread(thread())
    began = perf_counter()
    await memory.save_messages(big)
    takes = perf_counter() - began
    for _ in range(8):
        await memory.delete_messages([m.id for m in big])
        with anyio.move_on_after(chance.uniform(0, takes)):
            await memory.save_messages(big)
        first = message("m0", text="saved next")
        await memory.save_messages([first])
        for _ in range(20):  # time enough for whatever is still under way
            await store.ping()
        assert await memory.list_messages_by_id(["m0"]) == [first]
        assert (await memory.list_messages("t", per_page=1)).total in (1, 100)


@pytest.mark.races
async def test_a_reply_that_is_cut_off_is_not_the_next_callers(store: RedisStore) -> None:
    """GEN-12: cancelled amid a long reply."""
    memory, chance = store.memory, Random()  # noqa: S311 - no secret
    big = [message(f"m{n}", n, text="x" * 20_000) for n in range(100)]
    await memory.save_thread(thread())
    await memory.save_messages(big)
    began = perf_counter()
    assert (await memory.list_messages("t", per_page=None)).items == big
    takes = perf_counter() - began
    for number in range(8):
        with anyio.move_on_after(chance.uniform(0, takes)):
            await memory.list_messages("t", per_page=None)
        assert await memory.list_messages_by_id([f"m{number}"]) == [big[number]]
