"""A model that says what a script tells it to, for the SDK's own runner."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import Model, ModelResponse, Usage
from agents.items import TResponseInputItem, TResponseOutputItem, TResponseStreamEvent
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
)
from openai.types.responses.response_reasoning_item import Summary

Script = Callable[[list[TResponseInputItem]], list[TResponseOutputItem]]


class ScriptedModel(Model):
    """Answers each request with what ``script`` makes of its input; ``seen`` has the inputs."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.seen: list[list[TResponseInputItem]] = []

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - the model's interface
        input: str | list[TResponseInputItem],  # noqa: A002 - the model's interface
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        return ModelResponse(self._answer(input), Usage(), response_id=None)

    async def stream_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - the model's interface
        input: str | list[TResponseInputItem],  # noqa: A002 - the model's interface
        *_: Any,
        **__: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:
        response = Response(
            id="r1",
            created_at=0,
            model="scripted",
            object="response",
            output=self._answer(input),
            parallel_tool_calls=False,
            tool_choice="none",
            tools=[],
        )
        yield ResponseCompletedEvent(
            response=response, sequence_number=0, type="response.completed"
        )

    def _answer(self, given: str | list[TResponseInputItem]) -> list[TResponseOutputItem]:
        items: list[TResponseInputItem] = (
            [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
        )
        self.seen.append(items)
        return self._script(items)


def says(text: str) -> ResponseOutputMessage:
    content = [ResponseOutputText(type="output_text", text=text, annotations=[])]
    return ResponseOutputMessage(
        id="m1", type="message", role="assistant", content=[*content], status="completed"
    )


def thinks(text: str) -> ResponseReasoningItem:
    return ResponseReasoningItem(
        id="rs1", type="reasoning", summary=[Summary(type="summary_text", text=text)]
    )


def calls(tool: str, arguments: str, call_id: str) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call", id="fc1", name=tool, arguments=arguments, call_id=call_id
    )
