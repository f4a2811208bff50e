"""Memory for agents that call a model's SDK directly: the turns of a conversation.

Tests: ``tests/test_turns.py``.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

from redis_store._engine.arguments import (
    check_count,
    check_id,
    check_instance,
    check_text,
    check_thread_id,
)
from redis_store._engine.operations import named
from redis_store._engine.sharded_commit import uninterrupted
from redis_store._parts import database_of, portal_of
from redis_store._semantic_recall import Embed, SemanticRecall
from redis_store._sync_turns import Calls, SyncMemory
from redis_store._turn import Turn
from redis_store.errors import InvalidArgumentError, ThreadNotFoundError
from redis_store.memory.message_vectors import Recall, Vector
from redis_store.memory.vector_codes import Code
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
# Messages that are embedded at once.
_BATCH = 100
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

    **Semantic recall** finds messages of any of the user's threads by meaning, with your embedding
    function and no module of the server::

        memory = Memory(store, embed=embed, semantic_recall=3)
        async with memory.turn(thread="t2", resource="ana", query=question) as turn:
            reply = await model([turn.user(question)], system=turn.instructions)

    Messages of users and assistants that turns save are embedded at the end of the turn; others,
    and those that were edited or moved since, by ``embed_messages``. A search reads one bit for
    each dimension of all the resource's vectors (1.3 MB for 5,000 of 1,536 dimensions), and in
    full the 50 whose bits are nearest, or ten times as many as are wanted: that is exact for up to
    50, and finds nearly all of the best ten among 5,000, in some 60 ms. It suits what one user
    remembers; a search of more than 5,000 is refused: keep so many in a vector database. A vector
    takes about 5 bytes a dimension. One whose message is gone is never found; readers, ``prune``
    and ``verify(repair=True)`` remove it, and ``erase_resource`` removes all. With ``thread_ttl``,
    vectors live that long after the resource's last turn with a query or a save.

    Args:
        store: A store. It is not closed here.
        last_messages: How many messages a turn recalls; ``None`` is all.
        working_memory: Whether turns recall and update the working memory of their resource.
        template: What the working memory is at first; a model fills it in.
        embed: Returns the vectors of texts, asynchronously or not; one that is not asynchronous is
            called in a thread.
        semantic_recall: How many messages a turn with a query recalls by meaning (``topK``).
        message_range: How many neighbours of each come with it, on either side.

    Raises:
        InvalidArgumentError: A bad argument; ``embed`` without ``semantic_recall``, or without it.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        last_messages: int | None = 10,
        working_memory: bool = False,
        template: str = TEMPLATE,
        embed: Embed | None = None,
        semantic_recall: int = 0,
        message_range: int = 1,
    ) -> None:
        self._memory = check_instance("store", store, RedisStore).memory
        if last_messages is not None:
            check_count("last_messages", last_messages)
        self._last_messages = last_messages
        self._portal = portal_of(store)
        check_instance("template", template, str)
        self._template = template if working_memory else None
        check_count("semantic_recall", semantic_recall)
        check_count("message_range", message_range)
        if embed is not None and not callable(embed):
            raise InvalidArgumentError("embed", "must be a function of texts", embed)
        if (embed is None) == bool(semantic_recall):
            raise InvalidArgumentError("semantic_recall", "needs embed=, and embed= needs it")
        self._semantic: SemanticRecall | None = None
        if embed is not None:
            recall = Recall(semantic_recall, message_range)
            self._semantic = SemanticRecall(database_of(store), embed, recall)

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

    def sync(self) -> SyncMemory:
        """Return this memory with calls that block: ``with memory.sync().turn(...) as turn``.

        For scripts, views and tasks without an event loop; from any thread.
        """
        calls = Calls(self._begin, self._fail, self._end, self.embed_messages)
        return SyncMemory(calls, self.tool, self._portal)

    @asynccontextmanager
    async def turn(
        self, *, thread: str, resource: str, query: str | None = None
    ) -> AsyncGenerator[Turn]:
        """Take a turn of a conversation: recall at its begin, save at its end.

        Recalling takes one round trip: it makes the thread if there is none (three with
        ``hash_tags``), and reads its last messages and the working memory. With a query it takes
        one more, to recall by meaning. Saving takes one more (two with ``hash_tags``), two if the
        working memory changed (three), and with ``embed`` one more, after the messages were
        embedded.

        What the turn added is saved all together, or not at all. It is saved too if the block
        raises or is cancelled: the user said it, and tools were called; but a later turn leaves
        calls of tools that have no result out of its ``messages``, as models refuse them. The
        exception of the block is the one that is raised; if saving fails as well, a note says so.
        The working memory is a record of its own, saved at the same time. What ``embed`` raises is
        raised: at the begin there is no turn then; at the end the turn is saved, without vectors,
        and a note says so. A turn that is cancelled embeds nothing.

        Messages of one turn stay together, after all that it has recalled; racing turns of a thread
        follow one another as they end. With ``read_from="replica"``, a turn may miss the newest.

        Args:
            thread: The thread's id.
            resource: Whose thread it is, and whose working memory: usually a user's id. All its
                threads are searched by meaning.
            query: What to recall by meaning, usually what the user says; ``None`` and blank are
                nothing. Not added to the turn.

        Raises:
            ThreadNotFoundError: The thread belongs to another resource.
            InvalidArgumentError: A bad id; a query without ``embed``, or a search of too many
                vectors; ``embed`` returns something else than vectors of one length.
        """
        begun = await self._begin(thread, resource, query)
        try:
            yield begun
        except BaseException as error:
            await self._fail(begun, error)
            raise
        await self._end(begun)

    async def embed_messages(self, resource: str, *, anew: bool = False) -> int:
        """Embed the messages of a resource's threads that have no vector of their text.

        For those that another writer saved, that were edited, or whose turn failed to embed them.
        Two round trips for each 100 messages, and one for each 100 that are embedded.

        Args:
            resource: The resource.
            anew: Whether to remove all its vectors first, as after a change of the model.

        Returns:
            How many were embedded.
        """
        check_id("resource", resource)
        if self._semantic is None:
            raise RuntimeError("this memory has no embed: Memory(embed=…, semantic_recall=…)")
        embedded = 0
        if anew:
            await self._semantic.forget(resource)
        for thread in await self._memory.list_threads(resource_id=resource, per_page=None):
            batch: list[Message] = []
            async for message in self._memory.iter_messages(thread.id, batch_size=_BATCH):
                batch.append(message)
                if len(batch) == _BATCH:
                    embedded += await self._semantic.complete(resource, batch)
                    batch = []
            embedded += await self._semantic.complete(resource, batch)
        return embedded

    async def _begin(self, thread: str, resource: str, query: str | None) -> Turn:
        with named("turn"):
            check_thread_id("thread", thread)
            check_id("resource", resource)
            check_text("query", query)
            if query and self._semantic is None:
                raise InvalidArgumentError("query", "needs Memory(embed=, semantic_recall=)")
            wanted = Thread(id=thread, resource_id=resource)
            return await self._recall(wanted, (query or "").strip())

    async def _end(self, turn: Turn) -> None:
        messages = await self._save(turn)
        try:
            await self._embed(turn.thread.resource_id, messages)
        except Exception as error:
            error.add_note("The turn was saved, without vectors.")
            raise

    async def _fail(self, turn: Turn, error: BaseException) -> None:
        """Save a turn whose block raised; if that fails, a note of its error says so."""
        note = "The turn was not saved"
        try:
            messages = await self._save(turn)
            note = "The turn was saved, without vectors"
            if isinstance(error, Exception):
                await self._embed(turn.thread.resource_id, messages)
        except Exception as failure:  # noqa: BLE001 - the error of the block counts
            error.add_note(f"{note}: {failure!r}")

    async def _recall(self, wanted: Thread, query: str) -> Turn:
        reads = (
            asyncio.ensure_future(self._memory.get_or_create_thread(wanted)),
            asyncio.ensure_future(self._newest(wanted.id)),
            asyncio.ensure_future(self._resource(wanted.resource_id)),
            asyncio.ensure_future(self._codes(wanted.resource_id, query)),
            asyncio.ensure_future(self._vector(query)),
        )
        await _all(reads)
        thread, messages, resource = (reads[0].result(), reads[1].result(), reads[2].result())
        codes, vector = reads[3].result(), reads[4].result()
        if thread.resource_id != wanted.resource_id:
            raise ThreadNotFoundError(thread.id)
        memory = self._template
        if memory is not None and resource is not None and resource.working_memory:
            memory = resource.working_memory
        found: list[Message] = []
        if self._semantic is not None and codes:
            besides = {message.id for message in messages}
            found = await self._semantic.nearest(thread.resource_id, vector, codes, besides)
        return Turn(thread, messages, memory, found)

    async def _codes(self, resource_id: str, query: str) -> Sequence[Code]:
        if self._semantic is None or not query:
            return ()
        return await self._semantic.codes(resource_id)

    async def _vector(self, query: str) -> Vector:
        if self._semantic is None or not query:
            return ()
        (vector,) = await self._semantic.embed([query])
        return vector

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

    async def _save(self, turn: Turn) -> list[Message]:
        messages, memory = turn.end()
        writes: list[Coroutine[Any, Any, object]] = []
        if messages:
            writes.append(self._memory.save_messages(messages, create_thread=True))
        if memory is not None:
            resource = turn.thread.resource_id
            writes.append(self._memory.update_resource(resource, working_memory=memory))
        with named("turn"):
            await uninterrupted(_all(writes))
        return messages

    async def _embed(self, resource_id: str, messages: list[Message]) -> None:
        if self._semantic is not None:
            with named("turn"):
                await self._semantic.store(resource_id, messages)


async def _all(calls: Iterable[Awaitable[object]]) -> None:
    """Make calls at once, so that they share a write, and wait for all, also if one fails."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
