"""Wrong arguments of thread, resource and cloning calls are refused by name, before any I/O."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from redis_store import (
    BackendUnavailableError,
    DateRange,
    InvalidArgumentError,
    MemoryStore,
    NotFoundError,
    RedisStore,
    RedisStoreError,
    Resource,
    ThreadExistsError,
    ThreadNotFoundError,
)
from tests.support.records.builders import T0, thread

Run = Callable[[MemoryStore], Awaitable[object]]

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - what must be refused
WRONG: Any = object()
UNENCODABLE: Any = {"a": WRONG}

BAD_IDS: list[Any] = ["", None, 7, b"t", "\ud800", "x" * 1025, "é" * 513, ["t"]]
BAD_THREAD_IDS: list[Any] = [*BAD_IDS, "a:id:b", "a:id"]

BY_THREAD_ID: dict[str, Callable[[MemoryStore, Any], Awaitable[object]]] = {
    "get_thread_by_id thread_id": lambda m, id_: m.get_thread_by_id(id_),
    "save_thread id": lambda m, id_: m.save_thread(thread(id_)),
    "create_thread id": lambda m, id_: m.create_thread(thread(id_)),
    "get_or_create_thread id": lambda m, id_: m.get_or_create_thread(thread(id_)),
    "pop_message thread_id": lambda m, id_: m.pop_message(id_),
    "update_thread thread_id": lambda m, id_: m.update_thread(id_),
    "update_thread_metadata thread_id": lambda m, id_: m.update_thread_metadata(id_, lambda _: {}),
    "update_thread_resource_id thread_id": lambda m, id_: m.update_thread_resource_id(id_, "u"),
    "delete_thread thread_id": lambda m, id_: m.delete_thread(id_),
    "clone_thread source_thread_id": lambda m, id_: m.clone_thread(id_),
    "copy_thread source_thread_id": lambda m, id_: m.copy_thread(id_),
}
BY_OTHER_ID: dict[str, Callable[[MemoryStore, Any], Awaitable[object]]] = {
    "save_thread resource_id": lambda m, id_: m.save_thread(thread(resource_id=id_)),
    "update_thread_resource_id resource_id": lambda m, id_: m.update_thread_resource_id("t", id_),
    "list_threads_by_resource_id resource_id": lambda m, id_: m.list_threads_by_resource_id(id_),
    "copy_thread message_ids": lambda m, id_: m.copy_thread("t", message_ids=["m", id_]),
    "get_resource_by_id resource_id": lambda m, id_: m.get_resource_by_id(id_),
    "save_resource id": lambda m, id_: m.save_resource(Resource(id=id_)),
    "update_resource resource_id": lambda m, id_: m.update_resource(id_),
    "delete_resource resource_id": lambda m, id_: m.delete_resource(id_),
    "merge_working_memory resource_id": lambda m, id_: m.merge_working_memory(id_, lambda _: ""),
}

WRONG_CALLS: dict[str, Run] = {
    "save_thread thread": lambda m: m.save_thread(WRONG),
    "save_thread title": lambda m: m.save_thread(thread(title=cast("Any", 7))),
    "save_thread metadata": lambda m: m.save_thread(thread(metadata=cast("Any", None))),
    "save_thread thread, unencodable": lambda m: m.save_thread(thread(metadata=UNENCODABLE)),
    "save_thread created_at": lambda m: m.save_thread(thread(created_at=NAIVE)),
    "save_thread updated_at": lambda m: m.save_thread(thread(updated_at=NAIVE)),
    "save_thread updated_at, no date": lambda m: m.save_thread(thread(updated_at="2026-01-01")),
    "save_thread created_at, late": lambda m: m.save_thread(
        thread(created_at=datetime(2256, 1, 1, tzinfo=UTC))
    ),
    "create_thread thread": lambda m: m.create_thread(WRONG),
    "create_thread created_at": lambda m: m.create_thread(thread(created_at=NAIVE)),
    "get_or_create_thread thread": lambda m: m.get_or_create_thread(WRONG),
    "get_or_create_thread metadata": lambda m: m.get_or_create_thread(
        thread(metadata=cast("Any", None))
    ),
    "update_thread title": lambda m: m.update_thread("t", title=cast("Any", 7)),
    "update_thread metadata": lambda m: m.update_thread("t", metadata=cast("Any", None)),
    "update_thread metadata, unencodable": lambda m: m.update_thread("t", metadata=UNENCODABLE),
    "copy_thread new_thread_id": lambda m: m.copy_thread("t", new_thread_id=""),
    "clone_thread new_thread_id": lambda m: m.clone_thread("t", new_thread_id="a:id:b"),
    "copy_thread resource_id": lambda m: m.copy_thread("t", resource_id=""),
    "copy_thread title": lambda m: m.copy_thread("t", title=cast("Any", 7)),
    "copy_thread metadata": lambda m: m.copy_thread("t", metadata=cast("Any", ["a"])),
    "copy_thread metadata, unencodable": lambda m: m.copy_thread("t", metadata=UNENCODABLE),
    "copy_thread message_limit": lambda m: m.copy_thread("t", message_limit=-1),
    "copy_thread message_limit, float": lambda m: m.copy_thread(
        "t", message_limit=cast("Any", 1.0)
    ),
    "copy_thread message_ids, text": lambda m: m.copy_thread("t", message_ids="abc"),
    "copy_thread date_range": lambda m: m.copy_thread("t", date_range=cast("Any", (T0, T0))),
    "copy_thread date_range.start": lambda m: m.copy_thread("t", date_range=DateRange(start=NAIVE)),
    "clone_thread date_range.end": lambda m: m.clone_thread("t", date_range=DateRange(end=NAIVE)),
    "save_resource resource": lambda m: m.save_resource(WRONG),
    "save_resource created_at": lambda m: m.save_resource(Resource(id="r", created_at=NAIVE)),
    "save_resource working_memory": lambda m: m.save_resource(
        Resource(id="r", working_memory=cast("Any", {"a": 1}))
    ),
    "save_resource metadata": lambda m: m.save_resource(Resource(id="r", metadata=UNENCODABLE)),
    "update_resource working_memory": lambda m: m.update_resource(
        "r", working_memory=cast("Any", 7)
    ),
    "update_resource metadata": lambda m: m.update_resource("r", metadata=cast("Any", None)),
    "update_resource metadata, unencodable": lambda m: m.update_resource("r", metadata=UNENCODABLE),
}

WRONG_PAGES: list[dict[str, Any]] = [
    *({"page": page} for page in (-1, 1.0, "0", None, True)),
    *({"per_page": per_page} for per_page in (-1, 1.5, "10", False)),
    {"page": 1, "per_page": None},
]


@pytest.fixture
async def unreachable() -> AsyncIterator[RedisStore]:
    """A store that can do no I/O without failing."""
    async with AsyncExitStack() as stack:
        store = RedisStore("unix:///nowhere/at/all")
        stack.push_async_callback(store.close)
        yield store


def expected_code(name: str) -> str:
    return name.split(",", maxsplit=1)[0].replace(" ", "_INVALID_").upper()


@pytest.mark.parametrize("id_", BAD_THREAD_IDS, ids=lambda id_: ascii(id_)[:12])
@pytest.mark.parametrize(("name", "call"), BY_THREAD_ID.items(), ids=BY_THREAD_ID)
async def test_a_wrong_thread_id_is_refused(
    unreachable: RedisStore, name: str, call: Callable[[MemoryStore, Any], Any], id_: Any
) -> None:
    """GEN-07: no string, empty, too long, half a character, or one that breaks the key."""
    with pytest.raises(InvalidArgumentError) as refused:
        await call(unreachable.memory, id_)
    assert refused.value.code == expected_code(name)


@pytest.mark.parametrize("id_", BAD_IDS, ids=lambda id_: ascii(id_)[:12])
@pytest.mark.parametrize(("name", "call"), BY_OTHER_ID.items(), ids=BY_OTHER_ID)
async def test_a_wrong_id_is_refused(
    unreachable: RedisStore, name: str, call: Callable[[MemoryStore, Any], Any], id_: Any
) -> None:
    """GEN-07: of a resource, or of a message to copy."""
    with pytest.raises(InvalidArgumentError) as refused:
        await call(unreachable.memory, id_)
    assert refused.value.code == expected_code(name)


@pytest.mark.parametrize(("name", "call"), WRONG_CALLS.items(), ids=WRONG_CALLS)
async def test_a_wrong_argument_is_refused_by_name(
    unreachable: RedisStore, name: str, call: Run
) -> None:
    """GEN-03: the code names the operation and the argument, the details hold the value."""
    with pytest.raises(InvalidArgumentError) as refused:
        await call(unreachable.memory)
    assert refused.value.code == expected_code(name)
    assert refused.value.details["argument"] in str(refused.value)


@pytest.mark.parametrize("arguments", WRONG_PAGES, ids=str)
async def test_a_wrong_page_is_refused(unreachable: RedisStore, arguments: dict[str, Any]) -> None:
    """PAGE-01: negative, no int, or a later page of everything."""
    for name, call in (
        ("LIST_THREADS", unreachable.memory.list_threads(**arguments)),
        (
            "LIST_THREADS_BY_RESOURCE_ID",
            unreachable.memory.list_threads_by_resource_id("u", **arguments),
        ),
    ):
        with pytest.raises(InvalidArgumentError) as refused:
            await call
        assert refused.value.code == f"{name}_INVALID_{next(iter(arguments)).upper()}"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("order_by", value) for value in ("", "createdAt", "CREATED_AT", "title", None, 1)),
        *(("direction", value) for value in ("", "ASC", "descending", None, True)),
    ],
)
async def test_an_unknown_order_is_refused(
    unreachable: RedisStore, argument: str, value: Any
) -> None:
    """PAGE-04: no order is guessed."""
    arguments: dict[str, Any] = {argument: value}
    with pytest.raises(InvalidArgumentError) as refused:
        await unreachable.memory.list_threads(**arguments)
    assert refused.value.code == f"LIST_THREADS_INVALID_{argument.upper()}"
    with pytest.raises(InvalidArgumentError):
        await unreachable.memory.list_threads_by_resource_id("u", **arguments)


@pytest.mark.parametrize(
    "key",
    [
        *("", " ", "a b", "a-b", "a.b", "1a", "a\n", "é", "a$", "'; DROP", "*", "x" * 129, "٣"),
        *("__proto__", "prototype", "constructor"),
        *(1, None, True, b"a", ("a",)),
    ],
    ids=repr,
)
async def test_other_keys_are_refused(unreachable: RedisStore, key: Any) -> None:
    """THR-09: before any I/O, and the error names the key."""
    for call in (
        unreachable.memory.list_threads(metadata={"good": 1, key: 1}),
        unreachable.memory.list_threads_by_resource_id("u", metadata={key: 1}),
    ):
        with pytest.raises(InvalidArgumentError, match="metadata") as refused:
            await call
        assert refused.value.code.endswith("_INVALID_METADATA")
        assert repr(key) in str(refused.value)


@pytest.mark.parametrize("metadata", ["k", ["k"], 1, [("k", 1)], b"k"], ids=repr)
async def test_a_filter_that_is_no_dict_is_refused(unreachable: RedisStore, metadata: Any) -> None:
    """THR-09: before any I/O."""
    with pytest.raises(InvalidArgumentError):
        await unreachable.memory.list_threads(metadata=metadata)


async def test_a_server_that_is_away_is_an_error_with_its_cause(unreachable: RedisStore) -> None:
    """GEN-03, GEN-04: never an absent thread, never an empty page."""
    for name, call in (
        ("GET_THREAD_BY_ID", unreachable.memory.get_thread_by_id("t")),
        ("LIST_THREADS", unreachable.memory.list_threads()),
        ("GET_RESOURCE_BY_ID", unreachable.memory.get_resource_by_id("r")),
        ("SAVE_THREAD", unreachable.memory.save_thread(thread())),
        ("COPY_THREAD", unreachable.memory.copy_thread("t")),
    ):
        with pytest.raises(BackendUnavailableError) as failed:
            await call
        assert failed.value.code.startswith(f"{name}_")
        assert failed.value.__cause__ is not None
        assert failed.value.category == "backend"


async def test_not_found_and_conflict_errors_hold_the_facts(store: RedisStore) -> None:
    """GEN-03: the id as an attribute and in the details, a code, and who can act."""
    await store.memory.save_thread(thread())
    await store.memory.save_thread(thread("taken"))
    cases: list[tuple[str, str, type[RedisStoreError], Awaitable[object]]] = [
        (
            "UPDATE_THREAD_THREAD_NOT_FOUND",
            "x",
            ThreadNotFoundError,
            store.memory.update_thread("x"),
        ),
        ("COPY_THREAD_THREAD_NOT_FOUND", "x", NotFoundError, store.memory.copy_thread("x")),
        (
            "UPDATE_THREAD_RESOURCE_ID_THREAD_NOT_FOUND",
            "x",
            LookupError,  # type: ignore[list-item]
            store.memory.update_thread_resource_id("x", "u"),
        ),
        (
            "CLONE_THREAD_THREAD_EXISTS",
            "taken",
            ThreadExistsError,
            store.memory.clone_thread("t", new_thread_id="taken"),
        ),
    ]
    for code, thread_id, kind, call in cases:
        with pytest.raises(kind) as raised:
            await call
        error = raised.value
        assert isinstance(error, ThreadNotFoundError | ThreadExistsError)
        assert (error.code, error.category) == (code, "user")
        assert error.thread_id == error.details["thread_id"] == thread_id
        assert thread_id in str(error)
