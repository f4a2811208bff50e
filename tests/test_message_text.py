"""``Message.text``: what SDKs call the text of a message, in each of their shapes."""

from typing import Any

import pytest

from redis_store import Message

TEXTS: dict[str, tuple[Any, str]] = {
    "a text": ("hi", "hi"),
    "Mastra v2": ({"format": 2, "parts": [{"type": "text", "text": "hi"}], "content": "hi"}, "hi"),
    "Mastra v2 with tools between": (
        {
            "format": 2,
            "parts": [
                {"type": "step-start"},
                {
                    "type": "reasoning",
                    "reasoning": "hm",
                    "details": [{"type": "text", "text": "x"}],
                },
                {"type": "text", "text": "a"},
                {"type": "tool-invocation", "toolInvocation": {"state": "call", "args": {}}},
                {"type": "text", "text": "b"},
            ],
        },
        "ab",
    ),
    "Mastra v2 without parts": ({"format": 2, "content": "hi"}, "hi"),
    "Mastra v1": ([{"type": "text", "text": "a"}, {"type": "tool-call", "toolName": "t"}], "a"),
    "AI SDK v5": ({"format": 3, "parts": [{"type": "text", "text": "a", "state": "done"}]}, "a"),
    "OpenAI chat completions": (
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is "},
                {"type": "image_url", "image_url": {"url": "https://x"}},
                {"type": "text", "text": "this?"},
            ],
        },
        "what is this?",
    ),
    "OpenAI chat completions, a call": (
        {"role": "assistant", "content": None, "tool_calls": []},
        "",
    ),
    "OpenAI chat completions, a refusal": ([{"type": "refusal", "refusal": "no"}], ""),
    "an OpenAI output item": (
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                {"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
                {"type": "output_text", "text": "b", "annotations": []},
            ],
        },
        "ab",
    ),
    "OpenAI output items": (
        [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
            {"type": "function_call", "name": "f", "arguments": '{"text":"x"}'},
            {"type": "message", "content": "b"},
        ],
        "ab",
    ),
    "OpenAI input": ([{"type": "input_text", "text": "a"}, {"type": "input_image"}], "a"),
    "OpenAI assistants": ([{"type": "text", "text": {"value": "a", "annotations": []}}], "a"),
    "Anthropic blocks": (
        [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "text", "text": "a", "citations": None},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"text": "x"}},
            {"type": "text", "text": "b"},
        ],
        "ab",
    ),
    "Anthropic's tool result": (
        [{"type": "tool_result", "content": [{"type": "text", "text": "x"}]}],
        "",
    ),
    "an Anthropic message": (
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]},
        "a",
    ),
    "Google": (
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "a"},
                {"functionCall": {"name": "f", "args": {}}},
                {"text": "b", "thoughtSignature": "x"},
            ],
        },
        "ab",
    ),
    "Bedrock": ({"role": "user", "content": [{"text": "a"}, {"image": {}}]}, "a"),
    "texts in a list": (["a", {"type": "text", "text": "b"}], "ab"),
    "one part": ({"type": "text", "text": "a"}, "a"),
    "a tuple of parts": (({"type": "text", "text": "a"},), "a"),
    "nothing": (None, ""),
    "no text": ({"format": 2, "parts": []}, ""),
    "a number": (7, ""),
    "true": (True, ""),
    "an empty list": ([], ""),
    "an empty object": ({}, ""),
    "odd parts": ({"parts": [None, 1, [], {"type": "text", "text": 7}, {"type": "text"}]}, ""),
    "an odd type": ([{"type": [], "text": "a"}, {"type": {}, "content": "b"}], ""),
    "odd content": ({"content": {"a": 1}}, ""),
    "content that is a number": ({"content": 7}, ""),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_texts_of_each_shape_are_joined(name: str) -> None:
    content, text = TEXTS[name]
    message = Message(thread_id="t", resource_id="u", role="user", content=content)
    assert message.text == text


def test_what_is_nested_without_end_has_a_text_all_the_same() -> None:
    content: Any = "x"
    for _ in range(3000):
        content = [{"type": "message", "content": content}]
    message = Message(thread_id="t", resource_id="u", role="user", content=content)
    assert message.text == ""
