"""One saver serves every thread and event loop, blocking or not."""

import asyncio
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from langchain_core.messages import HumanMessage

from redis_store import RedisStore, StoreClosedError
from redis_store.integrations.langgraph import AsyncRedisSaver, RedisSaver
from tests.integrations.langgraph.states import TEXT, chat, config, messages
from tests.support.deployments.servers import Server


def asked() -> Any:
    """A message of its own each time: it is given an id."""
    return {"messages": [HumanMessage(TEXT)]}


@contextmanager
def opened(url: str) -> Generator[RedisSaver]:
    """Open a saver by a plain ``with``, on data of its own."""
    with RedisSaver.from_conn_string(url, key_prefix=f"t{uuid4().hex}:") as saver:
        yield saver
        for each in list(saver.list(None)):
            saver.delete_thread(each.config.get("configurable", {})["thread_id"])


async def test_a_saver_needs_no_event_loop(server: Server) -> None:
    await asyncio.to_thread(_a_saver_needs_no_event_loop, server.url)


def _a_saver_needs_no_event_loop(url: str) -> None:
    with opened(url) as saver:
        graph = chat("model").compile(checkpointer=saver)
        graph.invoke(asked(), config())
        graph.invoke(asked(), config())
        assert len(graph.get_state(config()).values["messages"]) == 4
        assert [each.metadata["step"] for each in graph.get_state_history(config())] == [
            4,
            3,
            2,
            1,
            0,
            -1,
        ]
        saver.copy_thread("t", "u")
        assert len(graph.get_state(config("u")).values["messages"]) == 4
        saver.prune(["t"])
        assert len(list(saver.list(config()))) == 1
        assert saver.get_delta_channel_history(config=config(), channels=["messages"]) == {
            "messages": {"writes": []}
        }
        saver.delete_for_runs(["none"])
        saver.delete_thread("t")
        assert saver.get_tuple(config()) is None


async def test_event_loops_follow_each_other(server: Server) -> None:
    await asyncio.to_thread(_event_loops_follow_each_other, server.url)


def _event_loops_follow_each_other(url: str) -> None:
    with opened(url) as saver:
        graph = chat("model").compile(checkpointer=saver)

        async def turn() -> None:
            await graph.ainvoke(asked(), config())
            # Blocking, in a running loop, where others deadlock.
            assert graph.get_state(config()).values["messages"]

        asyncio.run(turn())
        graph.invoke(asked(), config())
        asyncio.run(turn())
        assert len(graph.get_state(config()).values["messages"]) == 6


async def test_threads_share_a_saver(server: Server) -> None:
    await asyncio.to_thread(_threads_share_a_saver, server.url)


def _threads_share_a_saver(url: str) -> None:
    with opened(url) as saver:
        graph = chat("model").compile(checkpointer=saver)

        def turns(name: str) -> int:
            for _ in range(5):
                graph.invoke(asked(), config(name))
            return len(graph.get_state(config(name)).values["messages"])

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(turns, map(str, range(8)))) == [10] * 8


async def test_a_listing_that_is_left_is_closed(server: Server) -> None:
    await asyncio.to_thread(_a_listing_that_is_left_is_closed, server.url)


def _a_listing_that_is_left_is_closed(url: str) -> None:
    with opened(url) as saver:
        graph = chat("model").compile(checkpointer=saver)
        graph.invoke(asked(), config())
        listing = saver.list(config())
        assert (next(listing).metadata or {}).get("step") == 1
        del listing
        assert len(list(saver.list(config()))) == 3


async def test_both_kinds_of_with_open_and_close(server: Server) -> None:
    prefix = f"t{uuid4().hex}:"
    async with AsyncRedisSaver.from_conn_string(server.url, key_prefix=prefix) as saver:
        graph = chat("model").compile(checkpointer=saver)
        await graph.ainvoke({"messages": messages(2)}, config())
        saver.setup()
        await saver.asetup()
        await saver.adelete_thread("t")
    with pytest.raises(StoreClosedError):
        await saver.aget_tuple(config())


async def test_a_saver_that_borrows_a_store_leaves_it_open(store: RedisStore) -> None:
    borrower = RedisSaver(store)
    assert await borrower.aget_tuple(config()) is None
    assert await store.ping()
