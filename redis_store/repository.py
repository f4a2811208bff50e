"""What the domains share: the batch, and the frame around a public call."""

from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from redis_store.batch import Batch
from redis_store.errors import BackendError

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


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
        error.code = f"{name}_{error.code}".upper()
        raise


def operation(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Make a method a public call: ``named`` after itself."""

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with named(method.__name__):
            return await method(self, *args, **kwargs)

    return call
