"""A batch is saved whole or not at all: what is refused leaves no trace."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from redis_store import InvalidArgumentError, Message, RedisStore, ThreadNotFoundError
from redis_store.errors import RedisStoreError
from tests.support.deployments.place import Place
from tests.support.records.builders import message
from tests.support.records.messages import listed, make_threads, saved, snapshot
from tests.support.wire.raw import Raw


def bad(**fields: Any) -> Callable[[], Message]:
    """Build a message with wrong fields, later: each test gets its own."""

    def build() -> Message:
        wrong = message("bad", 1)
        for name, value in fields.items():
            setattr(wrong, name, value)
        return wrong

    return build


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def endless() -> dict[str, Any]:
    content: dict[str, Any] = {}
    content["self"] = content
    return content


INVALID: dict[str, Callable[[], Any]] = {
    "no message": dict,
    "None": lambda: None,
    "no id": bad(id=""),
    "an id that is no string": bad(id=7),
    "an id with a lone surrogate": bad(id="a\ud800"),
    "an id above 1 kB": bad(id="é" * 513),
    "no thread id": bad(thread_id=""),
    "a thread id of None": bad(thread_id=None),
    "a thread id that is no string": bad(thread_id=1),
    "a thread id with ':id:'": bad(thread_id="t:id:x"),
    "a thread id that ends in ':id'": bad(thread_id="t:id"),
    "a thread id with a lone surrogate": bad(thread_id="\udfff"),
    "no resource id": bad(resource_id=""),
    "a resource id of None": bad(resource_id=None),
    "a resource id that is no string": bad(resource_id=["u"]),
    "no role": bad(role=""),
    "a role of None": bad(role=None),
    "no type": bad(type=""),
    "a type that is no string": bad(type=2),
    "a naive date": bad(created_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - naive on purpose
    "no date": bad(created_at=None),
    "a date as text": bad(created_at="2026-01-15T09:30:00Z"),
    "a date a microsecond too early": bad(
        created_at=datetime(1684, 8, 9, 17, 37, 36, 886_784, tzinfo=UTC)
    ),
    "a date a microsecond too late": bad(
        created_at=datetime(2255, 5, 24, 6, 22, 23, 113_216, tzinfo=UTC)
    ),
    "an object": bad(content={"a": [object()]}),
    "NaN": bad(content=float("nan")),
    "NaN inside": bad(content={"a": [{"b": float("nan")}], "c": None}),
    "infinity": bad(content={"a": float("inf")}),
    "bytes": bad(content={"a": [b"x"]}),
    "a set": bad(content={"a": {1}}),
    "a date": bad(content={"a": datetime(2026, 1, 1, tzinfo=UTC)}),
    "a key that is a number": bad(content={1: "a", "1": "b"}),
    "a key that is no string": bad(content={(1, 2): 3}),
    "content without an end": bad(content=endless()),
    "content too deep": bad(content=nested(100_000)),
}


@pytest.mark.parametrize("build", INVALID.values(), ids=list(INVALID))
async def test_an_invalid_message_is_refused_before_any_io(
    build: Callable[[], Any], tmp_path: Path
) -> None:
    """SAVE-02, GEN-03: InvalidArgumentError, though no server could have been asked."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.save_messages([message("a"), build()])
    assert caught.value.code.startswith("SAVE_MESSAGES_INVALID_")
    assert caught.value.category == "user"
    await store.close()


@pytest.mark.parametrize("wrong", [None, "a", 7, {"a": 1}, message("a"), iter([message("a")])])
async def test_what_is_no_list_of_messages_is_refused(wrong: Any, tmp_path: Path) -> None:
    """SAVE-02: before any I/O."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError, match="messages"):
        await store.memory.save_messages(wrong)
    await store.close()


async def test_one_invalid_message_stores_none_of_the_batch(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-02: of every kind, first, last or in the middle; updated_at stays too."""
    await make_threads(store, "t", "t2")
    await saved(store, message("known"))
    before = await snapshot(raw, place.keys.prefix)
    good = [message("new"), message("known", 9), message("other", thread_id="t2")]
    for at, build in enumerate(INVALID.values()):
        batch = list(good)
        batch.insert(at % 4, build())
        with pytest.raises(InvalidArgumentError):
            await store.memory.save_messages(batch)
    assert await snapshot(raw, place.keys.prefix) == before


async def test_an_invalid_message_at_the_end_of_2500_stores_none(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-02: whatever the batch size."""
    await make_threads(store, "t")
    before = await snapshot(raw, place.keys.prefix)
    batch = [message(f"m{n}", n) for n in range(2499)]
    with pytest.raises(InvalidArgumentError):
        await store.memory.save_messages([*batch, bad(content=object())()])
    with pytest.raises(ThreadNotFoundError):
        await store.memory.save_messages([*batch, message("last", thread_id="unknown")])
    assert await snapshot(raw, place.keys.prefix) == before


async def test_an_unknown_thread_leaves_nothing_behind(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-03: no message, no order, no index, no hint; the error names the thread."""
    with pytest.raises(ThreadNotFoundError) as caught:
        await store.memory.save_messages([message("a"), message("b", resource_id="v")])
    assert caught.value.thread_id == "t"
    assert caught.value.code == "SAVE_MESSAGES_THREAD_NOT_FOUND"
    assert await raw.keys(place.keys.prefix) == []


async def test_one_unknown_thread_refuses_the_whole_batch(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-03: the known threads of the batch stay as they are."""
    await make_threads(store, "t", "t2")
    await saved(store, message("known"))
    before = await snapshot(raw, place.keys.prefix)
    batch = [message("known", 5), message("a", thread_id="t2"), message("b", thread_id="unknown")]
    for some in (batch, batch[::-1]):
        with pytest.raises(ThreadNotFoundError, match="unknown"):
            await store.memory.save_messages(some)
    assert await snapshot(raw, place.keys.prefix) == before


async def test_a_move_to_an_unknown_thread_leaves_the_message_where_it_is(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-03, SAVE-04: nothing is moved, touched or lost."""
    await saved(store, message("a"), message("b", 1))
    before = await snapshot(raw, place.keys.prefix)
    with pytest.raises(ThreadNotFoundError):
        await store.memory.save_messages([message("a", thread_id="unknown"), message("b", 7)])
    assert await snapshot(raw, place.keys.prefix) == before


async def test_a_thread_named_only_by_an_overridden_message_must_exist(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """SAVE-03: every thread named in the batch, though the last message of an id wins."""
    await make_threads(store, "t")
    before = await snapshot(raw, place.keys.prefix)
    with pytest.raises(ThreadNotFoundError, match="unknown"):
        await store.memory.save_messages([message("a", thread_id="unknown"), message("a")])
    assert await snapshot(raw, place.keys.prefix) == before


async def test_a_deleted_thread_is_unknown(store: RedisStore) -> None:
    """SAVE-03: also where the store has just written to it."""
    await saved(store, message("a"))
    await store.memory.delete_thread("t")
    with pytest.raises(ThreadNotFoundError):
        await store.memory.save_messages([message("a")])


async def test_the_store_works_on_after_a_refusal(store: RedisStore) -> None:
    """SAVE-02: the same batch without the invalid message is stored."""
    await make_threads(store, "t")
    for build in (bad(content=float("nan")), bad(thread_id="unknown")):
        with pytest.raises(RedisStoreError):
            await store.memory.save_messages([message("a"), build()])
    await store.memory.save_messages([message("a"), message("b", 1)])
    assert await listed(store) == ["a", "b"]
