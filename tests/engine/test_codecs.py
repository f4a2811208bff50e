from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from redis_store import CorruptRecordError, InvalidArgumentError, Message, Resource, json_values
from redis_store._engine import codecs, prepared_values, raw_fields
from redis_store._engine.operations import named
from tests.support.records.builders import T0, at, message, thread

DATE = "2026-01-15T09:30:00Z"
MESSAGE = '"id":"m","threadId":"t","resourceId":"u","role":"r"'
DATES = f'"createdAt":"{DATE}","updatedAt":"{DATE}"'
TEXT = b'{"format":2,"parts":[{"type":"text","text":"hi"}],"content":"hi"}'


def test_the_stored_bytes_of_a_message_are_pinned() -> None:
    assert json_values.encode(message("m", 1, text="hi")) == (
        b'{"id":"m","threadId":"t","resourceId":"u","role":"user","type":"v2",'
        b'"createdAt":"2026-01-15T09:30:00.000001Z","content":' + TEXT + b"}"
    )


def test_the_stored_bytes_of_a_thread_are_pinned() -> None:
    assert codecs.encode_thread(thread(title="", metadata={"a": [None, 1.5]})) == (
        b'{"id":"t","resourceId":"u","title":"","metadata":{"a":[null,1.5]},'
        b'"createdAt":"2026-01-15T09:30:00Z","updatedAt":"2026-01-15T09:30:00Z"}'
    )
    assert b"title" not in codecs.encode_thread(thread())


def test_the_stored_bytes_of_a_resource_are_pinned() -> None:
    resource = Resource(id="u", metadata={"q": '"'}, created_at=T0, updated_at=T0)
    assert codecs.encode_resource(resource) == (
        rb'{"id":"u","metadata":"{\"q\":\"\\\"\"}",'
        b'"createdAt":"2026-01-15T09:30:00Z","updatedAt":"2026-01-15T09:30:00Z"}'
    )


@pytest.mark.parametrize(
    "value",
    [float("nan"), [1, {"a": float("inf")}], {"x": (float("-inf"),)}, object(), b"x", {1: "a"}],
)
def test_a_value_without_json_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="no JSON form") as caught, named("op"):
        prepared_values.encode("content", value)
    assert caught.value.code == "OP_INVALID_CONTENT"


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidArgumentError, match="no JSON form"):
        prepared_values.encode("content", loop)


def test_null_is_no_nan() -> None:
    assert prepared_values.encode("content", {"a": None, "b": "null"}) == b'{"a":null,"b":"null"}'


@pytest.mark.parametrize(
    ("stored", "moment"),
    [
        ("2026-01-15T09:30:00.000Z", T0),
        ("2026-01-15T09:30:00.000001Z", at(1)),
        ("2026-01-15T10:30:00+01:00", T0),
        ("2026-01-15T09:30:00", T0),
    ],
)
def test_dates_are_read_as_utc(stored: str, moment: datetime) -> None:
    json = f'{{{MESSAGE},"createdAt":"{stored}","content":1}}'
    read = codecs.decode_message("k", json.encode())
    assert read.created_at == moment
    assert read.created_at.tzinfo is UTC


@pytest.mark.parametrize("content", ["", ',"content":null', ',"content":""'])
def test_missing_content_reads_as_an_empty_text(content: str) -> None:
    """LIST-11: content missing in storage reads as an empty v2 text part."""
    json = f'{{{MESSAGE},"createdAt":"{DATE}"{content}}}'
    read = codecs.decode_message("k", json.encode())
    assert read.text == ""
    assert content.endswith('""') or read.content["format"] == 2


def test_a_lone_surrogate_that_javascript_wrote_is_read() -> None:
    json = f'{{{MESSAGE},"createdAt":"{DATE}","content":"\\ud800"}}'
    assert codecs.decode_message("k", json.encode()).content == "\ud800"


@pytest.mark.parametrize("metadata", ["", ',"metadata":null', ',"metadata":"{}"'])
def test_a_thread_without_metadata_object_is_read(metadata: str) -> None:
    json = f'{{"id":"t","resourceId":"u",{DATES}{metadata}}}'
    assert codecs.decode_thread("k", json.encode()) == thread()


def test_working_memory_that_is_an_object_reads_as_json() -> None:
    json = f'{{"id":"u","workingMemory":{{"a":"é"}},{DATES}}}'
    assert codecs.decode_resource("k", json.encode()).working_memory == '{"a": "é"}'


@pytest.mark.parametrize(
    "stored", [b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"id":1}', b"\xff", b"NaN"]
)
def test_what_is_no_record_is_corrupt(stored: bytes) -> None:
    for decode in (codecs.decode_thread, codecs.decode_message, codecs.decode_resource):
        with pytest.raises(CorruptRecordError, match="'the:key'") as caught:
            decode("the:key", stored)
        assert caught.value.key == "the:key"


def test_a_patch_keeps_every_other_byte() -> None:
    """GEN-09: unknown fields survive every update."""
    stored = b'{"x":  [1.50, {}],"title":"a","n":123456789012345678901234567890}'
    patched = raw_fields.patch("k", stored, {"title": "b"})
    assert patched == b'{"x":[1.50, {}],"title":"b","n":123456789012345678901234567890}'


def test_a_patch_of_no_object_is_corrupt() -> None:
    with pytest.raises(CorruptRecordError):
        raw_fields.patch("k", b"[]", {"title": "b"})


def test_a_date_of_another_zone_is_stored_in_utc_by_those_who_check_it() -> None:
    east = timezone(timedelta(hours=2))
    sent = Message.from_text(
        "user", "x", thread_id="t", resource_id="u", created_at=T0.astimezone(east)
    )
    assert codecs.decode_message("k", json_values.encode(sent)).created_at == T0


def test_messages_are_decoded_together_as_they_are_one_by_one() -> None:
    usual = json_values.encode(message("a"))
    odd = [
        b'{"id":"m","threadId":"t","resourceId":"u","role":"r","createdAt":"%b","content":null}'
        % DATE.encode(),
        b'{"id":"m","threadId":"t","resourceId":"u","role":"r","content":"undated"}',
        b'{"id":"m","threadId":"t","resourceId":"u","role":"r","createdAt":"%b","content":""}'
        % b"2026-01-15T10:30:00+01:00",
        b'{"id":"m","threadId":"t","resourceId":"u","role":"r","createdAt":"%b"}' % DATE.encode(),
    ]
    assert codecs.decode_messages([]) == []
    for stored in ([usual, usual], *([usual, each] for each in odd)):
        found = codecs.decode_messages(stored)
        assert found == [codecs.decode_message("", each) for each in stored]
        assert {each.created_at.tzinfo for each in found} == {UTC}
    with pytest.raises(CorruptRecordError):
        codecs.decode_messages([usual, b"{"])
