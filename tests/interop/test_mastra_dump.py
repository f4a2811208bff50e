"""What ``@mastra/redis`` 1.4.6 wrote is read right: by id, by thread, by resource."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec
import pytest

from redis_store import DateRange, Message, RedisStore, Resource, Thread
from tests.interop.dump import ENTRIES, MESSAGES, ORDERS, RESOURCES, THREADS, loaded, store_on
from tests.support.deployments.servers import Server
from tests.support.wire.raw import Raw


@pytest.fixture
def dumped(server_name: str, servers: dict[str, Server]) -> Server:
    return servers[server_name]


@pytest.fixture
async def raw(dumped: Server) -> AsyncIterator[Raw]:
    async with loaded(dumped) as client:
        yield client


@pytest.fixture
async def store(dumped: Server, raw: Raw) -> AsyncIterator[RedisStore]:
    """A store that was opened after the dump was loaded."""
    assert await raw("DBSIZE") == len(ENTRIES)
    async with store_on(dumped) as opened:
        yield opened


def _date(stored: str) -> datetime:
    return datetime.fromisoformat(stored)


def _thread(record: dict[str, Any]) -> Thread:
    return Thread(
        id=record["id"],
        resource_id=record["resourceId"],
        title=record["title"],
        metadata=record["metadata"],
        created_at=_date(record["createdAt"]),
        updated_at=_date(record["updatedAt"]),
    )


def _message(id_: str) -> Message:
    record = MESSAGES[id_]
    return Message(
        id=id_,
        thread_id=record["threadId"],
        resource_id=record["resourceId"],
        role=record["role"],
        type=record["type"],
        created_at=_date(record["createdAt"]),
        content=record["content"],
    )


async def test_every_thread_is_read_by_id_and_in_lists(store: RedisStore) -> None:
    """GEN-01, THR-02, THR-08: its fields as they are; an empty title is one."""
    for id_, record in THREADS.items():
        assert await store.memory.get_thread_by_id(id_) == _thread(record)
    listed = await store.memory.list_threads(direction="asc")
    expected = sorted(map(_thread, THREADS.values()), key=lambda each: each.created_at)
    assert listed.items == expected
    for owner in {each.resource_id for each in expected}:
        found = await store.memory.list_threads(resource_id=owner, direction="asc")
        assert found.items == [each for each in expected if each.resource_id == owner]


@pytest.mark.parametrize("thread_id", ORDERS)
async def test_the_messages_of_a_thread_are_read_in_their_order(
    thread_id: str, store: RedisStore
) -> None:
    """SAVE-06, LIST-06: the sorted set decides where dates tie; pages and reverse follow."""
    expected = [_message(id_) for id_ in ORDERS[thread_id]]
    page = await store.memory.list_messages(thread_id, per_page=None)
    assert page.items == expected
    assert page.total == len(expected)
    reverse = await store.memory.list_messages(thread_id, per_page=None, direction="desc")
    assert reverse.items == expected[::-1]
    pages = [await store.memory.list_messages(thread_id, page=n, per_page=5) for n in range(3)]
    assert [each for page in pages for each in page] == expected
    assert [each async for each in store.memory.iter_messages(thread_id, batch_size=2)] == expected


async def test_a_date_range_is_exact_though_scores_are_not_dates(store: RedisStore) -> None:
    """LIST-03: the peer adds a position to the date; it shifts no bound."""
    ids = ORDERS["demo-thread-1"]
    ends = DateRange(_message(ids[3]).created_at, _message(ids[7]).created_at)
    page = await store.memory.list_messages("demo-thread-1", date_range=ends)
    assert [each.id for each in page] == ids[3:8]
    inner = DateRange(ends.start, ends.end, start_exclusive=True, end_exclusive=True)
    page = await store.memory.list_messages("demo-thread-1", date_range=inner)
    assert [each.id for each in page] == ids[4:7]


async def test_every_message_is_read_by_id_and_by_resource(store: RedisStore) -> None:
    """LIST-12, LIST-13, LIST-11: alike by every way, and without the peer's bookkeeping."""
    found = await store.memory.list_messages_by_id(list(MESSAGES))
    assert {each.id: each for each in found} == {id_: _message(id_) for id_ in MESSAGES}
    for owner in {record["resourceId"] for record in MESSAGES.values()}:
        mine = await store.memory.list_messages_by_resource_id(owner, per_page=None)
        assert mine.items == [each for each in found if each.resource_id == owner]
    assert any("_index" in record for record in MESSAGES.values())
    assert all("_index" not in msgspec.to_builtins(each) for each in found)


async def test_every_resource_is_read(store: RedisStore) -> None:
    """RES-01: its metadata is JSON in a JSON string."""
    for id_, record in RESOURCES.items():
        assert await store.memory.get_resource_by_id(id_) == Resource(
            id=id_,
            working_memory=record["workingMemory"],
            metadata=json.loads(record["metadata"]),
            created_at=_date(record["createdAt"]),
            updated_at=_date(record["updatedAt"]),
        )


async def test_opening_and_reading_changes_no_key_of_the_peer(store: RedisStore, raw: Raw) -> None:
    """GEN-06: what is added carries our own name."""
    for id_ in THREADS:
        await store.memory.list_messages(id_)
    await store.memory.list_threads()
    keys = await raw.keys()
    assert [key for key in keys if not key.startswith("redis_store:")] == sorted(ENTRIES)
    for key, value in ENTRIES.items():
        if isinstance(value, str):
            assert (await raw("GET", key)).decode() == value
        else:
            assert list((await raw.sorted_set(key)).items()) == [tuple(pair) for pair in value]
