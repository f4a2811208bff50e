"""SemanticRecall: messages of earlier conversations, found by meaning; see ``turns``.

Tests: ``tests/test_semantic_recall.py``.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from math import isfinite
from typing import Any, cast

from anyio import to_thread

from redis_store._engine.database import Database
from redis_store.errors import InvalidArgumentError
from redis_store.memory.message_vectors import MessageVectors, Recall, Vector
from redis_store.memory.vector_codes import Code
from redis_store.models import Message

# Embeds texts: as many vectors as texts, in their order, all of as many dimensions.
Embed = Callable[[list[str]], Sequence[Vector] | Awaitable[Sequence[Vector]]]

# Who says what can be found: results of tools are long, and answers repeat what matters of them.
_ROLES = ("user", "assistant")
# The largest number that a vector keeps.
_MAX_FLOAT = 3.4e38


class SemanticRecall:
    """Embeds messages, and finds them.

    Args:
        db: The database.
        embed: Embeds texts. A function that is not asynchronous is called in a thread.
        recall: How many messages a turn recalls.
    """

    def __init__(self, db: Database, embed: Embed, recall: Recall) -> None:
        self._db = db
        self._embed = embed
        self._recall = recall

    async def codes(self, resource_id: str) -> list[Code]:
        """Read what a search compares first: one round trip."""
        return await MessageVectors(self._db, resource_id).codes()

    async def nearest(
        self, resource_id: str, query: Vector, codes: Sequence[Code], besides: Collection[str]
    ) -> list[Message]:
        """Return the messages that are nearest, with neighbours: one round trip."""
        vectors = MessageVectors(self._db, resource_id)
        return await vectors.nearest(query, codes, self._recall, besides)

    async def store(self, resource_id: str, messages: Sequence[Message]) -> int:
        """Embed stored messages, and store their vectors; return how many: one round trip."""
        chosen = [each for each in messages if is_found(each)]
        if chosen:
            found = await self.embed([each.text for each in chosen])
            await MessageVectors(self._db, resource_id).put(chosen, found)
        return len(chosen)

    async def complete(self, resource_id: str, messages: Sequence[Message]) -> int:
        """Embed those stored messages that have no vector of their text; return how many."""
        known = await MessageVectors(self._db, resource_id).known(messages)
        missing = [each for each, is_known in zip(messages, known, strict=True) if not is_known]
        return await self.store(resource_id, missing)

    async def forget(self, resource_id: str) -> None:
        """Remove all vectors of a resource: one round trip."""
        await self._db.command(*MessageVectors(self._db, resource_id).clearing())

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts, and check what comes back.

        Raises:
            InvalidArgumentError: These are not as many vectors of finite numbers, all of as many
                dimensions.
        """
        embed = self._embed
        given = [_whole(text) for text in texts]
        found: object
        if iscoroutinefunction(embed) or iscoroutinefunction(getattr(embed, "__call__", None)):  # noqa: B004 - what matters is what a call returns
            found = await cast("Awaitable[object]", embed(given))
        else:
            # A model that runs here would block the event loop.
            found = await to_thread.run_sync(partial(embed, given), abandon_on_cancel=True)
            if isawaitable(found):
                found = await found
        return _checked(found, len(texts))


def is_found(message: Message) -> bool:
    """Whether a message can be found by meaning."""
    return message.role in _ROLES and bool(message.text.strip())


def _checked(found: Any, count: int) -> list[list[float]]:
    try:
        vectors = [[float(each) for each in vector] for vector in found]
    except (TypeError, ValueError) as exc:
        raise InvalidArgumentError("embed", "must return vectors of numbers") from exc
    if len(vectors) != count:
        raise InvalidArgumentError("embed", f"gives {len(vectors)} vectors for {count} texts")
    dimensions = {len(vector) for vector in vectors}
    if len(dimensions) != 1 or 0 in dimensions:
        raise InvalidArgumentError("embed", f"gives vectors of {sorted(dimensions)} dimensions")
    if not all(isfinite(each) and abs(each) < _MAX_FLOAT for vector in vectors for each in vector):
        raise InvalidArgumentError("embed", "gives a number that is not finite")
    return vectors


def _whole(text: str) -> str:
    """Return a text whose half emoji are replaced, as no request can carry them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
