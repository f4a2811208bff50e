"""Messages as models' SDKs take them: dicts with a role or a type, stored as messages of a thread.

Tests: ``tests/test_model_messages.py``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from redis_store.json_values import is_array, is_object
from redis_store.models import Message, text_content

# The roles that every SDK knows; what else has one reads as the assistant's.
_ROLES = ("user", "assistant", "system", "developer", "tool")
# Roles of messages that a conversation can begin with.
_OPENING = ("user", "system", "developer")


def role_of(item: dict[str, Any]) -> str:
    """Return who an item is from: tools give the outputs of calls, the model all else."""
    if item.get("role") in _ROLES:
        return str(item["role"])
    return "tool" if str(item.get("type")).endswith("_output") else "assistant"


def to_content(item: dict[str, Any], text: str) -> dict[str, Any]:
    """Return Mastra's content for an item.

    Args:
        item: The item.
        text: Its text, which Mastra shows.
    """
    content = text_content(text)
    if item != {"role": role_of(item), "content": text}:
        content["parts"] = content["parts"] if text else []
        content["item"] = item
    return content


def from_message(message: Message) -> dict[str, Any] | None:
    """Return the item of a message, or one of its role and text; ``None`` if it has neither."""
    content: object = message.content
    item: object = content.get("item") if is_object(content) else None
    if is_object(item):
        return item
    text = message.text
    role = message.role if message.role in _ROLES else "assistant"
    return {"role": role, "content": text} if text else None


def acceptable(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items that a model accepts as the beginning of a conversation.

    Models refuse a call of a tool without its result, and a result without its call. Either is
    there where the window of the last messages cut a turn in two, or a turn broke off. They also
    refuse a conversation that begins with an answer.
    """
    items = _without_open_calls(items)
    opens = (at for at, item in enumerate(items) if _opens(item))
    return items[next(opens, len(items)) :]


def _without_open_calls(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = list(items)
    while True:
        # An item with several calls goes if one of them is open, and then their results do.
        called: set[str] = set()
        open_: set[int] = set()
        for at, item in enumerate(kept):
            if not called.issuperset(_results(item)):
                open_.add(at)
            called.update(_calls(item))
        answered: set[str] = set()
        for at in range(len(kept) - 1, -1, -1):
            if not answered.issuperset(_calls(kept[at])) or _thinks_about(at, kept, open_):
                open_.add(at)
            answered.update(_results(kept[at]))
        if not open_:
            return kept
        kept = [item for at, item in enumerate(kept) if at not in open_]


def _thinks_about(at: int, items: Sequence[dict[str, Any]], dropped: set[int]) -> bool:
    """Whether an item is the reasoning of one that is dropped, or missing: OpenAI refuses it."""
    return items[at].get("type") == "reasoning" and (at + 1 == len(items) or at + 1 in dropped)


def _opens(item: dict[str, Any]) -> bool:
    return item.get("role") in _OPENING and not any(_results(item))


def _calls(item: dict[str, Any]) -> Iterator[str]:
    """Iterate over the ids of the calls that an item makes."""
    if str(item.get("type")).endswith("_call"):  # OpenAI, responses
        yield from _texts(item, "call_id")
    for call in _objects(item.get("tool_calls")):  # OpenAI, chat completions
        yield from _texts(call, "id")
    for part in _parts(item):
        if part.get("type") == "tool_use":  # Anthropic
            yield from _texts(part, "id")
        for name in ("function_call", "functionCall"):  # Google
            yield from _id_or_name(part.get(name))


def _results(item: dict[str, Any]) -> Iterator[str]:
    """Iterate over the ids of the calls whose results an item has."""
    if str(item.get("type")).endswith("_call_output"):
        yield from _texts(item, "call_id")
    if item.get("role") == "tool":
        yield from _texts(item, "tool_call_id")
    for part in _parts(item):
        if part.get("type") == "tool_result":
            yield from _texts(part, "tool_use_id")
        for name in ("function_response", "functionResponse"):
            yield from _id_or_name(part.get(name))


def _parts(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _objects(item.get("content"))
    yield from _objects(item.get("parts"))


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if is_array(value):
        yield from filter(is_object, value)


def _texts(value: dict[str, Any], name: str) -> Iterator[str]:
    found: object = value.get(name)
    if isinstance(found, str):
        yield found


def _id_or_name(value: object) -> Iterator[str]:
    # Google's calls have no id unless several are made at once.
    if is_object(value):
        yield from _texts(value, "id" if value.get("id") else "name")
