"""Opening: an adapter on a store of its own, as a context manager of both kinds."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from redis_store._portal import Portal
from redis_store.store import RedisStore

A = TypeVar("A")
T = TypeVar("T")


class Opening(Generic[A]):
    """Opens a store for an adapter, and closes it: ``with`` or ``async with``, once.

    Args:
        store: The store.
        adapter: What the block is given.
    """

    def __init__(self, store: RedisStore, adapter: A) -> None:
        self._store = store
        self._adapter = adapter

    def __enter__(self) -> A:
        self._store.sync().__enter__()
        return self._adapter

    def __exit__(self, *exc_info: object) -> None:
        self._store.sync().close()

    async def __aenter__(self) -> A:
        await self._store.__aenter__()
        return self._adapter

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._store.__aexit__(kind, error, traceback)


def iterate(portal: Portal, start: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """Iterate in a portal, beginning with the first item that is asked for."""
    items = start()

    async def following() -> T:
        return await anext(items)

    async def close() -> None:
        closing: Callable[[], Awaitable[None]] | None = getattr(items, "aclose", None)
        if closing is not None:
            await closing()

    try:
        while True:
            try:
                yield portal.call(following)
            except StopAsyncIteration:
                return
    finally:
        portal.call(close)
