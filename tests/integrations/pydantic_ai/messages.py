"""Messages, and conversations as they can be compared."""

from typing import Any

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)


def asked(text: str = "hi") -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(content=text)])


def answered(text: str = "é") -> ModelResponse:
    return ModelResponse(parts=[TextPart(content=text)])


def shown(text: str) -> ModelRequest:
    """A message with bytes that are no UTF-8."""
    file = BinaryContent(data=b"\xff\x00", media_type="application/pdf")
    return ModelRequest(parts=[UserPromptPart(content=[text, file])])


def new(id_: str = "c", *messages: ModelMessage) -> Conversation:
    return Conversation(conversation_id=id_, messages=list(messages))


async def loaded(store: ConversationStore, id_: str = "c", **how: Any) -> Conversation:
    found = await store.load(id_, **how)
    assert found is not None
    return found


def texts(conversation: Conversation) -> list[str]:
    return [str(part.content) for each in conversation.messages for part in each.parts]  # type: ignore[union-attr]


def seen(conversation: Conversation | None) -> object:
    """All of a conversation but its revision, which is random."""
    if conversation is None:
        return None
    fields = conversation.messages, conversation.usage, conversation.conversation_id
    return (*fields, conversation.revision is None, conversation.deferred_tool_requests)
