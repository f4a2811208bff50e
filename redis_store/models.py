"""The records: msgspec Structs, keyword-only, whose wire form is Mastra's camelCase JSON."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType

from redis_store._wire import WireForm
from redis_store.json_values import is_array, is_object


def new_id() -> str:
    """Return a random id, for a record without one."""
    return str(uuid4())


def now() -> datetime:
    """Return the current time in UTC, to the microsecond."""
    return datetime.now(UTC)


def _now_by_default() -> datetime:
    # In UTC nothing else has a fold, and nothing depends on it: neither equality nor the text.
    return now().replace(fold=1)


def is_default(date: datetime) -> bool:
    """Whether a record got the date by default: its caller, or its stored JSON, has none."""
    return date.fold == 1


def text_content(text: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """Build Mastra's v2 content with one text part."""
    content: dict[str, Any] = {
        "format": 2,
        "parts": [{"type": "text", "text": text}],
        "content": text,
    }
    if metadata is not None:
        content["metadata"] = metadata
    return content


class Thread(WireForm, kw_only=True, rename="camel"):
    """A conversation, owned by a resource.

    ``title=None`` means no title; ``""`` is a title.
    """

    id: str = msgspec.field(default_factory=new_id)
    resource_id: str
    title: str | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    created_at: datetime = msgspec.field(default_factory=_now_by_default)
    updated_at: datetime = msgspec.field(default_factory=_now_by_default)


class Message(WireForm, kw_only=True, rename="camel"):
    """One message of a thread. ``content`` is any JSON value; Mastra's is a v2 object."""

    id: str = msgspec.field(default_factory=new_id)
    thread_id: str
    resource_id: str
    role: str
    type: str = "v2"
    created_at: datetime = msgspec.field(default_factory=_now_by_default)
    content: Any

    @classmethod
    def from_text(
        cls,
        role: str,
        text: str,
        *,
        thread_id: str,
        resource_id: str,
        id: str | None = None,
        created_at: datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> "Message":
        """Build a message whose v2 content is one text part."""
        return cls(
            id=new_id() if id is None else id,
            thread_id=thread_id,
            resource_id=resource_id,
            role=role,
            content=text_content(text, metadata),
            created_at=_now_by_default() if created_at is None else created_at,
        )

    @property
    def text(self) -> str:
        """The texts of the content, joined; ``""`` when there are none.

        It knows Mastra's v1 and v2, and what the SDKs of OpenAI (chat completions, responses),
        Anthropic and Google give; thoughts, tool calls and their results are no text.
        """
        return _text(self.content)


# What SDKs call a part that is text; Google's parts have no type.
_TEXT_TYPES = (None, "text", "input_text", "output_text")
# A list of output items holds messages, which hold parts.
_TEXT_LEVELS = 3


def _text(content: object, levels: int = _TEXT_LEVELS) -> str:
    if isinstance(content, str):
        return content
    if is_array(content) and levels:
        return "".join(_text(part, levels - 1) for part in content)
    return _text_of_object(content, levels) if is_object(content) else ""


def _text_of_object(content: dict[str, Any], levels: int) -> str:
    """Return the text of a part, or of what has parts."""
    kind: object = content.get("type")
    inner = content.get("parts") if is_array(content.get("parts")) else content.get("content")
    if kind in (None, "message") and inner is not None:
        return "" if is_object(inner) else _text(inner, levels)
    text: object = content.get("text")
    if is_object(text):
        text = text.get("value")
    is_text = kind in _TEXT_TYPES and isinstance(text, str) and content.get("thought") is not True
    return str(text) if is_text else ""


class _Identified(msgspec.Struct):
    id: str


class MessagePatch(_Identified, kw_only=True):
    """A change to one message. Fields left ``UNSET`` are not changed.

    A dict ``content`` replaces key by key; its ``metadata`` merges one level.
    """

    role: str | UnsetType = UNSET
    content: Any = UNSET
    type: str | UnsetType = UNSET
    thread_id: str | UnsetType = UNSET
    resource_id: str | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET


class Resource(WireForm, kw_only=True, rename="camel"):
    """The memory of one resource (usually a user) across its threads."""

    id: str
    working_memory: str | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    created_at: datetime = msgspec.field(default_factory=_now_by_default)
    updated_at: datetime = msgspec.field(default_factory=_now_by_default)


# Mastra's runs mix snake_case and camelCase.
RUN_NAMES = {"resource_id": "resourceId", "created_at": "createdAt", "updated_at": "updatedAt"}


class WorkflowRun(WireForm, kw_only=True, rename=RUN_NAMES):
    """A workflow run: its latest snapshot and its owner."""

    workflow_name: str
    run_id: str
    snapshot: dict[str, Any]
    resource_id: str | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def status(self) -> str | None:
        """The snapshot's status, such as ``"running"``; ``None`` if it has none."""
        status: object = self.snapshot.get("status")
        return status if isinstance(status, str) else None


class Score(WireForm, kw_only=True, rename="camel", omit_defaults=True):
    """A score that a scorer gave to a run of an entity."""

    scorer_id: str
    entity_id: str
    run_id: str
    score: float
    scorer: dict[str, Any]
    entity: dict[str, Any]
    source: str
    output: Any
    id: str = msgspec.field(default_factory=new_id)
    entity_type: str | None = None
    input: Any = None
    reason: str | None = None
    metadata: Any = None
    request_context: Any = None
    additional_context: Any = None
    preprocess_step_result: Any = None
    extract_step_result: Any = None
    analyze_step_result: Any = None
    preprocess_prompt: str | None = None
    extract_prompt: str | None = None
    analyze_prompt: str | None = None
    generate_score_prompt: str | None = None
    generate_reason_prompt: str | None = None
    structured_output: Any = None
    trace_id: str | None = None
    span_id: str | None = None
    resource_id: str | None = None
    thread_id: str | None = None
    session_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    batch_id: str | None = None
    dataset_id: str | None = None
    dataset_item_id: str | None = None
    created_at: datetime = msgspec.field(default_factory=_now_by_default)
    updated_at: datetime = msgspec.field(default_factory=_now_by_default)


class IntegrationRecord(WireForm, kw_only=True):
    """A record of an integration, as it is exported.

    Attributes:
        integration: The integration: ``"google_adk"``.
        kind: What it is there: ``"session"``.
        id: Its id there.
        content: All of it, a JSON value.
    """

    integration: str
    kind: str
    id: str
    content: Any


# What a store keeps of a resource.
Record = Thread | Message | Resource | WorkflowRun | Score | IntegrationRecord


class ClonedThread(WireForm, kw_only=True):
    """A clone, its messages from oldest to newest, and a map of source to new message ids."""

    thread: Thread
    messages: list[Message]
    message_id_map: dict[str, str]


class CopiedThread(WireForm, kw_only=True):
    """A copy, and a map of source to new message ids."""

    thread: Thread
    message_id_map: dict[str, str]
