"""Stores whose round trips can be held back, to run calls in an order of the test's choosing."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from redis_store import RedisStore
from tests.support.deployments.place import Place


class Gate:
    """Stands before every request and every reply of one store; open until it is shut.

    Attributes:
        shut: Whether what comes is held.
        holds_replies: Whether replies are held too, not only requests.
        moved: Set whenever something is held; whoever waits for it clears it.
    """

    def __init__(self) -> None:
        self.shut = False
        self.holds_replies = False
        self.moved = asyncio.Event()
        self._held: list[asyncio.Event] = []

    @property
    def holds(self) -> bool:
        """Whether something is held now."""
        return bool(self._held)

    def let_through(self) -> None:
        """Let through what has been held longest."""
        self._held.pop(0).set()

    def open(self) -> None:
        """Let everything through, from now on too."""
        self.shut = False
        while self._held:
            self.let_through()

    async def enter(self) -> None:
        """Wait to be let through."""
        if not self.shut:
            return
        turn = asyncio.Event()
        self._held.append(turn)
        self.moved.set()
        try:
            await turn.wait()
        finally:
            if turn in self._held:
                self._held.remove(turn)


@asynccontextmanager
async def gated_store(place: Place) -> AsyncGenerator[tuple[RedisStore, Gate]]:
    """Open a further store on a test's data, behind a gate."""
    gate = Gate()
    store = place.store()
    deployment = cast("Any", store)._lifecycle.deployment  # noqa: SLF001 - what every request passes
    for name in ("send", "ask", "scan"):
        setattr(deployment, name, _gated(gate, getattr(deployment, name)))
    async with store:
        yield store, gate


def _gated(gate: Gate, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def gated(*args: Any, **kwargs: Any) -> Any:
        await gate.enter()
        reply = await call(*args, **kwargs)
        if gate.holds_replies:
            await gate.enter()
        return reply

    return gated
