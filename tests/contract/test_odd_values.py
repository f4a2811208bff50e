"""Values that providers' SDKs and models leave in records: as given, or refused by name."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import BaseModel

from redis_store import InvalidArgumentError, Message, MessagePatch, RedisStore, Resource
from redis_store.json_values import MAX_DEPTH
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread
from tests.support.records.messages import make_threads, snapshot
from tests.support.records.scores import score
from tests.support.records.workflow_runs import persist, result
from tests.support.wire.raw import Raw

HALF = "cut \ud83d"
HALVES: dict[str, Any] = {"text": HALF, HALF: [{"\ude00": [HALF, 1.5, 2**70]}], "whole": "é😀"}


def holding(id_: str, content: Any, us: int = 0) -> Message:
    return replace(message(id_, us), content=content)


async def _listed(store: RedisStore, thread_id: str = "t") -> list[Any]:
    return [one.content for one in await store.memory.list_messages(thread_id)]


async def test_half_a_surrogate_pair_is_written_as_javascript_writes_it(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-02: escaped, and nothing else is: ``JSON.stringify`` gives the same bytes."""
    await make_threads(store, "t")
    await store.memory.save_messages([holding("m", {"a": "é😀" + HALF})])
    stored = await raw("GET", place.keys.message("t", "m"))
    assert stored.endswith('"content":{"a":"é😀cut \\ud83d"}}'.encode())
    await store.memory.save_thread(thread("t", metadata={"a": HALF}))
    assert b'{"a":"cut \\ud83d"}' in await raw("GET", place.keys.thread("t"))


async def test_half_a_surrogate_pair_survives_every_write(store: RedisStore) -> None:
    """GEN-02: what was read can be saved, updated, moved, cloned and copied."""
    memory = store.memory
    await memory.save_thread(thread("t", title=HALF, metadata=HALVES))
    await make_threads(store, "t2")
    await memory.save_messages([holding("a", HALVES), message("b", 1)])
    await memory.save_messages(list(await memory.list_messages("t")))
    assert await _listed(store) == [HALVES, message("b").content]
    updated = await memory.update_thread("t", title="new", metadata={"b": HALF})
    assert updated.metadata == HALVES | {"b": HALF}
    assert (await memory.get_thread_by_id("t")) == updated
    await memory.update_thread_metadata("t", lambda known: known.metadata | {"c": HALF})
    await memory.update_thread_resource_id("t", "v")
    patched = await memory.update_messages(
        [MessagePatch(id="a", content={"metadata": {"b": HALF}}), MessagePatch(id="b", role="x")]
    )
    assert patched[0].content == HALVES | {"metadata": {"b": HALF}}
    for clone in (memory.clone_thread, memory.copy_thread):
        copied = await clone("t", metadata={"a": HALF})
        assert copied.thread.title == "Clone of new"
        assert copied.thread.metadata["a"] == HALF
        assert (await _listed(store, copied.thread.id))[0] == patched[0].content
    await memory.update_messages([MessagePatch(id="a", thread_id="t2")])
    assert await _listed(store, "t2") == [patched[0].content]
    assert await memory.list_messages_by_id(["a"]) == (await memory.list_messages("t2")).items
    assert (await store.verify()).ok


async def test_half_a_surrogate_pair_survives_in_every_domain(store: RedisStore) -> None:
    """GEN-02, GEN-09: resources, runs, scores and the cache; also when they are saved again."""
    for _ in range(2):
        saved = await store.memory.save_resource(
            Resource(id="r", working_memory=HALF, metadata=HALVES)
        )
        assert await store.memory.get_resource_by_id("r") == saved
        merged = await store.memory.merge_working_memory("r", lambda known: f"{known}{HALF}")
        assert (merged.working_memory, merged.metadata) == (HALF * 2, HALVES)
        await persist(store, status="running", context={"input": HALVES})
        assert await result(store, "s", HALVES) == {"input": HALVES, "s": HALVES}
        state = await store.workflows.update_workflow_state("w", "r", {"status": HALF})
        assert state is not None
        assert await store.workflows.load_workflow_snapshot("w", "r") == state
        await store.scores.save_score(score("s", output=HALVES, reason=HALF))
        read = await store.scores.get_score_by_id("s")
        assert read is not None
        assert (read.output, read.reason) == (HALVES, HALF)
        await store.cache.set("c", HALVES)
        assert await store.cache.get("c") == HALVES
    assert (await store.workflows.list_workflow_runs()).total == 1
    assert (await store.verify()).ok
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()
    await store.cache.clear()


def nested(depth: int, item: Any = 1) -> Any:
    """Build lists and dicts in turn, so many within each other."""
    for level in range(depth):
        item = [item] if level % 2 else {"a": item}
    return item


async def test_what_is_nested_as_deep_as_allowed_is_kept(store: RedisStore) -> None:
    """GEN-02: by every call that takes values, and once more after it was read."""
    deep = nested(MAX_DEPTH)
    await store.memory.save_thread(thread("t", metadata={"a": nested(MAX_DEPTH - 1)}))
    await store.memory.save_messages([holding("m", deep)])
    assert await _listed(store) == [deep]
    await store.memory.save_messages(list(await store.memory.list_messages("t")))
    await store.memory.update_thread("t", metadata={"b": nested(MAX_DEPTH - 1)})
    await store.memory.clone_thread("t", new_thread_id="t2")
    await persist(store)
    await result(store, "s", nested(MAX_DEPTH - 2))
    snapshot_ = await store.workflows.load_workflow_snapshot("w", "r")
    assert snapshot_ is not None
    await store.workflows.persist_workflow_snapshot("w", "r", snapshot_)
    await store.workflows.dangerously_clear_all()


async def test_what_is_nested_deeper_is_refused(store: RedisStore) -> None:
    """GEN-02: by every call, by the name of the argument; nothing is written."""
    deep: Any = nested(MAX_DEPTH + 1)
    await make_threads(store, "t")
    await store.memory.save_messages([message("m")])
    await persist(store)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.memory.save_messages([holding("m", deep)]),
        lambda: store.memory.update_messages([MessagePatch(id="m", content=deep)]),
        lambda: store.memory.save_thread(thread("t", metadata={"a": deep})),
        lambda: store.memory.update_thread("t", metadata={"a": deep}),
        lambda: store.memory.update_thread_metadata("t", lambda _: {"a": deep}),
        lambda: store.memory.clone_thread("t", metadata={"a": deep}),
        lambda: store.memory.save_resource(Resource(id="r", metadata={"a": deep})),
        lambda: store.memory.update_resource("r", metadata={"a": deep}),
        lambda: store.workflows.persist_workflow_snapshot("w", "r", {"a": deep}),
        lambda: store.workflows.update_workflow_state("w", "r", {"a": deep}),
        lambda: result(store, "s", nested(MAX_DEPTH - 1)),
        lambda: result(store, "s", 1, request_context={"a": nested(MAX_DEPTH - 1)}),
        lambda: store.scores.save_score(score("s", output=deep)),
        lambda: store.cache.set("c", deep),
        lambda: store.cache.list_push("c", deep),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match=f"more than {MAX_DEPTH} lists and dicts"):
            await call()
    assert await _listed(store) == [message("m").content]
    await store.workflows.dangerously_clear_all()


class Colour(Enum):
    RED = "red"


class Word(StrEnum):
    YES = "yes"


class Number(IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


class Whole(int):
    __slots__ = ()


class Real(float):
    __slots__ = ()


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Part:
    type: str
    data: Any = None


class Model(BaseModel):
    type: str
    parts: list[Any] = []
    at: datetime | None = None


class Record(msgspec.Struct, rename="camel"):
    tool_name: str
    data: Any = None


TAKEN: dict[str, tuple[Any, Any]] = {
    "an enum's member": (Colour.RED, "red"),
    "a key of an enum": ({Colour.RED: 1, Word.YES: 2}, {"red": 1, "yes": 2}),
    "a str enum's member": (Word.YES, "yes"),
    "an int enum's member": (Number.ONE, 1),
    "a subclass of str": ({Text("k"): Text("v")}, {"k": "v"}),
    "a subclass of int": (Whole(2**70), 2**70),
    "a subclass of float": (Real(1.5), 1.5),
    "a tuple": ((1, (2,)), [1, [2]]),
    "a named tuple": (Pair(1, "b"), [1, "b"]),
    "a dataclass": (
        Part("text", Part("x", [Word.YES])),
        {"type": "text", "data": {"type": "x", "data": ["yes"]}},
    ),
    "a pydantic model": (
        Model(type="x", parts=[Part("y")], at=datetime(2026, 1, 2, tzinfo=UTC)),
        {"type": "x", "parts": [{"type": "y", "data": None}], "at": "2026-01-02T00:00:00Z"},
    ),
    "a Struct": (Record("x", Part("y")), {"toolName": "x", "data": {"type": "y", "data": None}}),
}


@pytest.mark.parametrize("name", TAKEN)
async def test_what_has_one_json_form_is_stored_as_that(store: RedisStore, name: str) -> None:
    """SAVE-01: the result has the values that will be read, whatever the caller's classes."""
    await make_threads(store, "t")
    given, expected = TAKEN[name]
    batch = [holding("a", given), holding("b", {"x": [HALF, given]}, 1)]
    saved = await store.memory.save_messages(batch)
    assert [json.loads(json.dumps(one.content)) for one in saved] == await _listed(store)
    assert await _listed(store) == [expected, {"x": [HALF, expected]}]
    await store.memory.update_thread("t", metadata={"x": given})
    read = await store.memory.get_thread_by_id("t")
    assert read is not None
    assert read.metadata == {"x": expected}
    assert repr(read.metadata) == repr({"x": expected})


REFUSED: dict[str, tuple[Any, str, str]] = {
    "NaN": ([float("nan")], "[0]", "nan"),
    "infinity in a dataclass": (Part("x", {"a": float("inf")}), ".data.a", "inf"),
    "NaN in a pydantic model": (Model(type="x", parts=[float("nan")]), ".parts[0]", "nan"),
    "NaN in a Struct": (Record("x", float("nan")), ".data", "nan"),
    "a set": ({"a": {1.5}}, ".a", "it is a set; make it a list"),
    "NaN in a set": ({"a": {float("nan")}}, ".a", "it is a set"),
    "a frozenset": (frozenset({1}), "", "it is a frozenset"),
    "bytes": ({"a b": [0, b"x"]}, "['a b'][1]", "it is a bytes"),
    "a bytearray": (bytearray(b"x"), "", "it is a bytearray"),
    "a date": ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, ".a", "it is a datetime"),
    "a decimal": ([[Decimal("1.0")]], "[0][0]", "it is a Decimal"),
    "a UUID": ([UUID(int=1)], "[0]", "it is a UUID"),
    "an object": ({"a": object()}, ".a", "it is a object"),
    "a class": ({"a": Part}, ".a", "it is a type"),
    "a model's class": ({"a": Model}, ".a", "it is a ModelMetaclass"),
    "a key that is a number": ({"a": {1: "x"}}, ".a", "its key 1 is no str"),
    "keys that collide": ({1: "a", "1": "b"}, "", "its key 1 is no str"),
    "keys of enums that collide": ({Colour.RED: 1, "red": 2}, "", "two of its keys are 'red'"),
    "a key of None": ([{None: 1}], "[0]", "its key None is no str"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_would_not_come_back_is_refused_by_name(
    store: RedisStore, raw: Raw, place: Place, name: str
) -> None:
    """GEN-02, SAVE-02: the error names the message and the place in it; nothing is stored."""
    await make_threads(store, "t")
    value, at, why = REFUSED[name]
    before = await snapshot(raw, place.keys.prefix)
    batch = [message("a"), message("b", 1), holding("c", {"parts": [value]}, 2)]
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.save_messages(batch)
    where = f"messages[2].content.parts[0]{at}"
    assert str(caught.value).startswith(f"save_messages: {where} has no JSON form: ")
    assert why in str(caught.value)
    assert caught.value.details["place"] == where
    assert caught.value.code == "SAVE_MESSAGES_INVALID_MESSAGES"
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.update_messages(
            [MessagePatch(id="x"), MessagePatch(id="a", content=value)]
        )
    assert caught.value.details["place"] == f"patches[1].content{at}"
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.update_thread("t", metadata={"x": value})
    assert caught.value.details["place"] == f"metadata.x{at}"
    assert await snapshot(raw, place.keys.prefix) == before


async def test_a_filter_matches_what_is_stored_of_its_values(store: RedisStore) -> None:
    """THR-09, LIST-04: an enum's member is its value; what is never stored is refused."""
    given = {"colour": Colour.RED, "word": Word.YES, "half": HALF}
    await store.memory.save_thread(thread("t", metadata={**given, "l": [Part("x")]}))
    await store.memory.save_messages([message("m", metadata=given)])
    for wanted in (given, {"colour": "red"}, {"l": [{"type": "x", "data": None}]}):
        assert (await store.memory.list_threads(metadata=wanted)).total == 1
    for wanted in (given, {"word": "yes"}):
        assert (await store.memory.list_messages("t", metadata=wanted)).total == 1
    for refused in (nested(MAX_DEPTH + 1), float("nan"), b"x"):
        with pytest.raises(InvalidArgumentError, match="metadata"):
            await store.memory.list_threads(metadata={"a": refused})


async def test_an_error_names_the_message_whatever_is_wrong_with_it(store: RedisStore) -> None:
    """SAVE-02: by its index, and its field."""
    wrong = replace(message("b"), resource_id="")
    for batch, where in (
        ([message("a"), wrong], "messages[1].resource_id must be"),
        ([message("a"), None], "messages[1] must be a Message"),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            await store.memory.save_messages(batch)  # type: ignore[arg-type]
        assert str(caught.value).startswith(f"save_messages: {where}")


async def test_a_str_whose_format_is_another_is_no_id(store: RedisStore) -> None:
    """GEN-07: the key would not have its value."""

    class Loud(str):
        __slots__ = ()

        def __format__(self, _: str) -> str:
            return self.upper()

    with pytest.raises(InvalidArgumentError, match="thread_id"):
        await store.memory.get_thread_by_id(Loud("ana"))
    assert await store.memory.get_thread_by_id(Text("t")) is None
