"""Resources: working memory and metadata that outlive threads."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from msgspec.structs import replace

from redis_store import InvalidArgumentError, MemoryStore, RedisStore, Resource
from redis_store.models import now
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, thread
from tests.support.wire.raw import Raw


def resource(**fields: Any) -> Resource:
    dates: dict[str, Any] = {"created_at": T0, "updated_at": T0}
    return Resource(id="r", **(dates | fields))


async def test_a_saved_resource_comes_back_as_it_is(store: RedisStore) -> None:
    """RES-01: the record whole, with the dates given."""
    saved = resource(
        working_memory="# Name\n- Ana", metadata={"a": [1, {"b": None}]}, updated_at=at(7)
    )
    assert await store.memory.save_resource(saved) == saved
    assert await store.memory.get_resource_by_id("r") == saved


async def test_saving_a_known_resource_replaces_it(store: RedisStore) -> None:
    """RES-01: an upsert merges nothing, and may move the dates back."""
    await store.memory.save_resource(resource(working_memory="old", metadata={"old": 1}))
    again = resource(metadata={"new": 1}, created_at=at(-9), updated_at=at(-8))
    await store.memory.save_resource(again)
    assert await store.memory.get_resource_by_id("r") == again


async def test_an_unknown_resource_reads_as_none(store: RedisStore) -> None:
    """GEN-05: absence is no error, also after another resource was saved."""
    await store.memory.save_resource(resource())
    for unknown in ("x", "R", "r ", "r*", "*"):
        assert await store.memory.get_resource_by_id(unknown) is None


async def test_working_memory_stays_what_it_is(store: RedisStore) -> None:
    """RES-01, GEN-02: the empty text is a memory, ``None`` is none."""
    for memory in (None, "", "null", "123", '{"a": 1}', "x" * 10_000, "👩‍👩‍👧\x00"):
        await store.memory.save_resource(resource(working_memory=memory))
        assert await store.memory.get_resource_by_id("r") == resource(working_memory=memory)
        updated = await store.memory.update_resource("r", metadata={})
        assert updated.working_memory == memory


async def test_an_update_changes_what_is_given(store: RedisStore) -> None:
    """RES-01: memory is replaced, metadata merged one level, the rest stays."""
    await store.memory.save_resource(
        resource(working_memory="old", metadata={"a": {"x": 1}, "b": 1})
    )
    updated = await store.memory.update_resource("r", working_memory="new")
    assert updated == resource(
        working_memory="new", metadata={"a": {"x": 1}, "b": 1}, updated_at=updated.updated_at
    )
    updated = await store.memory.update_resource("r", metadata={"a": {"y": 2}, "c": None})
    assert updated.working_memory == "new"
    assert updated.metadata == {"a": {"y": 2}, "b": 1, "c": None}
    assert updated == await store.memory.get_resource_by_id("r")


async def test_working_memory_can_be_emptied_and_removed(store: RedisStore) -> None:
    """RES-01: ``""`` and ``None`` are given values, unlike an omitted one."""
    await store.memory.save_resource(resource(working_memory="old"))
    assert (await store.memory.update_resource("r", working_memory="")).working_memory == ""
    assert (await store.memory.update_resource("r")).working_memory == ""
    assert (await store.memory.update_resource("r", working_memory=None)).working_memory is None


async def test_updating_an_unknown_resource_creates_it(store: RedisStore) -> None:
    """RES-01: with what was given, created and updated now."""
    before = now()
    made = await store.memory.update_resource("r", metadata={"a": 1})
    assert before <= made.created_at == made.updated_at <= now()
    assert made == await store.memory.get_resource_by_id("r")
    assert (made.working_memory, made.metadata) == (None, {"a": 1})
    other = await store.memory.update_resource("r2", working_memory="m")
    assert (other.working_memory, other.metadata) == ("m", {})


async def test_updates_move_updated_at_strictly_ahead(store: RedisStore) -> None:
    """RES-01: also when the stored date lies in the future; ``created_at`` stays."""
    future = at(10**15)
    await store.memory.save_resource(resource(updated_at=future))
    updates = [
        await store.memory.update_resource("r"),
        await store.memory.update_resource("r", metadata={"a": 1}),
        await store.memory.merge_working_memory("r", lambda _: "m"),
    ]
    dates = [future, *(updated.updated_at for updated in updates)]
    assert dates == sorted(set(dates))
    assert {updated.created_at for updated in updates} == {T0}


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 12, 31, 23, 59, 59, 999_999, timezone(timedelta(hours=-11, minutes=-30))),
        datetime(1969, 7, 20, 20, 17, 40, 5, UTC),
    ],
    ids=str,
)
async def test_dates_are_aware_and_exact(store: RedisStore, moment: datetime) -> None:
    """GEN-01: the same instant, in UTC, to the microsecond."""
    await store.memory.save_resource(resource(created_at=moment, updated_at=moment))
    read = await store.memory.get_resource_by_id("r")
    assert read is not None
    assert (read.created_at, read.updated_at) == (moment, moment)
    assert read.created_at.tzinfo is read.updated_at.tzinfo is UTC


async def test_a_resource_object_is_the_callers(store: RedisStore) -> None:
    """GEN-08: changing what was saved or read changes nothing in the store."""
    original = resource(metadata={"a": [1]})
    for spoilt in (
        await store.memory.save_resource(original),
        await store.memory.update_resource("r"),
        await store.memory.get_resource_by_id("r"),
        original,
    ):
        assert spoilt is not None
        spoilt.metadata["a"].append(2)
        spoilt.working_memory = "spoilt"
        read = await store.memory.get_resource_by_id("r")
        assert read is not None
        assert (read.metadata, read.working_memory) == ({"a": [1]}, None)


async def test_metadata_is_stored_as_json_in_a_string(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """RES-01: as the peer stores and reads it, also after an update."""
    metadata = {"a": {"b": ['"', "\\", "é🙂", 2**53 + 1, 1.5, None]}}
    await store.memory.save_resource(resource(metadata=metadata))
    for extra in ({}, {"c": 1}):
        await store.memory.update_resource("r", metadata=extra)
        stored = json.loads(await raw("GET", place.keys.resource("r")))
        assert isinstance(stored["metadata"], str)
        assert json.loads(stored["metadata"]) == metadata | extra
        assert "workingMemory" not in stored


async def store_raw(raw: Raw, place: Place, **fields: object) -> None:
    """Store a resource as another writer would; ``...`` leaves a field out."""
    dates = {"createdAt": "2026-01-15T09:30:00.000Z", "updatedAt": "2026-01-15T09:30:00.000Z"}
    record = {"id": "r", "workingMemory": "m", "metadata": "{}", **dates, **fields}
    kept = {name: value for name, value in record.items() if value is not ...}
    await raw("SET", place.keys.resource("r"), json.dumps(kept))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ('{"plan":"pro","seats":3}', {"plan": "pro", "seats": 3}),
        ('{"text": "{\\"a\\": 1}"}', {"text": '{"a": 1}'}),
        ({"an": "object"}, {"an": "object"}),
        ("{}", {}),
        (None, {}),
        (..., {}),
    ],
    ids=repr,
)
async def test_metadata_of_other_writers_is_read_and_merged(
    store: RedisStore, raw: Raw, place: Place, stored: object, expected: dict[str, Any]
) -> None:
    """RES-01: JSON in a string, an object as such, or nothing at all."""
    await store_raw(raw, place, metadata=stored)
    read = await store.memory.get_resource_by_id("r")
    assert read == resource(working_memory="m", metadata=expected)
    updated = await store.memory.update_resource("r", metadata={"new": 1})
    assert updated.metadata == expected | {"new": 1}
    assert json.loads(json.loads(await raw("GET", place.keys.resource("r")))["metadata"]) == (
        expected | {"new": 1}
    )


UPDATES: dict[str, Callable[[MemoryStore], Awaitable[object]]] = {
    "update_resource": lambda m: m.update_resource("r", working_memory="", metadata={"b": 2}),
    "update_resource, nothing": lambda m: m.update_resource("r"),
    "merge_working_memory": lambda m: m.merge_working_memory("r", lambda _: "new"),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
async def test_unknown_fields_survive_every_update(
    store: RedisStore, raw: Raw, place: Place, update: Callable[[MemoryStore], Awaitable[object]]
) -> None:
    """GEN-09: what a newer writer added is kept."""
    unknown: dict[str, Any] = {
        "_v": 2,
        "empty": {"list": [], "object": {}},
        "large": 2**63 + 1,
        "exact": 1.0,
    }
    await store_raw(raw, place, **unknown)
    await update(store.memory)
    stored = json.loads(await raw("GET", place.keys.resource("r")))
    assert {name: stored[name] for name in unknown} == unknown


async def test_a_deleted_resource_is_gone_with_its_index_entry(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """RES-01: threads and other resources stay; an unknown one is no error."""
    await store.memory.save_thread(thread(resource_id="r"))
    before = await raw.keys(place.keys.prefix)
    await store.memory.save_resource(resource(working_memory="m", metadata={"a": 1}))
    await store.memory.delete_resource("r")
    assert await store.memory.get_resource_by_id("r") is None
    assert await raw.keys(place.keys.prefix) == before
    await store.memory.delete_resource("r")
    await store.memory.save_resource(resource())
    await store.memory.delete_resource("R")
    assert await store.memory.get_resource_by_id("r") == resource()
    made = await store.memory.update_resource("R", working_memory="new")
    assert made.metadata == {}


async def test_merging_replaces_the_memory_by_what_the_callback_makes_of_it(
    store: RedisStore,
) -> None:
    """RES-02: it sees ``None`` first, then what was stored, and touches nothing else."""
    seen: list[str | None] = []

    def merge(existing: str | None) -> str:
        seen.append(existing)
        return f"{existing}+"

    made = await store.memory.merge_working_memory("r", merge)
    await store.memory.update_resource("r", metadata={"a": 1})
    merged = await store.memory.merge_working_memory("r", merge)
    assert merged == await store.memory.get_resource_by_id("r")
    assert merged == replace(
        made, working_memory="None++", metadata={"a": 1}, updated_at=merged.updated_at
    )
    assert seen == [None, "None+"]


@pytest.mark.parametrize("known", [True, False])
async def test_what_a_callback_raises_propagates_and_writes_nothing(
    store: RedisStore, raw: Raw, place: Place, *, known: bool
) -> None:
    """RES-02: nor does one that returns no text."""
    if known:
        await store.memory.save_resource(resource(working_memory="m"))
    before = {key: await raw("DUMP", key) for key in await raw.keys(place.keys.prefix)}
    with pytest.raises(ZeroDivisionError):
        await store.memory.merge_working_memory("r", lambda _: str(1 // 0))
    with pytest.raises(InvalidArgumentError):
        await store.memory.merge_working_memory("r", lambda _: cast("Any", {"a": 1}))
    assert {key: await raw("DUMP", key) for key in await raw.keys(place.keys.prefix)} == before
