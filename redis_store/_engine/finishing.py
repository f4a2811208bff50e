"""Steps that, once begun, are finished: what is left between two of them would be half a change."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from anyio import CancelScope

T = TypeVar("T")


async def finished(steps: Coroutine[Any, Any, T]) -> T:
    """Await steps to their end, also where the caller is cancelled meanwhile.

    The shield stops the scopes of anyio, but not ``Task.cancel()``, which ``asyncio.timeout`` and
    ``asyncio.wait_for`` use: so the steps have a task of their own. The caller is cancelled once
    they ended; cancelled a second time, it does not wait for them.
    """
    task = asyncio.ensure_future(steps)
    with CancelScope(shield=True):
        try:
            await asyncio.wait([task])
        finally:
            await asyncio.wait([task])
            # Whoever was cancelled does not ask, and asyncio would log what nobody asked for.
            _ = task.cancelled() or task.exception()
    return task.result()
