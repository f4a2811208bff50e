"""Turn: one turn of a conversation; see ``turns``.

Tests: ``tests/test_turns.py``, ``tests/test_semantic_recall.py``.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from redis_store._engine.arguments import check_instance, check_json
from redis_store._engine.operations import named
from redis_store._model_messages import acceptable, from_message, role_of, to_content
from redis_store.errors import InvalidArgumentError
from redis_store.json_values import MAX_DEPTH, is_object
from redis_store.models import Message, Thread

_INSTRUCTIONS = """\
This is what you know of the user from earlier conversations:
<working_memory>
{memory}
</working_memory>
When you learn something of the user that will matter later, call update_working_memory with the
whole text as it should be from now on. Keep what is still true, and do not mention it.
"""
_REMEMBERED = """\
These earlier messages, of this conversation or others, may matter now:
<remembered>
{messages}
</remembered>
"""


class Turn:
    """A turn of a conversation, as ``Memory.turn`` begins it.

    Attributes:
        thread: The thread, as it was recalled.
        recalled: Its last messages, as they are stored, oldest first.
        messages: What to give the model: the recalled messages, and those added since. Each is a
            dict with ``role`` and ``content``, or as it was added.
        working_memory: What is known of the user; ``None`` without ``working_memory=True``.
        recalled_by_meaning: The messages of any of the user's threads that are nearest to the
            query, with their neighbours, without those of ``recalled``: by thread, oldest first.
            Empty without a query.
    """

    def __init__(
        self,
        thread: Thread,
        recalled: list[Message],
        working_memory: str | None,
        recalled_by_meaning: Sequence[Message] = (),
    ) -> None:
        self.thread = thread
        self.recalled = recalled
        self.recalled_by_meaning = list(recalled_by_meaning)
        items = (from_message(message) for message in recalled)
        self.messages = acceptable([item for item in items if item is not None])
        self.working_memory = working_memory
        self._added: list[dict[str, Any]] = []
        self._learned: str | None = None
        self._ended = False

    @property
    def instructions(self) -> str:
        """What to tell the model beside your own instructions: what is known, and remembered.

        Empty without working memory and messages recalled by meaning. These are texts with date
        and role.
        """
        parts: list[str] = []
        if self.working_memory is not None:
            parts.append(_INSTRUCTIONS.format(memory=self.working_memory.strip()))
        said = [
            f"{each.created_at:%Y-%m-%d} {each.role}: {each.text}"
            for each in self.recalled_by_meaning
            if each.text
        ]
        if said:
            parts.append(_REMEMBERED.format(messages="\n".join(said)))
        return "\n".join(parts)

    def user(self, content: Any) -> dict[str, Any]:
        """Add a message of the user: see ``add``."""
        return self._add("content", {"role": "user", "content": content})

    def assistant(self, content: Any) -> dict[str, Any]:
        """Add an answer of the model: see ``add``.

        Args:
            content: A text, or the parts that the SDK gave, such as Anthropic's ``reply.content``.
        """
        return self._add("content", {"role": "assistant", "content": content})

    def add(self, *messages: Any) -> None:
        """Add messages as the SDK has them: dicts, or objects that have a JSON form.

        They come back as they were given, as dicts, in this and later turns: messages with calls of
        tools, their results, OpenAI's items and Google's contents, which have a ``role`` or a
        ``type``.

        Raises:
            InvalidArgumentError: One has no JSON form, or is no message; those before it were
                added.
        """
        for message in messages:
            self._add("messages", message)

    def update_working_memory(self, memory: str) -> str:
        """Replace what is known of the user; it is saved at the end of the turn.

        A tool for models: see ``Memory.tool``. Of turns of a user that race, the last one to end
        decides; ``store.memory.merge_working_memory`` loses no update.

        Args:
            memory: The whole text.

        Returns:
            What to tell the model.

        Raises:
            InvalidArgumentError: It is no text.
        """
        self._check_open()
        if self.working_memory is None:
            raise RuntimeError("this memory has no working memory: Memory(working_memory=True)")
        with named("update_working_memory"):
            check_instance("memory", memory, str)
        self.working_memory = self._learned = memory
        return "Updated."

    def end(self) -> tuple[list[Message], str | None]:
        """End the turn; return what to save: messages, and working memory if it was replaced."""
        self._ended = True
        thread = self.thread
        messages = [
            Message(
                thread_id=thread.id,
                resource_id=thread.resource_id,
                role=role_of(item),
                content=item,
            )
            for item in self._added
        ]
        # One date for all: those with dates of their own could be parted by another turn's. Never
        # before what was recalled, as the clock of the process that saved that may be ahead.
        dates = [message.created_at for message in (*messages[:1], *self.recalled[-1:])]
        for message in messages:
            message.created_at = max(dates)
            message.content = to_content(message.content, message.text)
        return messages, self._learned

    def _add(self, argument: str, message: Any) -> dict[str, Any]:
        self._check_open()
        with named("turn"):
            item: object = check_json(argument, message, MAX_DEPTH - 1)
            if not is_object(item) or not (item.keys() & {"role", "type"}):
                raise InvalidArgumentError(argument, "must be a dict with a role or type", message)
        # A copy is saved, as the caller's may change until then.
        self._added.append(deepcopy(item))
        self.messages.append(item)
        return item

    def _check_open(self) -> None:
        if self._ended:
            raise RuntimeError("the turn has ended: what is added now would not be saved")
