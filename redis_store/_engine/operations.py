"""What the domains share: the batch, and the frame around a public call."""

from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import wraps
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar

from redis_store._connections.current_call import CURRENT, Call
from redis_store._engine.database import Batch
from redis_store.errors import BackendError

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


class Repository:
    """A part of a domain."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._keys = batch.keys


@contextmanager
def named(name: str) -> Generator[None]:
    """Name the public call in the code of a BackendError that leaves the block."""
    try:
        yield
    except BackendError as error:
        _name(error, name)
        raise


def _name(error: BackendError, name: str) -> None:
    error.code = f"{name}_{error.code}".upper()


def operation(method: Method[S, P, T]) -> Method[S, P, T]:
    """Make a method a public call: ``named`` after itself, with a deadline."""
    return _public(method, reads=False)


def query(method: Method[S, P, T]) -> Method[S, P, T]:
    """Make a method a public call that only reads, so that a replica may answer it."""
    return _public(method, reads=True)


def _public(method: Method[S, P, T], *, reads: bool) -> Method[S, P, T]:
    name = method.__name__

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        # One that another one makes is a part of it.
        token = CURRENT.set(Call(monotonic(), reads)) if CURRENT.get() is None else None
        try:
            return await method(self, *args, **kwargs)
        except BackendError as error:
            _name(error, name)
            raise
        finally:
            if token is not None:
                CURRENT.reset(token)

    return call


def unbounded(method: Method[S, P, T]) -> Method[S, P, T]:
    """Make a method a public call that takes as long as it needs: each step has the deadline."""
    name = method.__name__

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with named(name):
            return await method(self, *args, **kwargs)

    return call
