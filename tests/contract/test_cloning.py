"""Cloning and copying threads: what a clone has, and what it does not share."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from redis_store import (
    ClonedThread,
    CopiedThread,
    DateRange,
    MemoryStore,
    Message,
    MessagePatch,
    RedisStore,
    ThreadExistsError,
    ThreadNotFoundError,
)
from redis_store.models import now
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.wire.raw import Raw

Clone = Callable[..., Awaitable[ClonedThread | CopiedThread]]


@pytest.fixture(params=["clone_thread", "copy_thread"])
def clone(store: RedisStore, request: pytest.FixtureRequest) -> Clone:
    """Either call: they make the same clone."""
    method: Clone = getattr(store.memory, request.param)
    return method


async def furnish(memory: MemoryStore) -> list[Message]:
    """Save a thread with messages of two resources, some of them at the same time."""
    await memory.save_thread(thread(title="Trip", metadata={"old": 1}))
    messages = [
        message("a", metadata={"n": [1, {"x": None}]}),
        message("b", 5, resource_id="v"),
        message("c", 5),
        message("d", 6),
    ]
    messages[1].role = "assistant"
    await memory.save_messages([messages[2], messages[1], messages[3], messages[0]])
    return (await memory.list_messages("t")).items


async def texts(memory: MemoryStore, thread_id: str) -> str:
    return "".join(m.text for m in await memory.list_messages(thread_id, per_page=None))


async def test_a_clone_has_an_id_and_dates_of_its_own(store: RedisStore, clone: Clone) -> None:
    """CLONE-01: a fresh id, created and updated now, owned as the source is."""
    await furnish(store.memory)
    before = now()
    one, two = [(await clone("t")).thread for _ in "12"]
    assert len({"t", one.id, two.id}) == 3
    assert before <= one.created_at == one.updated_at <= two.created_at <= now()
    assert one.resource_id == "u"
    assert await store.memory.get_thread_by_id(one.id) == one
    assert (await store.memory.list_threads(resource_id="u", per_page=2)).items == [two, one]


async def test_id_resource_and_title_can_be_given(store: RedisStore, clone: Clone) -> None:
    """CLONE-01: what the caller gives wins over the source's."""
    await furnish(store.memory)
    made = await clone("t", new_thread_id="new", resource_id="w", title="Other")
    assert (made.thread.id, made.thread.resource_id, made.thread.title) == ("new", "w", "Other")
    assert await store.memory.get_thread_by_id("new", resource_id="w") == made.thread
    assert (await store.memory.list_threads(resource_id="w")).items == [made.thread]


async def test_a_clones_title_tells_its_source(store: RedisStore, clone: Clone) -> None:
    """CLONE-01: given, or made from the source's, or none."""
    for source, given, expected in (
        ("Trip", None, "Clone of Trip"),
        ("Clone of Trip", None, "Clone of Clone of Trip"),
        ("", None, None),
        (None, None, None),
        ("Trip", "", ""),
        (None, "Given", "Given"),
    ):
        await store.memory.save_thread(thread(title=source))
        assert (await clone("t", title=given)).thread.title == expected


async def test_a_clones_metadata_is_the_callers_and_its_origin(
    store: RedisStore, clone: Clone
) -> None:
    """CLONE-02: the source's is not copied; ``clone`` says where it comes from, and wins."""
    await furnish(store.memory)
    given = {"mine": [1], "clone": "not mine"}
    made = (await clone("t", metadata=given)).thread
    origin = made.metadata.pop("clone")
    assert made.metadata == {"mine": [1]}
    assert (origin["sourceThreadId"], origin["lastMessageId"]) == ("t", "d")
    assert datetime.fromisoformat(origin["clonedAt"]) == made.created_at
    assert given == {"mine": [1], "clone": "not mine"}


async def test_the_clone_of_an_empty_thread_names_no_last_message(
    store: RedisStore, clone: Clone
) -> None:
    """CLONE-02: nor does one for which no message was chosen."""
    await store.memory.save_thread(thread("empty"))
    await furnish(store.memory)
    for made in (await clone("empty"), await clone("t", message_ids=["unknown"])):
        assert set(made.thread.metadata["clone"]) == {"sourceThreadId", "clonedAt"}
        assert made.message_id_map == {}
        assert await texts(store.memory, made.thread.id) == ""


async def test_cloned_messages_are_the_sources_under_fresh_ids(
    store: RedisStore, clone: Clone
) -> None:
    """CLONE-03: date, role, content and order are kept; each keeps its own resource."""
    originals = await furnish(store.memory)
    made = await clone("t")
    copies = (await store.memory.list_messages(made.thread.id)).items
    assert made.message_id_map == {o.id: c.id for o, c in zip(originals, copies, strict=True)}
    assert len({m.id for m in [*originals, *copies]}) == 8
    for original, copy in zip(originals, copies, strict=True):
        original.id, original.thread_id = copy.id, made.thread.id
        assert copy == original
    assert [m.resource_id for m in copies] == ["u", "u", "v", "u"]
    if isinstance(made, ClonedThread):
        assert made.messages == copies
    assert await store.memory.list_messages_by_id([m.id for m in copies]) == copies


async def test_a_given_resource_owns_the_cloned_messages_too(
    store: RedisStore, clone: Clone
) -> None:
    """CLONE-03: all of them, whoever wrote them in the source; the source's stay theirs."""
    await furnish(store.memory)
    made = await clone("t", resource_id="w")
    assert {m.resource_id for m in await store.memory.list_messages(made.thread.id)} == {"w"}
    by_resource = store.memory.list_messages_by_resource_id
    assert [m.text for m in await by_resource("w")] == ["a", "c", "b", "d"]
    assert [m.text for m in await by_resource("v")] == ["b"]


FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "acbd"),
    "limit 0": ({"message_limit": 0}, "acbd"),
    "limit 1": ({"message_limit": 1}, "d"),
    "limit 3": ({"message_limit": 3}, "cbd"),
    "limit 4": ({"message_limit": 4}, "acbd"),
    "limit huge": ({"message_limit": 10**30}, "acbd"),
    "ids": ({"message_ids": ["d", "b", "d"]}, "bd"),
    "ids, one unknown": ({"message_ids": ("a", "unknown")}, "a"),
    "ids, a set": ({"message_ids": {"c"}}, "c"),
    "dates, open": ({"date_range": DateRange()}, "acbd"),
    "dates from": ({"date_range": DateRange(start=at(5))}, "cbd"),
    "dates to": ({"date_range": DateRange(end=at(5))}, "acb"),
    "one date": ({"date_range": DateRange(start=at(5), end=at(5))}, "cb"),
    "dates after": ({"date_range": DateRange(T0, at(5), start_exclusive=True)}, "cb"),
    "dates before": ({"date_range": DateRange(T0, at(6), end_exclusive=True)}, "acb"),
    "dates, none": ({"date_range": DateRange(start=at(7))}, ""),
    "dates and ids": ({"date_range": DateRange(at(5)), "message_ids": ["a", "b"]}, "b"),
    "dates and limit": ({"date_range": DateRange(end=at(5)), "message_limit": 2}, "cb"),
    "ids and limit": ({"message_ids": ["a", "c", "d"], "message_limit": 2}, "cd"),
    "all": (
        {"date_range": DateRange(end=at(5)), "message_ids": ["a", "c", "d"], "message_limit": 1},
        "c",
    ),
}


async def test_messages_are_filtered_then_the_newest_kept(store: RedisStore, clone: Clone) -> None:
    """CLONE-03: date range and ids combine with AND, the limit comes last; order stays."""
    await furnish(store.memory)
    for name, (chosen, expected) in FILTERS.items():
        made = await clone("t", **chosen)
        assert await texts(store.memory, made.thread.id) == expected, name
        assert "".join(made.message_id_map) == expected, name
        if isinstance(made, ClonedThread):
            assert "".join(m.text for m in made.messages) == expected, name
        last = made.thread.metadata["clone"].get("lastMessageId")
        assert last == (expected[-1] if expected else None), name


async def test_messages_of_other_threads_are_not_cloned(store: RedisStore, clone: Clone) -> None:
    """CLONE-03: ``message_ids`` choose within the source."""
    await furnish(store.memory)
    await store.memory.save_thread(thread("t2"))
    await store.memory.save_messages([message("z", thread_id="t2")])
    made = await clone("t", message_ids=["z", "a"])
    assert list(made.message_id_map) == ["a"]


async def test_many_messages_keep_their_order_where_dates_tie(
    store: RedisStore, clone: Clone
) -> None:
    """CLONE-03: 1,200 of them, more than are copied at once, seven at a time at one date."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message(f"{i * 7 % 1200:04}", i // 7) for i in range(1_200)])
    originals = (await store.memory.list_messages("t", per_page=None)).items
    made = await clone("t")
    copies = (await store.memory.list_messages(made.thread.id, per_page=None)).items
    assert [m.text for m in copies] == [m.text for m in originals]
    assert [m.created_at for m in copies] == [m.created_at for m in originals]
    assert list(made.message_id_map) == [m.id for m in originals]
    newest = await store.memory.copy_thread("t", message_limit=600)
    assert list(newest.message_id_map) == [m.id for m in originals[-600:]]
    await store.memory.dangerously_clear_all()


async def test_source_and_clone_are_independent(store: RedisStore, clone: Clone) -> None:
    """CLONE-04: updates, saves, deletes and moves of one leave the other alone."""
    await furnish(store.memory)
    made = await clone("t", new_thread_id="new")
    ids = made.message_id_map
    await store.memory.update_messages([MessagePatch(id="a", content="changed")])
    await store.memory.save_messages([message("e", 9)])
    await store.memory.update_thread_resource_id("t", "w")
    assert await texts(store.memory, "new") == "acbd"
    assert await texts(store.memory, "t") == "changedcbde"
    await store.memory.delete_messages([ids["b"], ids["d"]])
    await store.memory.update_thread("new", title="changed")
    await store.memory.save_messages([message("f", 5, thread_id="new")])
    assert await texts(store.memory, "new") == "acf"
    assert await texts(store.memory, "t") == "changedcbde"
    await store.memory.delete_thread("t")
    assert await texts(store.memory, "new") == "acf"
    assert [m.text for m in await store.memory.list_messages_by_id(list(ids.values()))] == [
        "a",
        "c",
    ]


async def test_a_clone_can_be_cloned(store: RedisStore, clone: Clone) -> None:
    """CLONE-04: it is a thread like any other."""
    await furnish(store.memory)
    first = await clone("t", message_limit=3)
    second = await clone(first.thread.id)
    assert await texts(store.memory, second.thread.id) == "cbd"
    assert second.thread.metadata["clone"]["sourceThreadId"] == first.thread.id
    assert second.thread.metadata["clone"]["lastMessageId"] == first.message_id_map["d"]


async def test_an_unknown_source_leaves_nothing(raw: Raw, place: Place, clone: Clone) -> None:
    """CLONE-04: no thread, no message, no index entry."""
    with pytest.raises(ThreadNotFoundError) as raised:
        await clone("unknown", new_thread_id="new")
    assert raised.value.thread_id == "unknown"
    assert await raw.keys(place.keys.prefix) == []


@pytest.mark.parametrize("taken", ["t", "taken"])
async def test_a_taken_id_stays_with_who_has_it(
    store: RedisStore, raw: Raw, place: Place, clone: Clone, taken: str
) -> None:
    """CLONE-04: the source's own id is taken too; not a byte of any key changes."""
    await furnish(store.memory)
    await store.memory.save_thread(thread("taken", "w"))
    before = {key: await raw("DUMP", key) for key in await raw.keys(place.keys.prefix)}
    with pytest.raises(ThreadExistsError) as raised:
        await clone("t", new_thread_id=taken)
    assert raised.value.thread_id == taken
    assert {key: await raw("DUMP", key) for key in await raw.keys(place.keys.prefix)} == before


async def test_unknown_fields_of_messages_are_cloned(
    store: RedisStore, raw: Raw, place: Place, clone: Clone
) -> None:
    """GEN-09, CLONE-03: what a newer writer added is copied; bookkeeping is not."""
    await furnish(store.memory)
    key = place.keys.message("t", "a")
    extra = b',"_index":3,"_x":{"empty":[],"large":9007199254740993,"exact":1.0}}'
    await raw("SET", key, (await raw("GET", key))[:-1] + extra)
    made = await clone("t", message_ids=["a"])
    stored = await raw("GET", place.keys.message(made.thread.id, made.message_id_map["a"]))
    assert b'"_x":{"empty":[],"large":9007199254740993,"exact":1.0}' in stored
    assert b"_index" not in stored


async def test_clones_do_not_expire(
    store: RedisStore, raw: Raw, place: Place, clone: Clone
) -> None:
    """CLONE-03: once the clone can be seen, no key of it has a time to live."""
    await furnish(store.memory)
    await clone("t", new_thread_id="new")
    for key in await raw.keys(place.keys.prefix):
        assert await raw("TTL", key) == -1
