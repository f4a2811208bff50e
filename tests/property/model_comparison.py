"""Makes the calls of a program on a store and on a model, and compares."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from redis_store import Page, RedisStore, RedisStoreError
from redis_store._engine.keys import Keys
from tests.property.program_calls import Call
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.records.json_values import same
from tests.support.wire.raw import Raw


class RefusedError(Exception):
    """The call must raise the error of this name, and change nothing."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


async def outcome(target: object, name: str, arguments: dict[str, Any]) -> Any:
    """What a store or a model returns, or the name of the error that it raises."""
    try:
        reply = getattr(target, name)(**arguments)
        if inspect.isasyncgen(reply):
            return [item async for item in reply]
        result = await reply if inspect.isawaitable(reply) else reply
        return _without_cursors(result) if hasattr(result, "next_cursor") else result
    except RedisStoreError as error:
        return type(error).__name__
    except RefusedError as refused:
        return refused.error


def _without_cursors(page: Page[Any]) -> Page[Any]:
    """A page as the model has it; its cursors have tests of their own."""
    assert page.next_cursor is None or page.has_more
    return replace(page, next_cursor=None, previous_cursor=None)


@asynccontextmanager
async def place_on(server: Server, *, hash_tags: bool) -> AsyncGenerator[tuple[Place, Raw]]:
    """A place of its own on a server, in which the block may leave nothing but the marker."""
    keys = Keys(f"program*[a-z]?\\{uuid4().hex}:", hash_tags=hash_tags)
    async with Raw(server.url) as raw:
        try:
            yield Place(server.url, keys), raw
        finally:
            left = await raw.keys(keys.prefix)
            await raw("DEL", keys.marker(), *left)
    assert left == []


def scanning(place: Place) -> RedisStore:
    """Build a store on the same data that trusts no index."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    return RedisStore(place.url, key_prefix=prefix, hash_tags=hash_tags, indexes="scan")


async def follow(
    program: Iterable[Call], store: object, model: object, check: Callable[[], Awaitable[None]]
) -> None:
    """Make each call on both, compare what it returned, and check after each that may write.

    The model is called first: so it knows a moment before the store's own call.
    """
    for each in program:
        given = deepcopy(each.arguments)
        expected = "InvalidArgumentError"
        if not each.wrong:
            expected = await outcome(model, each.name, each.arguments)
        actual = await outcome(store, each.name, each.arguments)
        assert same(each.arguments, given), f"changed its arguments: {each}"
        if not each.reads:
            await check()
        _assert_same(each, actual, expected)


async def compare(views: Iterable[Call], store: object, model: object) -> None:
    """Assert that a store shows what a model shows."""
    for view in views:
        actual = await outcome(store, view.name, view.arguments)
        _assert_same(view, actual, await outcome(model, view.name, view.arguments))


def _assert_same(call: Call, actual: object, expected: object) -> None:
    assert same(actual, expected), f"{call}: {actual!r} is not {expected!r}"
