"""Large runs: records that are read by spans and changed by splices.

Every function here takes long, but in steps of a few milliseconds, so that a thread may run it
beside the event loop.

Tests: ``tests/contract/test_large_runs.py``, ``tests/property/test_workflow_programs.py``.
"""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Self

from msgspec import Raw
from msgspec.structs import replace

from redis_store import json_values
from redis_store._engine import codecs, json_spans, raw_fields
from redis_store._engine.json_spans import Object, Span
from redis_store._engine.raw_fields import Fields
from redis_store._engine.splices import Splice
from redis_store.models import WorkflowRun

_BLOCK = 2**18
# The objects of a snapshot whose members change one by one.
_OBJECTS: json_spans.Wanted = {"snapshot": {"context": {}, "requestContext": {}}}


class LargeRun:
    """A run's record, by the spans of its fields.

    Args:
        key: Where it is stored.
        json: The record.
        record: The spans.

    Attributes:
        head: The run, except that its snapshot has no more than its ``status``.
    """

    def __init__(self, key: str, json: bytes, record: Object) -> None:
        self.key = key
        self.json = json
        self.record = record
        self.snapshot = record.objects["snapshot"]
        fields = {
            name: self.raw(span) for name, span in record.values.items() if name != "snapshot"
        }
        status = self.snapshot.values.get("status")
        known = {} if status is None else {"status": self.raw(status)}
        head = raw_fields.join({**fields, "snapshot": raw_fields.join(known)})
        self.head = codecs.decode_run(key, bytes(head))

    @classmethod
    def find(cls, key: str, json: bytes) -> Self | None:
        """Find the spans of a record; ``None`` if only decoding all of it tells what it is.

        Raises:
            CorruptRecordError: A field other than the snapshot is wrong.
        """
        try:
            record = json_spans.read_object(json, 0, _OBJECTS)
            # Else it would be decoding that finds this, once the change is applied.
            _check_utf8(json)
        except raw_fields.UNREADABLE:
            return None
        if record is None or "snapshot" not in record.objects or json[record.close + 1 :].strip():
            return None
        return cls(key, json, record)

    def decode(self) -> WorkflowRun:
        """Decode the run."""
        return replace(self.head, snapshot=LargeSnapshot(self).decode())

    def raw(self, span: Span) -> Raw:
        """Return the JSON of a value."""
        return Raw(self.json[slice(*span)])

    def decoded(self, value: Span | Raw) -> Any:
        """Decode a value, stored or new."""
        json = self.json
        if isinstance(value, Raw):
            json = bytes(value)
            value = Span(0, len(json))
        try:
            return json_spans.decode(json, value)
        except raw_fields.UNREADABLE as exc:
            raise raw_fields.corrupt(self.key, exc) from exc


class LargeSnapshot:
    """The snapshot of a large run, and its changes.

    Args:
        run: The run.
    """

    def __init__(self, run: LargeRun) -> None:
        self._run = run
        # Fields that are replaced, and of other fields, members that are replaced.
        self._assigned: Fields = {}
        self._merged: dict[str, Fields] = {}

    def copy(self) -> "LargeSnapshot":
        """Return the snapshot as it is now."""
        copied = LargeSnapshot(self._run)
        copied._assigned = {**self._assigned}
        copied._merged = {field: {**members} for field, members in self._merged.items()}
        return copied

    def member(self, field: str, name: str) -> Raw | None:
        """Return a member of an object: see ``Snapshot``."""
        if field in self._assigned:
            return (raw_fields.fields_of(self._assigned[field]) or {}).get(name)
        changed = self._merged.get(field, {}).get(name)
        if changed is not None:
            return changed
        known = self._run.snapshot.objects.get(field)
        span = None if known is None else known.values.get(name)
        return None if span is None else self._run.raw(span)

    def assign(self, fields: Fields) -> None:
        """Replace fields: see ``Snapshot``."""
        for field, value in fields.items():
            self._assigned[field] = value
            self._merged.pop(field, None)

    def merge(self, field: str, members: Fields) -> None:
        """Merge members into an object: see ``Snapshot``."""
        if field in self._run.snapshot.objects and field not in self._assigned:
            self._merged.setdefault(field, {}).update(members)
        else:
            known = raw_fields.fields_of(self._assigned.get(field)) or {}
            self._assigned[field] = raw_fields.join(known | members)

    def head(self, updated_at: datetime) -> WorkflowRun:
        """Return the head of the changed run."""
        head = replace(self._run.head, updated_at=updated_at)
        status = self._assigned.get("status")
        if status is not None:
            head.snapshot = {"status": self._run.decoded(status)}
        return head

    def splices(self, updated_at: datetime) -> list[Splice]:
        """Return what turns the record into that of the changed run."""
        snapshot = self._run.snapshot
        edits = [*_edits(snapshot, self._assigned)]
        for field, members in self._merged.items():
            edits += _edits(snapshot.objects[field], members)
        edits += _edits(self._run.record, {"updatedAt": Raw(json_values.encode(updated_at))})
        found: list[Splice] = []
        at = 0
        for span, text in sorted(edits):
            found.append(Splice(span.start - at, span.end - span.start, text))
            at = span.end
        return found

    def decode(self) -> dict[str, Any]:
        """Decode the changed snapshot."""
        names = {**self._run.snapshot.values, **self._assigned}
        return {name: self.decode_field(name) for name in names}

    def decode_field(self, field: str) -> Any:
        """Decode a field of the changed snapshot, which has it."""
        if field in self._assigned:
            return self._run.decoded(self._assigned[field])
        run, known = self._run, self._run.snapshot.objects.get(field)
        if known is None:
            return run.decoded(run.snapshot.values[field])
        members: dict[str, Span | Raw] = {**known.values, **self._merged.get(field, {})}
        return {name: run.decoded(value) for name, value in members.items()}


def _edits(known: Object, members: Fields) -> Iterator[tuple[Span, bytes]]:
    """Yield what replaces spans of an object so that it has these members, too."""
    new: list[bytes] = []
    for name, value in members.items():
        span = known.values.get(name)
        if span is None:
            new.append(json_values.encode(name) + b":" + bytes(value))
        else:
            yield span, bytes(value)
    if new:
        yield Span(known.close, known.close), b"," * bool(known.values) + b",".join(new)


def _check_utf8(text: bytes) -> None:
    decoder, view = getincrementaldecoder("utf-8")(), memoryview(text)
    for at in range(0, len(text), _BLOCK):
        decoder.decode(view[at : at + _BLOCK])
    decoder.decode(b"", final=True)
