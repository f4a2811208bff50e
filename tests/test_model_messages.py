"""Messages in the form of models' SDKs."""

from typing import Any

import pytest

from redis_store import Message
from redis_store._model_messages import acceptable, from_message, role_of, to_content
from redis_store.models import text_content

Item = dict[str, Any]

USER: Item = {"role": "user", "content": "Tea?"}
ANSWER: Item = {"role": "assistant", "content": "Yes."}

# A call and its result, in each SDK's form.
CHAT: tuple[Item, Item] = (
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
    {"role": "tool", "tool_call_id": "c1", "content": "ok"},
)
RESPONSES: tuple[Item, Item] = (
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "ok"},
)
ANTHROPIC: tuple[Item, Item] = (
    {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "ok"}]},
)
GOOGLE: tuple[Item, Item] = (
    {"role": "model", "parts": [{"function_call": {"name": "f", "args": {}}}]},
    {"role": "user", "parts": [{"function_response": {"name": "f", "response": {}}}]},
)
GOOGLE_WITH_ID: tuple[Item, Item] = (
    {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f"}}]},
    {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "f"}}]},
)
FORMS = {
    "chat": CHAT,
    "responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "google": GOOGLE,
    "google, with ids": GOOGLE_WITH_ID,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_calls_stay_with_their_results(form: tuple[Item, Item]) -> None:
    call, result = form
    whole = [USER, call, result, ANSWER]
    assert acceptable(whole) == whole
    assert acceptable([USER, call, ANSWER]) == [USER, ANSWER], "a call without a result"
    assert acceptable([result, ANSWER, USER]) == [USER], "a result whose call was cut off"
    assert acceptable([USER, result, call]) == [USER], "a result before its call"


def test_several_calls_of_one_item_go_together() -> None:
    calls: list[Item] = [{"id": name, "type": "function"} for name in ("a", "b")]
    call: Item = {"role": "assistant", "content": "Hm.", "tool_calls": calls}
    results: list[Item] = [
        {"role": "tool", "tool_call_id": name, "content": ""} for name in ("a", "b")
    ]
    whole = [USER, call, *results]
    assert acceptable(whole) == whole
    assert acceptable([USER, call, results[0], ANSWER]) == [USER, ANSWER]


def test_reasoning_goes_with_what_it_led_to() -> None:
    call, result = RESPONSES
    reasoning: Item = {"type": "reasoning", "id": "r", "summary": []}
    whole = [USER, reasoning, call, result]
    assert acceptable(whole) == whole
    assert acceptable([USER, reasoning, call]) == [USER]
    assert acceptable([USER, reasoning]) == [USER]
    assert acceptable([USER, reasoning, reasoning, call, ANSWER]) == [USER, ANSWER]


def test_a_conversation_begins_with_what_is_no_answer() -> None:
    assert acceptable([ANSWER, USER, ANSWER]) == [USER, ANSWER]
    assert acceptable([ANSWER]) == []
    assert acceptable([]) == []
    system = {"role": "system", "content": "Be brief."}
    assert acceptable([ANSWER, system, USER]) == [system, USER]


_ODD: list[Item] = [
    {"type": 5, "call_id": 7},
    {"role": "assistant", "tool_calls": [None, {"id": 3}, {}], "content": [None, "x", {}]},
    {"role": "tool"},
    {"type": "web_search_call", "id": "w"},
    {"role": "model", "parts": [{"function_call": None}, {"function_call": {"args": {}}}]},
]


@pytest.mark.parametrize("odd", _ODD)
def test_odd_items_are_no_calls(odd: Item) -> None:
    assert acceptable([USER, odd, ANSWER]) == [USER, odd, ANSWER]


def _stored(item: Item) -> Message:
    message = Message(thread_id="t", resource_id="u", role=role_of(item), content=item)
    message.content = to_content(item, message.text)
    return message


@pytest.mark.parametrize("item", [USER, ANSWER, *CHAT, *RESPONSES, *ANTHROPIC, *GOOGLE])
def test_items_come_back(item: Item) -> None:
    assert from_message(_stored(item)) == item


def test_a_plain_text_is_stored_as_mastra_does() -> None:
    assert _stored(USER).content == text_content("Tea?")
    assert _stored({"role": "user", "content": "Tea?", "name": "Ana"}).text == "Tea?"
    parts = [{"type": "text", "text": "Tea?"}]
    stored = _stored({"role": "user", "content": parts})
    assert (stored.text, stored.content["parts"]) == ("Tea?", parts)


def test_messages_of_others_have_a_role_and_a_text() -> None:
    of: dict[str, Any] = {"thread_id": "t", "resource_id": "u"}
    assert from_message(Message.from_text("user", "Tea?", **of)) == USER
    signal = from_message(Message.from_text("signal", "x", **of))
    assert signal == {"role": "assistant", "content": "x"}
    assert from_message(Message(role="assistant", content={"parts": []}, **of)) is None
    assert from_message(Message(role="assistant", content=None, **of)) is None
    assert [role_of(item) for item in (CHAT[1], RESPONSES[1], GOOGLE[0])] == [
        "tool",
        "tool",
        "assistant",
    ]
