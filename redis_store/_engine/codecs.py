"""Codecs: conversions between records and their stored JSON.

One encoder and typed decoders, built at import. A record that its typed decoder refuses is decoded
leniently, as other writers of the same data omit fields or encode them differently.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from redis_store import json_values
from redis_store._engine import raw_fields
from redis_store.json_values import is_object
from redis_store.models import (
    RUN_NAMES,
    Message,
    Resource,
    Score,
    Thread,
    WorkflowRun,
    is_default,
    text_content,
)

R = TypeVar("R", Thread, Message, Resource, WorkflowRun, Score)

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


_EPOCH = "1970-01-01T00:00:00Z"
_IDS = frozenset(
    {"id", "thread_id", "resource_id", "workflow_name", "run_id", "scorer_id", "entity_id"}
    | {"trace_id", "span_id"}
)


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
    return json_values.encode(record)


def encode_resource(resource: Resource) -> bytes:
    """Encode a resource's record."""
    record = _ResourceRecord(
        id=resource.id,
        working_memory=UNSET if resource.working_memory is None else resource.working_memory,
        metadata=json_values.encode(resource.metadata).decode(),
        created_at=resource.created_at,
        updated_at=resource.updated_at,
    )
    return json_values.encode(record)


def decode_thread(key: str, stored: bytes) -> Thread:
    """Decode a thread's record, or raise CorruptRecordError."""
    return _decode(key, stored, _thread, _lenient_thread)


def decode_message(key: str, stored: bytes) -> Message:
    """Decode a message's record, or raise CorruptRecordError."""
    message = _decode(key, stored, _message, _lenient_message)
    if message.content is None:
        message.content = text_content("")
    return message


def decode_messages(stored: Sequence[bytes]) -> list[Message]:
    """Decode messages, or raise CorruptRecordError, which names no key."""
    with suppress(*raw_fields.UNREADABLE):
        messages = list(map(_message.decode, stored))
        # As in `_decode`: none of them needs another look.
        if all(
            (date := message.created_at).tzinfo is UTC
            and not date.fold
            and message.content is not None
            for message in messages
        ):
            return messages
    return [decode_message("", each) for each in stored]


def decode_resource(key: str, stored: bytes) -> Resource:
    """Decode a resource's record, or raise CorruptRecordError."""
    return _decode_leniently(key, stored, _lenient_resource)


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
    json = json_values.encode(record)
    # The old record comes first: fields keep their places, so the difference to it is short.
    known = None if before is None else raw_fields.fields_of(Raw(before))
    return json if known is None else json_values.encode(known | raw_fields.parse(json))


def decode_run(key: str, stored: bytes) -> WorkflowRun:
    """Decode a workflow run's record, or raise CorruptRecordError."""
    return _decode(key, stored, _run, _lenient_run)


def decode_score(key: str, stored: bytes) -> Score:
    """Decode a score's record, or raise CorruptRecordError."""
    return _decode(key, stored, _score, _lenient_score)


def _decode(
    key: str,
    stored: bytes,
    strict: msgspec.json.Decoder[R],
    lenient: Callable[[dict[str, Any]], R],
) -> R:
    try:
        record = strict.decode(stored)
    except raw_fields.UNREADABLE as refused:
        return _decode_leniently(key, stored, lenient, refused)
    created_at = record.created_at
    updated_at = created_at if isinstance(record, Message) else record.updated_at
    # The usual case without a call: it is decoded a thousand times per page.
    if created_at.tzinfo is updated_at.tzinfo is UTC and not (created_at.fold or updated_at.fold):
        return record
    if is_default(created_at) or is_default(updated_at):
        return _decode_leniently(key, stored, lenient)
    return _in_utc(key, record)


def _decode_leniently(
    key: str,
    stored: bytes,
    lenient: Callable[[dict[str, Any]], R],
    refused: Exception | None = None,
) -> R:
    try:
        record = _encodable(lenient(_dated(_object(stored))))
    except raw_fields.UNREADABLE as exc:
        # The strict decoder's error names the field.
        cause = refused or exc
        raise raw_fields.corrupt(key, cause) from cause
    return _in_utc(key, record)


def _dated(fields: dict[str, Any]) -> dict[str, Any]:
    """Date a record that has no date like its other date, or 1970: the same at each read."""
    known = fields.get("createdAt") or fields.get("updatedAt") or _EPOCH
    for name in ("createdAt", "updatedAt"):
        if fields.get(name) is None:
            fields[name] = known
    return fields


def _encodable(record: R) -> R:
    """Refuse a record with an id that no key can hold."""
    for name in _IDS.intersection(record.__struct_fields__):
        (getattr(record, name) or "").encode()
    return record


def _in_utc(key: str, record: R) -> R:
    try:
        record.created_at = _utc(record.created_at)
        if not isinstance(record, Message):
            record.updated_at = _utc(record.updated_at)
    except OverflowError as exc:
        raise raw_fields.corrupt(key, exc) from exc
    return record


def _utc(moment: datetime) -> datetime:
    # A date without an offset is UTC, never the local time of this process.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _lenient_thread(fields: dict[str, Any]) -> Thread:
    fields["metadata"] = _object(fields.get("metadata"))
    return msgspec.convert(fields, Thread)


def _lenient_message(fields: dict[str, Any]) -> Message:
    return msgspec.convert({"content": None, **fields}, Message)


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
    """Decode an object that may be missing, null, or JSON inside a string."""
    if isinstance(value, (str, bytes)):
        value = raw_fields.loads(value)
    elif value is None:
        return {}
    if not is_object(value):
        raise TypeError(f"{type(value).__name__} is no object")
    return value
