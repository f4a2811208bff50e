"""Waiting for a condition, instead of for a time."""

import inspect
from collections.abc import Callable

import anyio


async def until(
    predicate: Callable[[], object],
    what: str,
    timeout: float = 5.0,  # noqa: ASYNC109 - shorter where it is called than a scope around it
) -> None:
    """Ask an async or sync predicate every 10 ms until it is true.

    Raises:
        AssertionError: It was not within ``timeout`` seconds; the message names ``what``.
    """
    with anyio.move_on_after(timeout):
        while True:
            answer = predicate()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await anyio.sleep(0.01)
    raise AssertionError(f"not within {timeout} s: {what}")
