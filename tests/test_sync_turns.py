"""``Memory.sync()``: turns that block, from any thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from redis_store import InvalidArgumentError, Memory, RedisStore, SyncMemory
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology

ANA = {"thread": "t", "resource": "ana"}


async def embed(texts: list[str]) -> list[list[float]]:
    return [[1.0, float(len(text))] for text in texts]


def memory_of(store: RedisStore) -> SyncMemory:
    return Memory(store, working_memory=True, embed=embed, semantic_recall=1).sync()


async def blocking(place: Place, work: Any) -> None:
    """Run a function of a store and its blocking memory in a thread without an event loop."""

    def run() -> None:
        store = place.store()
        with store.sync() as opened:
            work(opened, memory_of(store))

    await asyncio.to_thread(run)


def texts(opened: Any) -> list[str]:
    return [message.text for message in opened.memory.list_messages("t", per_page=None)]


@on_each_topology
@pytest.mark.usefixtures("store")
async def test_turns_block(place: Place) -> None:
    def talk(opened: Any, memory: SyncMemory) -> None:
        for n in range(2):
            with memory.turn(**ANA) as turn:
                assert len(turn.messages) == 2 * n
                turn.user(f"{n}")
                turn.assistant("Yes.")
                turn.update_working_memory(f"- {n}")
        assert texts(opened) == ["0", "Yes.", "1", "Yes."]
        with memory.turn(thread="other", resource="ana", query="1") as turn:
            assert turn.recalled_by_meaning
            assert turn.working_memory == "- 1"
        assert memory.embed_messages("ana", anew=True) == 4
        assert memory.tool["name"] == "update_working_memory"
        with pytest.raises(InvalidArgumentError), memory.turn(thread="", resource="ana"):
            pytest.fail("the turn began")

    await blocking(place, talk)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, StopIteration])
async def test_a_turn_that_fails_is_saved_and_the_next_one_works(
    place: Place, error: type[BaseException]
) -> None:
    def talk(opened: Any, memory: SyncMemory) -> None:
        def fail() -> None:
            with memory.turn(**ANA) as turn:
                turn.user("1")
                raise error

        with pytest.raises(error):
            fail()
        assert texts(opened) == ["1"]
        with memory.turn(**ANA) as turn:
            turn.user("2")
        assert texts(opened) == ["1", "2"]

    await blocking(place, talk)


@pytest.mark.usefixtures("store")
async def test_threads_take_turns_at_once(place: Place) -> None:
    def talk(opened: Any, memory: SyncMemory) -> None:
        def turn(n: int) -> None:
            with memory.turn(**ANA) as begun:
                begun.user(f"{n}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(turn, range(12)))
        assert sorted(texts(opened), key=int) == [f"{n}" for n in range(12)]

    await blocking(place, talk)


async def test_a_turn_blocks_beside_the_asynchronous_calls(store: RedisStore) -> None:
    memory = Memory(store)
    with memory.sync().turn(**ANA) as turn:
        turn.user("1")
    async with memory.turn(**ANA) as begun:
        assert [message.text for message in begun.recalled] == ["1"]
