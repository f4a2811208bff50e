"""Codecs: conversions between records and their stored JSON.

One encoder and typed decoders, built at import. A record that its typed decoder refuses is decoded
leniently, as other writers of the same data omit fields or encode them differently.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from redis_store.errors import CorruptRecordError, InvalidArgumentError
from redis_store.json_values import is_finite, is_object
from redis_store.models import (
    RUN_NAMES,
    Message,
    Resource,
    Score,
    Thread,
    WorkflowRun,
    text_content,
)

R = TypeVar("R", Thread, Message, Resource, WorkflowRun, Score)
Fields = dict[str, Raw]

_encoder = msgspec.json.Encoder()
_fields = msgspec.json.Decoder(Fields)
_thread = msgspec.json.Decoder(Thread)
_message = msgspec.json.Decoder(Message)
_run = msgspec.json.Decoder(WorkflowRun)
_score = msgspec.json.Decoder(Score)


class _ThreadRecord(msgspec.Struct, kw_only=True, rename="camel"):
    """A thread as stored: without a title there is no such field, as in JavaScript."""

    id: str
    resource_id: str
    title: str | UnsetType
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class _ResourceRecord(msgspec.Struct, kw_only=True, rename="camel"):
    """A resource as stored: its metadata is a JSON string."""

    id: str
    working_memory: str | UnsetType
    metadata: str
    created_at: datetime
    updated_at: datetime


class _RunRecord(msgspec.Struct, kw_only=True, rename=RUN_NAMES):
    """A workflow run as stored. The snapshot is near the end, so that ``splices`` stay short."""

    namespace: str
    workflow_name: str
    run_id: str
    resource_id: str | UnsetType
    created_at: datetime
    snapshot: Raw
    updated_at: datetime


def encode(argument: str, value: object) -> bytes:
    """Encode a value as JSON.

    Raises:
        InvalidArgumentError: A part of it has no JSON form; NaN and infinity have none.
    """
    try:
        encoded = _encoder.encode(value)
    except (TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as exc:
        raise InvalidArgumentError(argument, f"has no JSON form: {exc}") from exc
    # msgspec writes NaN as null; only a value with a null in it can hold one.
    if b"null" in encoded and not is_finite(value):
        raise InvalidArgumentError(argument, "has no JSON form: NaN or infinity")
    return encoded


def encode_thread(thread: Thread) -> bytes:
    """Encode a thread's record."""
    record = _ThreadRecord(
        id=thread.id,
        resource_id=thread.resource_id,
        title=UNSET if thread.title is None else thread.title,
        metadata=thread.metadata,
        created_at=thread.created_at,
        updated_at=thread.updated_at,
    )
    return encode("thread", record)


def encode_resource(resource: Resource) -> bytes:
    """Encode a resource's record."""
    record = _ResourceRecord(
        id=resource.id,
        working_memory=UNSET if resource.working_memory is None else resource.working_memory,
        metadata=encode("metadata", resource.metadata).decode(),
        created_at=resource.created_at,
        updated_at=resource.updated_at,
    )
    return encode("resource", record)


def decode_thread(key: str, stored: bytes) -> Thread:
    """Decode a thread's record, or raise CorruptRecordError."""
    try:
        thread = _thread.decode(stored)
    except (msgspec.MsgspecError, ValueError) as refused:
        thread = _decode_leniently(key, stored, _lenient_thread, refused)
    if thread.created_at.tzinfo is UTC and thread.updated_at.tzinfo is UTC:
        return thread
    return _in_utc(thread)


def decode_message(key: str, stored: bytes) -> Message:
    """Decode a message's record, or raise CorruptRecordError."""
    try:
        message = _message.decode(stored)
    except (msgspec.MsgspecError, ValueError) as refused:
        message = _decode_leniently(key, stored, _lenient_message, refused)
    if message.content is None:
        message.content = text_content("")
    return message if message.created_at.tzinfo is UTC else _in_utc(message)


def decode_resource(key: str, stored: bytes) -> Resource:
    """Decode a resource's record, or raise CorruptRecordError."""
    return _decode(key, stored, _strict_resource, _lenient_resource)


def encode_run(namespace: str, run: WorkflowRun, snapshot: bytes, before: bytes | None) -> bytes:
    """Encode a workflow run's record.

    Args:
        namespace: The run's namespace.
        run: The run.
        snapshot: Its snapshot as JSON.
        before: The record that it replaces; its unknown fields stay if it is valid JSON.
    """
    record = _RunRecord(
        namespace=namespace,
        workflow_name=run.workflow_name,
        run_id=run.run_id,
        resource_id=UNSET if run.resource_id is None else run.resource_id,
        created_at=run.created_at,
        snapshot=Raw(snapshot),
        updated_at=run.updated_at,
    )
    json = encode("snapshot", record)
    # The old record comes first: fields keep their places, so the difference to it is short.
    known = None if before is None else fields_of(Raw(before))
    return json if known is None else _encoder.encode(known | _raw_fields(json))


def decode_run(key: str, stored: bytes) -> WorkflowRun:
    """Decode a workflow run's record, or raise CorruptRecordError."""
    return _decode(key, stored, _run.decode, _lenient_run)


def decode_score(key: str, stored: bytes) -> Score:
    """Decode a score's record, or raise CorruptRecordError."""
    return _decode(key, stored, _score.decode, _lenient_score)


def decode_value(stored: bytes) -> Any:
    """Decode any JSON value; bytes that are no JSON are text."""
    try:
        # Not the bytes: json.loads() guesses UTF-16 or UTF-32 from the position of zero bytes.
        return json.loads(stored.decode(), parse_constant=_no_json)
    except (ValueError, RecursionError):
        return stored.decode(errors="replace")


def _no_json(constant: str) -> None:
    raise ValueError(constant)


def decode_fields(key: str, stored: bytes) -> Fields:
    """Split a record into its raw fields, so that an update keeps unknown ones."""
    try:
        return _raw_fields(stored)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise CorruptRecordError(key, str(exc)) from exc


def fields_of(value: Raw | None) -> Fields | None:
    """Split a raw value into its raw fields; ``None`` if it is no object."""
    try:
        return None if value is None else _raw_fields(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _raw_fields(stored: bytes | Raw) -> Fields:
    try:
        return _fields.decode(stored)
    except (msgspec.MsgspecError, ValueError):
        # msgspec refuses half a surrogate pair, which JavaScript writes when it cuts an emoji.
        fields = json.loads(bytes(stored), parse_constant=_no_json)
        if not is_object(fields):
            raise
        return _split_read(fields)


def split_read(key: str, value: dict[str, Any]) -> Fields:
    """Encode the fields of a decoded record, which may hold half a surrogate pair."""
    try:
        return _split_read(value)
    except ValueError as exc:
        raise CorruptRecordError(key, str(exc)) from exc


def _split_read(value: dict[str, Any]) -> Fields:
    # Not msgspec: json.dumps() escapes half a surrogate pair, which has no UTF-8.
    return {name: Raw(json.dumps(item, allow_nan=False).encode()) for name, item in value.items()}


def split(argument: str, value: dict[str, Any]) -> Fields:
    """Encode an object's fields one by one."""
    return {name: Raw(encode(argument, item)) for name, item in value.items()}


def join(fields: Fields) -> Raw:
    """Join raw fields; those that were not replaced keep their bytes."""
    return Raw(_encoder.encode(fields))


def patch(key: str, stored: bytes, changes: Mapping[str, object]) -> bytes:
    """Replace some fields of a stored record; the others keep their bytes.

    Args:
        key: Where the record is stored, for errors.
        stored: The record.
        changes: New values by wire name; ``UNSET`` removes the field.
    """
    fields = decode_fields(key, stored)
    for name, value in changes.items():
        if value is UNSET:
            fields.pop(name, None)
        else:
            fields[name] = Raw(encode(name, value))
    return _encoder.encode(fields)


def _decode(
    key: str, stored: bytes, strict: Callable[[bytes], R], lenient: Callable[[dict[str, Any]], R]
) -> R:
    try:
        record = strict(stored)
    except (msgspec.MsgspecError, ValueError) as refused:
        record = _decode_leniently(key, stored, lenient, refused)
    return _in_utc(record)


def _decode_leniently(
    key: str, stored: bytes, lenient: Callable[[dict[str, Any]], R], refused: Exception
) -> R:
    try:
        return lenient(_object(stored))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        # The strict decoder's error names the field.
        raise CorruptRecordError(key, str(refused)) from refused


def _in_utc(record: R) -> R:
    if record.created_at.tzinfo is not UTC:
        record.created_at = _utc(record.created_at)
    if not isinstance(record, Message) and record.updated_at.tzinfo is not UTC:
        record.updated_at = _utc(record.updated_at)
    return record


def _utc(moment: datetime) -> datetime:
    # A date without an offset is UTC, never the local time of this process.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _lenient_thread(fields: dict[str, Any]) -> Thread:
    fields["metadata"] = _object(fields.get("metadata"))
    return msgspec.convert(fields, Thread)


def _lenient_message(fields: dict[str, Any]) -> Message:
    fields["content"] = fields.get("content") or text_content("")
    return msgspec.convert(fields, Message)


def _strict_resource(stored: bytes) -> Resource:
    # Not strict about metadata, which is JSON inside a string here: only the parser is.
    return _lenient_resource(msgspec.json.decode(stored, type=dict[str, Any]))


def _lenient_resource(fields: dict[str, Any]) -> Resource:
    fields["metadata"] = _object(fields.get("metadata"))
    memory = fields.get("workingMemory")
    # Other writers store working memory as an object too; here it is text.
    if memory is not None and not isinstance(memory, str):
        fields["workingMemory"] = json.dumps(memory, ensure_ascii=False)
    return msgspec.convert(fields, Resource)


def _lenient_run(fields: dict[str, Any]) -> WorkflowRun:
    fields["snapshot"] = _object(fields.get("snapshot"))
    return msgspec.convert(fields, WorkflowRun)


def _lenient_score(fields: dict[str, Any]) -> Score:
    # Null is an absent field here, so that an optional one gets its default.
    return msgspec.convert({k: v for k, v in fields.items() if v is not None}, Score)


def _object(value: object) -> dict[str, Any]:
    """Decode an object that may be missing, null, or JSON inside a string.

    The standard library's decoder accepts the lone surrogates that JavaScript writes.
    """
    if isinstance(value, (str, bytes)):
        value = json.loads(value)
    elif value is None:
        return {}
    if not is_object(value):
        raise TypeError(f"{type(value).__name__} is no object")
    return value
