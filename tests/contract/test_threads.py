"""Single threads: saving, reading, updating, deleting."""

from typing import Any, cast

import pytest

from redis_store import InvalidArgumentError, RedisStore, Thread, ThreadNotFoundError
from redis_store.models import now
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.wire.raw import Raw

# Ids that mean something to a glob pattern, a key layout or a hash tag.
HOSTILE = ["*", "?", "[a-z]", "t", "t*", "t:messages", "{t}", "t}", "}", "%", "t\\", "t t", "té🙂"]


async def test_a_saved_thread_is_returned_and_read_as_it_is(store: RedisStore) -> None:
    """THR-01: the record comes back whole, with the dates given."""
    saved = thread(
        title="Hi", metadata={"a": [1, {"b": None}]}, created_at=at(-5), updated_at=at(7)
    )
    assert await store.memory.save_thread(saved) == saved
    assert await store.memory.get_thread_by_id("t") == saved


async def test_saving_a_known_thread_replaces_the_whole_record(store: RedisStore) -> None:
    """THR-01: an upsert merges nothing, and may move the dates back."""
    await store.memory.save_thread(thread(title="old", metadata={"old": 1}, updated_at=at(9)))
    again = thread(resource_id="v", metadata={"new": 1}, created_at=at(-2), updated_at=at(-1))
    await store.memory.save_thread(again)
    assert await store.memory.get_thread_by_id("t") == again
    assert list(await store.memory.list_threads()) == [again]
    assert list(await store.memory.list_threads(resource_id="u")) == []


async def test_saving_a_known_thread_keeps_its_messages(store: RedisStore) -> None:
    """THR-01: the record is replaced, what hangs on it is not."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("m")])
    await store.memory.save_thread(thread(title="again"))
    assert [m.id for m in await store.memory.list_messages("t")] == ["m"]


async def test_a_thread_gets_an_id_and_the_present_time_by_default(store: RedisStore) -> None:
    """THR-01: what the caller leaves out is given by the record."""
    before = now()
    one, two = [await store.memory.save_thread(Thread(resource_id="u")) for _ in "ab"]
    assert one.id != two.id
    assert before <= one.created_at <= one.updated_at <= now()
    assert await store.memory.get_thread_by_id(one.id) == one


async def test_a_title_stays_what_it_is(store: RedisStore) -> None:
    """THR-02: the empty title is a title, ``None`` is none, and neither becomes the other."""
    for title in ("", None, "123", "null", '{"a": 1}', "\x00", "👩‍👩‍👧"):
        await store.memory.save_thread(thread(title=title))
        assert (await store.memory.list_threads()).items[0].title == title
        updated = await store.memory.update_thread("t", metadata={"a": 1})
        assert updated.title == title


async def test_numeric_looking_ids_stay_strings(store: RedisStore) -> None:
    """THR-02: no id turns into a number on its way, and none into another's."""
    for id_ in ("007", "7", "1e3", "-0"):
        await store.memory.save_thread(thread(id_, id_))
    listed = {item.id: item.resource_id for item in await store.memory.list_threads()}
    assert listed == {"007": "007", "7": "7", "1e3": "1e3", "-0": "-0"}


async def test_reading_in_a_resources_scope_hides_the_threads_of_others(store: RedisStore) -> None:
    """THR-03: a scope is exact; the empty one matches nothing; without one nothing is hidden."""
    await store.memory.save_thread(thread())
    read = store.memory.get_thread_by_id
    assert [await read("t", resource_id=scope) for scope in ("v", "U", "u ", "")] == [None] * 4
    assert await read("t", resource_id="u") == await read("t") == thread()


async def test_an_omitted_field_stays(store: RedisStore) -> None:
    """THR-04: an update of one field changes that and ``updated_at``, nothing else."""
    await store.memory.save_thread(thread(title="old", metadata={"a": 1}))
    renamed = await store.memory.update_thread("t", title="new")
    assert (renamed.title, renamed.metadata) == ("new", {"a": 1})
    noted = await store.memory.update_thread("t", metadata={"b": 2})
    assert (noted.title, noted.metadata) == ("new", {"a": 1, "b": 2})
    assert (noted.resource_id, noted.created_at) == ("u", T0)


async def test_an_update_can_remove_the_title_and_empty_it(store: RedisStore) -> None:
    """THR-04: ``None`` and ``""`` are given values, unlike an omitted one."""
    await store.memory.save_thread(thread(title="old"))
    assert (await store.memory.update_thread("t", title="")).title == ""
    assert (await store.memory.update_thread("t", title=None)).title is None
    assert await store.memory.get_thread_by_id("t") == (await store.memory.list_threads()).items[0]


async def test_metadata_merges_one_level_and_no_deeper(store: RedisStore) -> None:
    """THR-04: a given key replaces the stored value whole, ``None`` included."""
    await store.memory.save_thread(thread(metadata={"a": {"x": 1}, "b": 1, "c": 1}))
    updated = await store.memory.update_thread("t", metadata={"a": {"y": 2}, "b": None})
    assert updated.metadata == {"a": {"y": 2}, "b": None, "c": 1}


async def test_updates_move_updated_at_strictly_ahead(store: RedisStore) -> None:
    """THR-04: strictly, even if the stored date lies in the future or nothing is given."""
    future = at(10**15)
    await store.memory.save_thread(thread(updated_at=future))
    dates = [future]
    for change in (
        store.memory.update_thread("t", title="a"),
        store.memory.update_thread("t", metadata={}),
        store.memory.update_thread("t"),
        store.memory.update_thread_metadata("t", lambda _: {}),
    ):
        changed = await change
        assert changed is not None
        dates.append(changed.updated_at)
    assert dates == sorted(set(dates))


async def test_an_update_returns_what_a_read_returns(store: RedisStore) -> None:
    """THR-04: the result equals a following get and the listed record, to the microsecond."""
    await store.memory.save_thread(thread(metadata={"a": (1, 2)}))
    updated = await store.memory.update_thread("t", metadata={"b": (3, {"c": ()})})
    assert updated.metadata == {"a": [1, 2], "b": [3, {"c": []}]}
    assert updated == await store.memory.get_thread_by_id("t")
    assert [updated] == (await store.memory.list_threads(resource_id="u")).items


async def test_updating_an_unknown_thread_creates_nothing(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-04, THR-10: an unknown id raises, and leaves no key behind."""
    with pytest.raises(ThreadNotFoundError) as update:
        await store.memory.update_thread("x", title="a", metadata={"a": 1})
    with pytest.raises(ThreadNotFoundError) as move:
        await store.memory.update_thread_resource_id("x", "v")
    assert update.value.thread_id == move.value.thread_id == "x"
    assert await raw.keys(place.keys.prefix) == []


async def test_a_callback_replaces_the_metadata(store: RedisStore) -> None:
    """THR-06: it sees the thread, and what it returns is all there is afterwards."""
    await store.memory.save_thread(thread(title="T", metadata={"a": 1, "b": 2}))
    changed = await store.memory.update_thread_metadata(
        "t", lambda seen: {"title": seen.title, "a": seen.metadata["a"] + 1}
    )
    assert changed == await store.memory.get_thread_by_id("t")
    assert changed is not None
    assert changed.metadata == {"title": "T", "a": 2}


async def test_a_callback_that_returns_none_writes_nothing(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-06: not even what the callback did to the thread it was shown."""
    await store.memory.save_thread(thread(metadata={"a": 1}))
    stored = await raw("GET", place.keys.thread("t"))

    def spoil(seen: Thread) -> None:
        seen.metadata["a"] = 2
        seen.title = "spoilt"

    assert await store.memory.update_thread_metadata("t", spoil) == thread(metadata={"a": 1})
    assert await raw("GET", place.keys.thread("t")) == stored


async def test_a_callback_is_not_asked_about_an_unknown_or_foreign_thread(
    store: RedisStore,
) -> None:
    """THR-06: both read as ``None``, and the callback never sees a foreign thread."""
    await store.memory.save_thread(thread())
    seen: list[Thread] = []

    def ask(shown: Thread) -> dict[str, int]:
        seen.append(shown)
        return {"a": 1}

    change = store.memory.update_thread_metadata
    assert await change("x", ask) is None
    assert await change("t", ask, resource_id="v") is None
    assert await change("t", ask, resource_id="") is None
    assert seen == []
    assert await store.memory.get_thread_by_id("t") == thread()
    assert await change("t", ask, resource_id="u") is not None


async def test_what_a_callback_raises_propagates_and_nothing_is_written(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-06: a failing callback, and one that returns no dict, change nothing."""
    await store.memory.save_thread(thread())
    stored = await raw("GET", place.keys.thread("t"))
    with pytest.raises(ZeroDivisionError):
        await store.memory.update_thread_metadata("t", lambda _: {"a": 1 // 0})
    with pytest.raises(InvalidArgumentError):
        await store.memory.update_thread_metadata("t", lambda _: cast("Any", ["a"]))
    assert await raw("GET", place.keys.thread("t")) == stored


async def test_deleting_a_thread_leaves_no_key_of_it(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """THR-07: record, messages, their indexes and every list entry go; deleting again is fine."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a"), message("b", 1, resource_id="v")])
    await store.memory.delete_thread("t")
    assert await raw.keys(place.keys.prefix) == []
    await store.memory.delete_thread("t")
    await store.memory.delete_thread("never seen")
    assert await raw.keys(place.keys.prefix) == []


async def test_a_recreated_thread_has_nothing_of_the_deleted_one(store: RedisStore) -> None:
    """THR-07: the same ids can be used again, and begin empty."""
    await store.memory.save_thread(thread(title="old", metadata={"a": 1}))
    await store.memory.save_messages([message("m", text="old")])
    await store.memory.delete_thread("t")
    await store.memory.save_thread(thread("t2"))
    await store.memory.save_messages([message("m", thread_id="t2", text="new")])
    await store.memory.save_thread(thread())
    assert (await store.memory.list_messages("t")).items == []
    assert await store.memory.get_thread_by_id("t") == thread()
    await store.memory.delete_thread("t")
    assert [m.text for m in await store.memory.list_messages_by_id(["m"])] == ["new"]


async def test_deleting_a_thread_touches_no_other_whatever_the_id(store: RedisStore) -> None:
    """THR-07: ids that are patterns, prefixes or tags of other ids are ids like any other."""
    for id_ in HOSTILE:
        await store.memory.save_thread(thread(id_))
    await store.memory.save_messages([message(f"m {id_}", thread_id=id_) for id_ in HOSTILE])
    for victim in HOSTILE:
        await store.memory.delete_thread(victim)
        others = {id_ for id_ in HOSTILE if id_ != victim}
        assert {item.id for item in await store.memory.list_threads()} == others
        messages = await store.memory.list_messages_by_resource_id("u")
        assert {m.id: m.thread_id for m in messages} == {f"m {id_}": id_ for id_ in others}
        await store.memory.save_thread(thread(victim))
        await store.memory.save_messages([message(f"m {victim}", thread_id=victim)])


async def test_absence_is_no_error(store: RedisStore) -> None:
    """GEN-05: an unknown thread reads as ``None``, an unknown resource has no threads."""
    assert await store.memory.get_thread_by_id("x") is None
    assert await store.memory.update_thread_metadata("x", lambda _: {}) is None
    assert (await store.memory.list_threads(resource_id="x")).items == []
    assert (await store.memory.list_threads_by_resource_id("x")).total == 0


async def test_a_thread_object_is_the_callers(store: RedisStore) -> None:
    """GEN-08: changing what was saved, read, listed or updated changes nothing in the store."""
    original = thread(metadata={"a": {"b": [1]}})
    await store.memory.save_thread(original)
    for spoilt in (
        original,
        await store.memory.save_thread(thread(metadata={"a": {"b": [1]}})),
        await store.memory.get_thread_by_id("t"),
        (await store.memory.list_threads()).items[0],
    ):
        assert spoilt is not None
        spoilt.metadata["a"]["b"].append(2)
        spoilt.title, spoilt.resource_id = "spoilt", "v"
        assert await store.memory.get_thread_by_id("t") == thread(metadata={"a": {"b": [1]}})
