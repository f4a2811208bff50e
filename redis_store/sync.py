"""Synchronous stores: the calls of a ``RedisStore``, blocking, from any thread.

Scripts, Django views, Celery tasks and the synchronous halves of agent frameworks use these. The
calls run in one thread with an event loop of its own, the portal, so they may be made from many
threads at once, and where another event loop runs (which they block meanwhile).

Signatures stand in ``sync.pyi``, which ``make format`` writes from the asynchronous classes.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, Self

from redis_store._portal import Portal
from redis_store.errors import StoreClosedError

# An asynchronous client of no use to blocking callers, and what gives this object.
_LOOP_BOUND = frozenset({"get_client", "from_url", "sync"})


class _Blocking:
    """The public attributes of an asynchronous object, whose coroutine functions block.

    Args:
        asynchronous: The object.
        portal: Where its coroutines run.
    """

    def __init__(self, asynchronous: Any, portal: Portal) -> None:
        self._asynchronous = asynchronous
        self._portal = portal

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self._asynchronous!r}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in _LOOP_BOUND:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        attribute = getattr(self._asynchronous, name)
        return self._blocking(attribute) if callable(attribute) else attribute

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._asynchronous)})

    def _blocking(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            if iscoroutinefunction(method):
                return self._portal.call(partial(method, *args, **kwargs))
            result = method(*args, **kwargs)
            return self._iterate(result) if hasattr(result, "__anext__") else result

        return call

    def _iterate(self, items: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._portal.call(items.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self._portal.call(items.aclose)


class SyncMemoryStore(_Blocking):
    """The calls of ``MemoryStore``, blocking."""


class SyncWorkflowStore(_Blocking):
    """The calls of ``WorkflowStore``, blocking."""


class SyncScoreStore(_Blocking):
    """The calls of ``ScoreStore``, blocking."""


class SyncCacheStore(_Blocking):
    """The calls of ``CacheStore``, blocking."""


class SyncRedisStore(_Blocking):
    """A ``RedisStore`` whose calls block: ``with RedisStore(url).sync() as store``.

    Every call of the store and of its domains, with the same arguments, results and errors, from
    any thread. Leaving the context, or ``close()``, closes the store and ends the portal's thread.

    Args:
        store: The asynchronous store; it may be used beside this one.
    """

    def __init__(self, store: Any) -> None:
        super().__init__(store, store._portal)  # noqa: SLF001 - adapters block there too
        self._closed = False
        self.memory = SyncMemoryStore(store.memory, self._portal)
        self.workflows = SyncWorkflowStore(store.workflows, self._portal)
        self.scores = SyncScoreStore(store.scores, self._portal)
        self.cache = SyncCacheStore(store.cache, self._portal)

    def __enter__(self) -> Self:
        try:
            self.init()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def get_store(self, name: str) -> _Blocking | None:
        """Return the domain of that name, or ``None``."""
        domains: dict[str, _Blocking] = {
            "memory": self.memory,
            "workflows": self.workflows,
            "scores": self.scores,
            "cache": self.cache,
        }
        return domains.get(name)

    def close(self) -> None:
        """Close the store in every event loop, and end the portal's thread. Idempotent."""
        if not self._closed:
            self._closed = True
            with suppress(StoreClosedError):  # its asynchronous form was closed before
                self._portal.call(self._asynchronous.close)
            self._portal.stop()
