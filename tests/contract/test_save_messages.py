"""Saving messages: what comes back, what is stored, and what happens to the threads."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from msgspec.structs import replace

from redis_store import Message, RedisStore
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.messages import ids, listed, make_threads, saved
from tests.support.wire.raw import Raw

# The microsecond after each crosses a border of the calendar.
FUTURES = [
    datetime(2200, 1, 1, tzinfo=UTC),
    datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2096, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2100, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
]
HOSTILE_TEXT = 'a"b\\"c\\\\",{"updatedAt":"2001-01-01T00:00:00Z"}[]}\\'
HOSTILE_METADATA: dict[str, Any] = {
    "updatedAt": "2001-01-01T00:00:00.000Z",
    'resourceId"': ["]", "}", '\\"', {"updatedAt": HOSTILE_TEXT, "[": None}],
    HOSTILE_TEXT: {"createdAt": [[], {}, ""], "": "\\"},
}


async def test_saving_nothing_returns_nothing(store: RedisStore, raw: Raw, place: Place) -> None:
    """SAVE-01: [] is []."""
    assert await store.memory.save_messages([]) == []
    assert await raw.keys(place.keys.prefix) == []


async def test_the_result_is_the_input_in_input_order(store: RedisStore) -> None:
    """SAVE-01: the result keeps the order given, whatever the dates and threads."""
    await make_threads(store, "t", "t2")
    batch = [message("c", 3), message("x", 9, thread_id="t2"), message("a", 1), message("b", 2)]
    assert await store.memory.save_messages(batch) == batch


async def test_the_result_is_what_is_stored(store: RedisStore) -> None:
    """SAVE-01: each returned message equals the stored one, every field of it."""
    await make_threads(store, "t", "t2")
    batch = [
        message("a", metadata={"n": [1, None]}),
        Message(
            id="b", thread_id="t2", resource_id="v", role="tool", type="v1", content=["x", {"y": 1}]
        ),
        Message(thread_id="t", resource_id="u", role="system", content="plain"),
    ]
    result = await store.memory.save_messages(batch)
    stored = {m.id: m for m in await store.memory.list_messages_by_id(ids(batch))}
    assert result == [stored[m.id] for m in batch]


async def test_a_message_of_another_time_zone_comes_back_in_utc(store: RedisStore) -> None:
    """SAVE-01, GEN-01: the same instant to the microsecond, in the result and when read."""
    east = timezone(timedelta(hours=5, minutes=45))
    given = message("a", 123_457)
    given.created_at = given.created_at.astimezone(east)
    await make_threads(store, "t")
    result = await store.memory.save_messages([given])
    read = (await store.memory.list_messages("t")).items
    assert result == read
    assert read[0].created_at == at(123_457)
    assert read[0].created_at.utcoffset() == timedelta(0)
    assert given.created_at.tzinfo is east


async def test_a_message_has_the_same_dates_by_id_and_by_list(store: RedisStore) -> None:
    """GEN-01: microseconds survive, also where ties pushed a message up."""
    await saved(store, *(message(id_, 7) for id_ in "abc"))
    by_list = (await store.memory.list_messages("t")).items
    assert await store.memory.list_messages_by_id(["a", "b", "c"]) == by_list
    assert {m.created_at for m in by_list} == {at(7)}


async def test_changing_a_returned_message_changes_nothing_stored(store: RedisStore) -> None:
    """GEN-08: a returned object is the caller's."""
    await make_threads(store, "t")
    given = message("a", metadata={"k": [1]})
    before = deepcopy(given)
    for returned in (
        *await store.memory.save_messages([given]),
        *await store.memory.list_messages("t"),
        *await store.memory.list_messages_by_id(["a"]),
    ):
        returned.content["metadata"]["k"].append(2)
        returned.role = "changed"
        assert await store.memory.list_messages_by_id(["a"]) == [before]


async def test_saving_twice_keeps_one_entry(store: RedisStore) -> None:
    """SAVE-04: the same id in the same thread is updated in place."""
    await saved(store, message("a"), message("b", 1))
    again = message("a", text="second")
    again.role = "assistant"
    await saved(store, again)
    page = await store.memory.list_messages("t")
    assert page.items == [again, message("b", 1)]
    assert page.total == 2


async def test_a_message_may_carry_another_resource_than_its_thread(store: RedisStore) -> None:
    """SAVE-01: also where the batch mixes resources."""
    await make_threads(store, "t", "t2", resource_id="owner")
    batch = [
        message("a", resource_id="u"),
        message("b", 1, resource_id="v"),
        message("c", 2, thread_id="t2", resource_id="owner"),
    ]
    assert await store.memory.save_messages(batch) == batch
    assert await listed(store, ["t", "t2"]) == ["a", "b", "c"]


async def test_every_touched_thread_is_updated_strictly_later(store: RedisStore) -> None:
    """SAVE-03: also when saves follow each other faster than the clock; others stay."""
    await make_threads(store, "t", "t2", "other")
    before = [T0, T0]
    for n in range(5):
        await saved(store, message(f"a{n}"), message(f"b{n}", thread_id="t2"))
        after = await _updated_at(store, "t", "t2")
        assert all(new > old for new, old in zip(after, before, strict=True))
        before = after
    assert await store.memory.get_thread_by_id("other") == thread("other")


async def test_an_updated_at_in_the_future_still_moves_ahead(store: RedisStore) -> None:
    """SAVE-03: strictly later, by one microsecond, across the calendar's borders."""
    for n, future in enumerate(FUTURES):
        await store.memory.save_thread(thread("t", updated_at=future))
        await store.memory.save_messages([message(f"a{n}")])
        after = await store.memory.get_thread_by_id("t")
        assert after == thread("t", updated_at=future + timedelta(microseconds=1))
        listing = await store.memory.list_threads(resource_id="u", order_by="updated_at")
        assert listing.items == [after]


async def test_a_save_keeps_everything_else_of_a_hostile_thread(store: RedisStore) -> None:
    """SAVE-03: only updated_at changes, whatever title, owner and metadata look like."""
    owner = 'o"\\{}[],:"updatedAt":"2001\n\u0000\u2028é😀'
    before = thread("t", owner, title=HOSTILE_TEXT, metadata=HOSTILE_METADATA)
    await store.memory.save_thread(before)
    await store.memory.save_messages([message("a", resource_id=owner)])
    after = await store.memory.get_thread_by_id("t")
    assert after is not None
    assert after.updated_at > T0
    assert replace(after, updated_at=T0) == before
    assert (await store.memory.list_messages("t", resource_id=owner)).total == 1


async def test_unknown_fields_of_the_thread_survive_a_save(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-09: what a newer writer stored in the thread's record stays."""
    await make_threads(store, "t")
    key = place.keys.thread("t")
    record = json.loads(await raw("GET", key))
    record |= {"big": 2**60 + 1, "empty": [], "nested": {"updatedAt": "x", "f": 1.0}}
    await raw("SET", key, json.dumps(record))
    await store.memory.save_messages([message("a")])
    after = json.loads(await raw("GET", key))
    assert after.pop("updatedAt") > record.pop("updatedAt")
    assert after == record


@on_each_topology
async def test_a_batch_of_2500_is_stored_whole_and_updates_in_place(store: RedisStore) -> None:
    """SAVE-02, SAVE-04: whatever the batch size; ties stay in order beyond 1,000."""
    await make_threads(store, "t")
    batch = [message(f"m{n % 7}-{n}", 0 if n < 1500 else n) for n in range(2500)]
    assert await store.memory.save_messages(batch) == batch
    again = [message(m.id, 0 if n < 1500 else n, text="new") for n, m in enumerate(batch)]
    assert await listed(store, direction="desc") == ids(reversed(batch))
    await store.memory.save_messages(again[::-1])
    page = await store.memory.list_messages("t", per_page=None)
    assert page.items == again
    assert page.total == 2500


async def _updated_at(store: RedisStore, *thread_ids: str) -> list[datetime]:
    found = [await store.memory.get_thread_by_id(id_) for id_ in thread_ids]
    return [record.updated_at for record in found if record]
