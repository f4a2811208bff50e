"""Items of conversations, as models and the SDK's runner give them."""

from typing import Any, cast

from agents.items import TResponseInputItem

HALF = "cut \ud83d"


def item(fields: object) -> TResponseInputItem:
    """Type an item; not all that models give is in the SDK's types."""
    return cast("TResponseInputItem", fields)


def said(text: str) -> TResponseInputItem:
    return item({"role": "user", "content": text})


# One of each kind, and what else may come: without a role, without an id, with odd ids and values.
ODD: list[dict[str, Any]] = [
    {"role": "user", "content": "Hello"},
    {"role": "user", "content": [{"type": "input_image", "image_url": "data:,x", "detail": "low"}]},
    {"role": "developer", "content": ""},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA=="},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "é😀", "annotations": [], "logprobs": None}],
    },
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text"}]},
    {"type": "item_reference", "id": "msg_1"},
    {"id": "msg_1", "role": "user", "content": "the same id again"},
    {"role": "user", "content": HALF, HALF: [HALF, 2**70, 1.0, -0.0, None, True, {}, []]},
    {"role": "\ud83d", "content": "a role that no key holds"},
    {"role": "", "type": 7},
    {"role": ["user"], "content": {"parts": []}},
    {"item": {"item": 1}, "metadata": {"a": None}, "format": 2},
    {"": ""},
    {},
]
