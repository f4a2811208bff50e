"""Cancels a call at each point where it waits for the server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

import anyio

from tests.support.schedules.round_trip_gates import Gate

How = Literal["task", "scope"]
Call = Callable[[], Awaitable[object]]


async def cancelled_at(
    point: int, call: Call, gate: Gate, how: How, meanwhile: Call | None = None
) -> bool:
    """Run a call and cancel it where it waits for the nth time, from 0.

    Points lie before each request, and before each reply, which comes all the same.

    Args:
        point: The number of the wait.
        call: The call.
        gate: The gate of its store.
        how: By cancelling its task, as asyncio does, or a scope around it, as anyio does.
        meanwhile: A call of another store, made while the cancelled one waits.

    Returns:
        Whether the call waited so often; if not, it ran to its end.
    """
    scope = anyio.CancelScope()

    async def run() -> None:
        with scope:
            await call()

    gate.shut = gate.holds_replies = True
    task = asyncio.ensure_future(run())
    task.add_done_callback(lambda _: gate.moved.set())
    try:
        for _ in range(point):
            await _waiting(task, gate)
            gate.let_through()
        await _waiting(task, gate)
        if meanwhile is not None:
            await meanwhile()
        scope.cancel() if how == "scope" else task.cancel()
    except _EndedError:
        return False
    finally:
        gate.open()
        with suppress(asyncio.CancelledError):
            await task
    # A scope cannot cancel a call that shields its last steps, and that is right.
    assert how == "scope" or task.cancelled(), "the cancellation was swallowed"
    return True


class _EndedError(Exception):
    pass


async def _waiting(task: "asyncio.Future[None]", gate: Gate) -> None:
    while not gate.holds:
        if task.done():
            raise _EndedError
        gate.moved.clear()
        await gate.moved.wait()
