"""Operations: the decorators of public calls, and the base class of the domains.

A decorated method is a public call. Its deadline counts from its start, and errors that leave it
have its name in their codes, so nothing below needs to know which call it serves.

Tests: ``tests/test_errors.py``, ``tests/faults/test_outages.py``,
``tests/faults/test_replication.py``.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import wraps
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar

from redis_store._connections.current_call import Call, current_call, under_way
from redis_store._engine.database import Database
from redis_store.errors import RedisStoreError

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]
Iterating = Callable[Concatenate[S, P], AsyncIterator[T]]


class Repository:
    """A group of calls of a domain, on one database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._keys = db.keys


@contextmanager
def named(operation: str) -> Generator[None]:
    """Name the public call in an error that leaves the block."""
    try:
        yield
    except RedisStoreError as error:
        error.add_operation(operation)
        raise


def operation(method: Method[S, P, T]) -> Method[S, P, T]:
    """Make a method a public call, which has a deadline and is named in its errors."""
    return _public(method, reads=False)


def query(method: Method[S, P, T]) -> Method[S, P, T]:
    """Make a method a public call that only reads, so that replicas may serve it."""
    return _public(method, reads=True)


def _public(method: Method[S, P, T], *, reads: bool) -> Method[S, P, T]:
    name = method.__name__

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        # A public call made by another shares the outer call's deadline.
        token = current_call.set(Call(monotonic(), reads)) if current_call.get() is None else None
        try:
            return await method(self, *args, **kwargs)
        except RedisStoreError as error:
            error.add_operation(name)
            raise
        finally:
            if token is not None:
                current_call.reset(token)

    return call


def lookup(method: Method[S, P, T]) -> Method[S, P, T]:
    """Make a method that reads by one ``Database.ask`` a public call: that has the deadline.

    If it sends more, it does so within ``reading``.
    """
    return unbounded(method)


@contextmanager
def reading() -> Generator[None]:
    """Give all that a lookup sends in the block one deadline."""
    with under_way(current_call.get() or Call(monotonic(), read_only=True)):
        yield


def unbounded(method: Method[S, P, T]) -> Method[S, P, T]:
    """Make a method a public call without a deadline of its own: each request has one."""
    name = method.__name__

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(self, *args, **kwargs)
        except RedisStoreError as error:
            error.add_operation(name)
            raise

    return call


def iteration(method: Iterating[S, P, T]) -> Iterating[S, P, T]:
    """Make a method that returns an async iterator a public call: each request has a deadline."""
    name = method.__name__

    @wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        # Not a generator function: arguments are checked at the call, not at the first item.
        with named(name):
            items = method(self, *args, **kwargs)
        return _each_named(name, items)

    return call


async def _each_named(name: str, items: AsyncIterator[T]) -> AsyncIterator[T]:
    with named(name):
        async for item in items:
            yield item
