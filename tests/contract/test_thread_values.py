"""What threads hold comes back as it was, also what other writers put there."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from redis_store import InvalidArgumentError, MemoryStore, RedisStore, Thread
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread
from tests.support.wire.raw import Raw

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    2**63,
    -(2**64),
    2**70,
    0.1 + 0.2,
    1e300,
    5e-324,
    "",
    "1",
    "null",
    '{"a": [1]}',
    '"\\/\b\f\n\r\t\x00\x7f\u2028\ufeff',
    "👩‍👩‍👧‍👦 é é \U0010ffff",
    "x" * 10_000,
    [],
    {},
    [[], {}, [[]], None],
    {"": 1, " ": 2, "a.b": {"c": [{"d": None}]}, "id": "other", "resourceId": "other"},
]

# What a newer writer may add, with values that a careless copy would change.
UNKNOWN: dict[str, Any] = {
    "_v": 2,
    "empty": {"list": [], "object": {}},
    "large": 2**63 + 1,
    "exact": 1.0,
    "resourceIds": ["u"],
    "text": '"resourceId":"u"',
}


async def test_metadata_comes_back_as_it_was(store: RedisStore) -> None:
    """GEN-02: every JSON value, saved, merged and listed, keeps its content and its type."""
    for value in VALUES:
        await store.memory.save_thread(thread(metadata={"saved": value}))
        updated = await store.memory.update_thread("t", metadata={"merged": value})
        listed = (await store.memory.list_threads()).items[0]
        for metadata in (updated.metadata, listed.metadata):
            assert metadata == {"saved": value, "merged": value}
            assert [type(kept) for kept in metadata.values()] == [type(value)] * 2


async def test_texts_hold_any_character(store: RedisStore) -> None:
    """GEN-02: titles and ids too."""
    text = '"quoted" \\ 🙂 \n{}[]:,'
    await store.memory.save_thread(thread(text, text, title=text, metadata={text: text}))
    assert (await store.memory.list_threads(resource_id=text)).items == [
        thread(text, text, title=text, metadata={text: text})
    ]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), object(), {"a": {1, object()}}, b"x", {1: 2}]
)
async def test_a_value_without_json_form_is_refused(store: RedisStore, value: Any) -> None:
    """GEN-02: nothing is stored that could not be given back."""
    await store.memory.save_thread(thread())
    for call in (
        store.memory.save_thread(thread(metadata={"a": value})),
        store.memory.update_thread("t", metadata={"a": value}),
        store.memory.update_thread_metadata("t", lambda _: {"a": value}),
    ):
        with pytest.raises(InvalidArgumentError):
            await call
    assert await store.memory.get_thread_by_id("t") == thread()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1, 0, 0, 0, 1, UTC),
        datetime(2026, 12, 31, 23, 59, 59, 999_999, timezone(timedelta(hours=-11, minutes=-30))),
        datetime(1969, 7, 20, 20, 17, 40, 5, UTC),
        datetime(1700, 3, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(2255, 5, 23, 23, 59, 59, 999_999, UTC),
    ],
    ids=str,
)
async def test_dates_are_aware_and_exact_wherever_they_are_read(
    store: RedisStore, moment: datetime
) -> None:
    """GEN-01: the same instant, in UTC, to the microsecond, by id and by list."""
    await store.memory.save_thread(thread(created_at=moment, updated_at=moment))
    read = await store.memory.get_thread_by_id("t")
    by_created, by_updated = [
        (await store.memory.list_threads(order_by=order)).items
        for order in ("created_at", "updated_at")
    ]
    assert by_created == by_updated == [read]
    assert read is not None
    assert (read.created_at, read.updated_at) == (moment, moment)
    assert read.created_at.tzinfo is read.updated_at.tzinfo is UTC


Update = Callable[[MemoryStore], Awaitable[object]]

UPDATES: dict[str, Update] = {
    "update_thread": lambda m: m.update_thread("t", title="new", metadata={"b": 2}),
    "update_thread, nothing": lambda m: m.update_thread("t", title=None),
    "update_thread_metadata": lambda m: m.update_thread_metadata("t", lambda _: {"b": 2}),
    "update_thread_resource_id": lambda m: m.update_thread_resource_id("t", "v"),
    "save_messages": lambda m: m.save_messages([message("m")]),
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
async def test_unknown_fields_survive_every_update(
    store: RedisStore, place: Place, raw: Raw, update: Update
) -> None:
    """GEN-09: what a newer writer added is kept to the letter."""
    await store.memory.save_thread(thread(title="old", metadata={"a": 1}))
    key = place.keys.thread("t")
    await raw("SET", key, json.dumps(json.loads(await raw("GET", key)) | UNKNOWN))
    await update(store.memory)
    stored = json.loads(await raw("GET", key))
    assert {name: stored[name] for name in UNKNOWN} == UNKNOWN
    assert b'"exact":1.0' in (await raw("GET", key)).replace(b" ", b"")


async def put_raw(raw: Raw, place: Place, **changes: object) -> None:
    """Overwrite fields of the stored thread, as another writer would."""
    key = place.keys.thread("t")
    record = json.loads(await raw("GET", key)) | changes
    left = {name: value for name, value in record.items() if value is not ...}
    await raw("SET", key, json.dumps(left))


@pytest.mark.parametrize("metadata", [None, "{}", ...], ids=repr)
async def test_missing_metadata_reads_as_empty(
    store: RedisStore, place: Place, raw: Raw, metadata: object
) -> None:
    """GEN-02: other writers leave it out, or store null."""
    await store.memory.save_thread(thread())
    await put_raw(raw, place, metadata=metadata)
    assert await store.memory.get_thread_by_id("t") == thread()
    assert (await store.memory.update_thread("t", metadata={"a": 1})).metadata == {"a": 1}


async def test_metadata_that_is_json_in_a_string_reads_as_its_object(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """GEN-02: the object inside is read, and a string inside that stays a string."""
    await store.memory.save_thread(thread())
    await put_raw(raw, place, metadata='{"a": "{\\"b\\": 1}"}')
    read = await store.memory.get_thread_by_id("t")
    assert read is not None
    assert read.metadata == {"a": '{"b": 1}'}


async def test_a_title_that_was_cut_inside_an_emoji_stays_readable(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """GEN-09: JavaScript cuts strings into half characters; reading and updating still work."""
    await store.memory.save_thread(thread())
    await put_raw(raw, place, title="half \ud83d", metadata={"old": 1})
    read = await store.memory.get_thread_by_id("t")
    assert isinstance(read, Thread)
    assert read.title is not None
    assert read.title.startswith("half ")
    updated = await store.memory.update_thread("t", metadata={"new": 2})
    assert updated.metadata == {"old": 1, "new": 2}
    assert (await store.memory.list_threads()).items == [updated]
    assert json.loads(await raw("GET", place.keys.thread("t")))["title"] == "half \ud83d"
