"""Values of messages: what is saved comes back equal, of the same type, from every call."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_store import InvalidArgumentError, Message, MessagePatch, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import message
from tests.support.records.messages import make_threads, snapshot
from tests.support.wire.raw import Raw

VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "a negative": -1,
    "beyond 2^53": 2**53 + 1,
    "at 2^63": 2**63,
    "below -2^63": -(2**63) - 1,
    "at 2^64": 2**64,
    "beyond 2^64": 2**70 + 3,
    "a hundred digits": 10**100 + 7,
    "a whole float": 1.0,
    "a big whole float": 1e16,
    "a tenth": 0.1,
    "a third": 1 / 3,
    "minus zero": -0.0,
    "the greatest float": 1.7976931348623157e308,
    "the least float": 5e-324,
    "an empty string": "",
    "a space": " ",
    "quotes": "\"'`\\\"\\\\'",
    "a backslash at the end": "\\",
    "control characters": "\x00\x01\t\r\n\x1f\x7f",
    "emoji": "😀👩\u200d👩\u200d👧🏳\ufe0f\u200d🌈",
    "scripts": "añ中文שלג\u0301",
    "half a surrogate pair": "a\ud83d",
    "the other half": "\ude00b",
    "line separators": "\u2028\u2029\ufeff\uffff",
    "the last code point": "\U0010ffff",
    "10 kB": 'é😀\\"x' * 1200,
    "a number as text": "1",
    "null as text": "null",
    "true as text": "true",
    "an object as text": '{"a": [1, {"b": null}]}',
    "a list as text": "[1, 2]",
    "a string as text": '"quoted"',
    "a date as text": "2026-01-15T09:30:00Z",
    "an empty list": [],
    "an empty dict": {},
    "empties inside": [[], {}, [[]], {"a": {}, "b": []}],
    "a deep list": [[[[[[[[[[1]]]]]]]]]],
    "hostile keys": {"": 1, "a.b": 2, '"': 3, "\\": 4, "__proto__": 5, "😀": 6, "createdAt": "x"},
    "names of the record's fields": {"id": "x", "resourceId": "y", "threadId": "z", "content": 1},
    "key order": {"b": 1, "a": 2, "c": 3},
}


def same(left: Any, right: Any) -> bool:
    """Equal to the last digit, of the same types, with keys in the same order."""
    return repr(left) == repr(right)


@pytest.fixture
async def thread(store: RedisStore) -> None:
    await make_threads(store, "t")


def holding(id_: str, us: int, content: Any) -> Message:
    """Build a message of any content."""
    one = message(id_, us)
    one.content = content
    return one


async def check(store: RedisStore, messages: list[Message]) -> None:
    """Save messages and check that every call gives them back."""
    saved = await store.memory.save_messages(messages)
    by_id = await store.memory.list_messages_by_id([m.id for m in messages])
    by_list = (await store.memory.list_messages("t", per_page=None)).items
    iterated = [m async for m in store.memory.iter_messages("t")]
    by_resource = (await store.memory.list_messages_by_resource_id("u", per_page=None)).items
    for found in (saved, by_id, by_list, iterated, by_resource):
        assert same(found, messages)


@pytest.mark.usefixtures("thread")
async def test_a_value_round_trips_as_content(store: RedisStore) -> None:
    """GEN-02: any JSON value, but null, which reads as an empty text."""
    values = [value for value in VALUES.values() if value is not None]
    await check(store, [holding(f"m{n}", n, value) for n, value in enumerate(values)])


@pytest.mark.usefixtures("thread")
async def test_a_value_round_trips_inside_content(store: RedisStore) -> None:
    """GEN-02: in metadata, in parts, and nested in a list."""
    await check(
        store,
        [
            holding(
                f"m{n}",
                n,
                {
                    "format": 2,
                    "parts": [{"type": "tool", "args": value}, [value, [value]]],
                    "metadata": {"k": value, "nested": {"list": [value, value]}},
                },
            )
            for n, value in enumerate(VALUES.values())
        ],
    )


@pytest.mark.usefixtures("thread")
async def test_a_value_round_trips_through_an_update(store: RedisStore) -> None:
    """GEN-02, UPD-01: as a new key of the content and of its metadata."""
    names = list(VALUES)
    await store.memory.save_messages([message(name, metadata={"old": 2**70}) for name in names])
    result = await store.memory.update_messages(
        [
            MessagePatch(id=name, content={"value": VALUES[name], "metadata": {"v": VALUES[name]}})
            for name in names
        ]
    )
    for found in (result, (await store.memory.list_messages("t", per_page=None)).items):
        assert [m.id for m in found] == names
        for one in found:
            assert same(one.content["value"], VALUES[one.id])
            assert same(one.content["metadata"], {"old": 2**70, "v": VALUES[one.id]})


STRINGS = [
    value
    for name, value in VALUES.items()
    # An id is part of a key, which is UTF-8.
    if isinstance(value, str) and value and "half" not in name
]


async def test_any_text_is_a_role_a_type_a_resource_and_an_id(store: RedisStore) -> None:
    """GEN-02, GEN-07: what is text stays that text, whatever it looks like."""
    await make_threads(store, "t")
    short = [text for text in STRINGS if len(text.encode()) <= 1024]
    messages = [
        Message(
            id=text,
            thread_id="t",
            resource_id=text,
            role=text,
            type=text,
            content=text,
            created_at=message("x", n).created_at,
        )
        for n, text in enumerate(short)
    ]
    await store.memory.save_messages(messages)
    assert same((await store.memory.list_messages("t", per_page=None)).items, messages)
    for one in messages:
        assert same(await store.memory.list_messages_by_id([one.id]), [one])
        assert (await store.memory.list_messages("t", resource_id=one.resource_id)).items == [one]
    for one in messages:
        page = await store.memory.list_messages_by_resource_id(one.resource_id)
        assert same(page.items, [one])
    assert await store.memory.delete_messages(short) == len(short)


# Halves of surrogate pairs too, but no pairs: these are what is read of them, one character.
TEXTS = st.text(st.characters(codec=None)).filter(
    lambda text: not re.search("[\ud800-\udbff][\udc00-\udfff]", text)
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=JSON)
@pytest.mark.usefixtures("thread")
async def test_any_json_round_trips(store: RedisStore, value: Any) -> None:
    """GEN-02: to the last digit."""
    await check(store, [holding("m", 0, {"value": value})])


REFUSED: list[Any] = [float("nan"), float("inf"), float("-inf"), b"", {1}, object()]


@pytest.mark.usefixtures("thread")
async def test_what_has_no_json_form_is_refused(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-02: at any depth, by a save and by an update; nothing is written."""
    await store.memory.save_messages([message("a")])
    before = await snapshot(raw, place.keys.prefix)
    for refused in [*REFUSED, {1: 1}]:
        for content in (refused, [refused], {"a": [None, {"b": refused}]}, {"metadata": refused}):
            with pytest.raises(InvalidArgumentError):
                await store.memory.save_messages([holding("a", 1, content)])
            with pytest.raises(InvalidArgumentError):
                await store.memory.update_messages([MessagePatch(id="a", content=content)])
    assert await snapshot(raw, place.keys.prefix) == before


@pytest.mark.usefixtures("thread")
async def test_what_is_stored_is_plain_json(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-02: any other reader decodes the same values."""
    await store.memory.save_messages(
        [holding(f"m{n}", n, {"value": value}) for n, value in enumerate(VALUES.values())]
    )
    for n, value in enumerate(VALUES.values()):
        record = json.loads(await raw("GET", place.keys.message("t", f"m{n}")))
        assert same(record["content"], {"value": value})
        assert record["id"] == f"m{n}"
