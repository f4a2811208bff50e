"""What is written has the peer's keys, fields and dates; what the peer wrote survives updates."""

import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import anyio
import pytest

from redis_store import MemoryStore, MessagePatch, Resource
from redis_store._engine.timestamps import epoch_us
from tests.interop.dump import ENTRIES, loaded, store_on
from tests.support.deployments.servers import Server
from tests.support.records.builders import at, message, thread
from tests.support.wire.raw import Raw

THREAD = "mastra_threads:id:demo-thread-3"
MESSAGE = "mastra_messages:threadId:demo-thread-1:id:demo-thread-1-m3"
MOVED = "mastra_messages:threadId:demo-thread-3:id:demo-thread-1-m3"
RESOURCE = "mastra_resources:demo-user-1"
UNKNOWN: dict[str, Any] = {
    "futureField": {"updatedAt": "no date", "list": [], "big": 2**60},
    "émoji": None,
}


@pytest.fixture
async def raw(server: Server) -> AsyncIterator[Raw]:
    async with loaded(server) as client:
        for key in (THREAD, MESSAGE, RESOURCE):
            await client("SET", key, json.dumps({**json.loads(ENTRIES[key]), **UNKNOWN}))
        yield client


@pytest.fixture
async def memory(server: Server, raw: Raw) -> AsyncIterator[MemoryStore]:
    assert await raw("DBSIZE") == len(ENTRIES)
    async with store_on(server) as opened:
        yield opened.memory


async def _stored(raw: Raw, key: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(await raw("GET", key))
    return record


UPDATES: dict[str, tuple[str, str, Callable[[MemoryStore], Awaitable[object]], set[str]]] = {
    "update_thread": (
        THREAD,
        THREAD,
        lambda m: m.update_thread("demo-thread-3", title="x", metadata={"a": 1}),
        {"title", "metadata", "updatedAt"},
    ),
    "update_thread_metadata": (
        THREAD,
        THREAD,
        lambda m: m.update_thread_metadata("demo-thread-3", lambda _: {"a": 1}),
        {"metadata", "updatedAt"},
    ),
    "update_thread_resource_id": (
        THREAD,
        THREAD,
        lambda m: m.update_thread_resource_id("demo-thread-3", "v"),
        {"resourceId", "updatedAt"},
    ),
    "save_messages": (
        THREAD,
        THREAD,
        lambda m: m.save_messages([message("new", thread_id="demo-thread-3")]),
        {"updatedAt"},
    ),
    "update_messages": (
        MESSAGE,
        MESSAGE,
        lambda m: m.update_messages([MessagePatch(id="demo-thread-1-m3", role="system")]),
        {"role"},
    ),
    "update_messages, moved": (
        MESSAGE,
        MOVED,
        lambda m: m.update_messages(
            [MessagePatch(id="demo-thread-1-m3", thread_id="demo-thread-3")]
        ),
        {"threadId"},
    ),
    "update_resource": (
        RESOURCE,
        RESOURCE,
        lambda m: m.update_resource("demo-user-1", working_memory="x", metadata={"a": 1}),
        {"workingMemory", "metadata", "updatedAt"},
    ),
    "merge_working_memory": (
        RESOURCE,
        RESOURCE,
        lambda m: m.merge_working_memory("demo-user-1", lambda old: f"{old}!"),
        {"workingMemory", "updatedAt"},
    ),
}


@pytest.mark.parametrize("name", UPDATES)
async def test_an_update_changes_its_fields_and_no_other(
    name: str, memory: MemoryStore, raw: Raw
) -> None:
    """GEN-09, UPD-01: fields that only the peer, or a newer one, knows stay as they are."""
    key, new_key, update, changed = UPDATES[name]
    before = await _stored(raw, key)
    await update(memory)
    after = await _stored(raw, new_key)
    assert {field for field in before if before[field] != after.get(field)} == changed
    assert after.keys() == before.keys()


async def test_a_touched_thread_keeps_a_date_that_is_none(memory: MemoryStore, raw: Raw) -> None:
    """SAVE-03: the thread's own updatedAt moves; one inside its metadata is left alone."""
    before = await _stored(raw, THREAD)
    await memory.save_messages([message("new", thread_id="demo-thread-3")])
    after = await _stored(raw, THREAD)
    assert after["metadata"] == before["metadata"]
    assert after["metadata"]["updatedAt"] == "not a date"
    assert datetime.fromisoformat(after["updatedAt"]) > datetime.fromisoformat(before["updatedAt"])
    found = await memory.get_thread_by_id("demo-thread-3")
    assert found is not None
    assert found.metadata["updatedAt"] == "not a date"


async def test_deleting_a_thread_of_the_peer_leaves_nothing(memory: MemoryStore, raw: Raw) -> None:
    """THR-07: neither record nor bodies, order and ids; other threads stay."""
    await memory.delete_thread("demo:thread:2")
    left = await raw.keys()
    gone = {key for key in ENTRIES if "demo:thread:2" in key}
    assert len(gone) > 5
    assert set(ENTRIES) - set(left) == gone


async def _write(memory: MemoryStore) -> None:
    """Write one record of each kind, with dates on the second and on the microsecond."""
    await memory.save_thread(thread("t", title="", metadata={"a": [1, {}]}))
    await memory.save_messages([message("a", metadata={"n": 1}), message("b", 123_456)])
    await memory.save_resource(
        Resource(id="r", working_memory="w", metadata={"a": 1}, created_at=at(0), updated_at=at(7))
    )


WRITTEN = {
    "mastra_threads:id:t": "mastra_threads:id:demo-thread-1",
    "mastra_messages:threadId:t:id:a": "mastra_messages:threadId:demo-thread-1:id:demo-thread-1-m0",
    "mastra_messages:threadId:t:id:b": "mastra_messages:threadId:demo-thread-1:id:demo-thread-1-m0",
    "mastra_resources:r": "mastra_resources:demo-user-1",
}


async def test_records_are_written_in_the_peers_form(memory: MemoryStore, raw: Raw) -> None:
    """GEN-01: same keys, same field names, same JSON types."""
    await _write(memory)
    for key, like in WRITTEN.items():
        mine, theirs = await _stored(raw, key), json.loads(ENTRIES[like])
        theirs.pop("_index", None)
        assert {name: type(value) for name, value in mine.items()} == {
            name: type(value) for name, value in theirs.items()
        }
    content, theirs = (
        (await _stored(raw, "mastra_messages:threadId:t:id:a"))["content"],
        json.loads(ENTRIES[MESSAGE])["content"],
    )
    assert content.keys() == theirs.keys()
    assert await raw("GET", "msg-idx:a") == b"t"
    assert await raw.sorted_set("thread:t:messages") == {
        "a": epoch_us(at(0)),
        "b": epoch_us(at(123_456)),
    }
    others = {key for key in await raw.keys() if not key.startswith("redis_store:")}
    assert others - set(ENTRIES) == {*WRITTEN, "msg-idx:a", "msg-idx:b", "thread:t:messages"}


ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


async def test_javascript_parses_every_date(memory: MemoryStore, raw: Raw) -> None:
    """GEN-01: the pattern holds, and node, where there is one, reads the same millisecond."""
    await _write(memory)
    records = [await _stored(raw, key) for key in WRITTEN]
    dates = [value for each in records for name, value in each.items() if name.endswith("At")]
    assert len(dates) == 6
    assert [date for date in dates if not ISO.fullmatch(date)] == []
    if node := shutil.which("node"):
        script = "console.log(JSON.stringify(process.argv.slice(1).map(d => Date.parse(d))))"
        ran = await anyio.run_process([node, "-e", script, *dates])
        assert json.loads(ran.stdout) == [
            epoch_us(datetime.fromisoformat(date)) // 1000 for date in dates
        ]


async def test_javascript_reads_a_thread_without_title(memory: MemoryStore, raw: Raw) -> None:
    """THR-02: no title is no field, as JSON.stringify leaves out undefined."""
    await memory.save_thread(thread("t"))
    assert "title" not in await _stored(raw, "mastra_threads:id:t")
    await memory.update_thread("t", title="")
    assert (await _stored(raw, "mastra_threads:id:t"))["title"] == ""
    await memory.update_thread("t", title=None)
    assert "title" not in await _stored(raw, "mastra_threads:id:t")
