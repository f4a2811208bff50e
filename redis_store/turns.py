"""Memory for agents that call a model's SDK directly: the turns of a conversation.

Tests: ``tests/test_turns.py``.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

from redis_store._engine.arguments import (
    check_count,
    check_id,
    check_instance,
    check_json,
    check_thread_id,
)
from redis_store._engine.operations import named
from redis_store._engine.sharded_commit import uninterrupted
from redis_store._model_messages import acceptable, from_message, role_of, to_content
from redis_store.errors import InvalidArgumentError, ThreadNotFoundError
from redis_store.json_values import MAX_DEPTH, is_object
from redis_store.models import Message, Resource, Thread
from redis_store.store import RedisStore

TEMPLATE = """\
# About the user
- Name:
- Place and time zone:
- Preferences:
- Goals:
- Other facts:
"""
_INSTRUCTIONS = """\
This is what you know of the user from earlier conversations:
<working_memory>
{memory}
</working_memory>
When you learn something of the user that will matter later, call update_working_memory with the
whole text as it should be from now on. Keep what is still true, and do not mention it.
"""
_TOOL: dict[str, Any] = {
    "name": "update_working_memory",
    "description": "Replace what you know of the user by a new text. Include what is still true.",
    "parameters": {
        "type": "object",
        "properties": {"memory": {"type": "string", "description": "The whole text, in Markdown."}},
        "required": ["memory"],
        "additionalProperties": False,
    },
}


class Memory:
    """What an agent remembers: the last messages of a thread, and facts about its user.

    For agents that call a model's SDK directly::

        memory = Memory(store, last_messages=10, working_memory=True)
        async with memory.turn(thread="t1", resource="ana") as turn:
            turn.user("What is my name?")
            reply = await model(turn.messages, system=turn.instructions)
            turn.assistant(reply)

    It keeps nothing itself: threads, messages and resources are those of ``store.memory``, and a
    Mastra app with the same keys sees them.

    Args:
        store: A store. It is not closed here.
        last_messages: How many messages a turn recalls; ``None`` is all.
        working_memory: Whether turns recall and update the working memory of their resource.
        template: What the working memory is at first; a model fills it in.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        last_messages: int | None = 10,
        working_memory: bool = False,
        template: str = TEMPLATE,
    ) -> None:
        self._memory = check_instance("store", store, RedisStore).memory
        if last_messages is not None:
            check_count("last_messages", last_messages)
        self._last_messages = last_messages
        check_instance("template", template, str)
        self._template = template if working_memory else None

    @property
    def tool(self) -> dict[str, Any]:
        """The tool by which a model updates its working memory: name, description, parameters.

        It is ``turn.update_working_memory``. SDKs want the same in different places::

            {"type": "function", "function": memory.tool}  # OpenAI, chat completions
            {"type": "function", **memory.tool}  # OpenAI, responses
            {"function_declarations": [memory.tool]}  # Google; without additionalProperties
            {"name": …, "description": …, "input_schema": memory.tool["parameters"]}  # Anthropic
        """
        return deepcopy(_TOOL)

    @asynccontextmanager
    async def turn(self, *, thread: str, resource: str) -> "AsyncGenerator[Turn]":
        """Take a turn of a conversation: recall at its begin, save at its end.

        Recalling takes one round trip: it makes the thread if there is none (three with
        ``hash_tags``), and reads its last messages and the working memory. Saving takes one more
        (two with ``hash_tags``), two if the working memory changed
        (three).

        What the turn added is saved all together, or not at all. It is saved too if the block
        raises or is cancelled: the user said it, and tools were called; but a later turn leaves
        calls of tools that have no result out of its ``messages``, as models refuse them. The
        exception of the block is the one that is raised; if saving fails as well, a note says so.
        The working memory is a record of its own, saved at the same time.

        Messages of one turn stay together, after all that it has recalled; racing turns of a thread
        follow one another as they end. With ``read_from="replica"``, a turn may miss the newest.

        Args:
            thread: The thread's id.
            resource: Whose thread it is, and whose working memory: usually a user's id.

        Raises:
            ThreadNotFoundError: The thread belongs to another resource.
            InvalidArgumentError: A bad id.
        """
        with named("turn"):
            check_thread_id("thread", thread)
            check_id("resource", resource)
            begun = await self._recall(Thread(id=thread, resource_id=resource))
        try:
            yield begun
        except BaseException as error:
            try:
                await self._save(begun)
            except Exception as failure:  # noqa: BLE001 - the error of the block counts
                error.add_note(f"The turn was not saved: {failure!r}")
            raise
        await self._save(begun)

    async def _recall(self, wanted: Thread) -> "Turn":
        thread, messages, resource = await asyncio.gather(
            self._memory.get_or_create_thread(wanted),
            self._newest(wanted.id),
            self._resource(wanted.resource_id),
        )
        if thread.resource_id != wanted.resource_id:
            raise ThreadNotFoundError(thread.id)
        memory = self._template
        if memory is not None and resource is not None and resource.working_memory:
            memory = resource.working_memory
        return Turn(thread, messages, memory)

    async def _newest(self, thread_id: str) -> list[Message]:
        if self._last_messages == 0:
            return []
        page = await self._memory.list_messages(
            thread_id, per_page=self._last_messages, direction="desc", include_total=False
        )
        return page.items[::-1]

    async def _resource(self, resource_id: str) -> Resource | None:
        if self._template is None:
            return None
        return await self._memory.get_resource_by_id(resource_id)

    async def _save(self, turn: "Turn") -> None:
        messages, memory = turn.end()
        writes: list[Coroutine[Any, Any, object]] = []
        if messages:
            writes.append(self._memory.save_messages(messages, create_thread=True))
        if memory is not None:
            resource = turn.thread.resource_id
            writes.append(self._memory.update_resource(resource, working_memory=memory))
        with named("turn"):
            await uninterrupted(_all(writes))


class Turn:
    """A turn of a conversation, as ``Memory.turn`` begins it.

    Attributes:
        thread: The thread, as it was recalled.
        recalled: Its last messages, as they are stored, oldest first.
        messages: What to give the model: the recalled messages, and those added since. Each is a
            dict with ``role`` and ``content``, or as it was added.
        working_memory: What is known of the user; ``None`` without ``working_memory=True``.
    """

    def __init__(self, thread: Thread, recalled: list[Message], working_memory: str | None) -> None:
        self.thread = thread
        self.recalled = recalled
        items = (from_message(message) for message in recalled)
        self.messages = acceptable([item for item in items if item is not None])
        self.working_memory = working_memory
        self._added: list[dict[str, Any]] = []
        self._learned: str | None = None
        self._ended = False

    @property
    def instructions(self) -> str:
        """What to tell the model beside your own instructions; empty without working memory."""
        if self.working_memory is None:
            return ""
        return _INSTRUCTIONS.format(memory=self.working_memory.strip())

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


async def _all(calls: list[Coroutine[Any, Any, object]]) -> None:
    """Make calls at once, so that they share a write, and wait for all of them."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
