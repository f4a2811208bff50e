"""Runs calls of several stores in one order of their round trips after another.

Chance finds few of the orders in which two clients' requests can reach a server. Here each order is
a trial, and a test sees all of them, or a random choice where there are too many.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain, islice, repeat
from typing import Any

from redis_store import MemoryStore, RedisStore, RedisStoreError
from tests.support.deployments.place import Place
from tests.support.schedules.round_trip_gates import Gate, gated_store
from tests.support.schedules.waiting import until

Call = Callable[[MemoryStore], Awaitable[object]]
Choose = Callable[[list[Any]], Any]

# What chooses the orders in which no call waits for another.
_ENDS: tuple[Choose, ...] = (min, max)


class Order:
    """One order of round trips: at each step, which of the waiting calls goes on."""

    def __init__(
        self,
        memories: Sequence[MemoryStore],
        gates: Sequence[Gate],
        chosen: Sequence[int],
        choose: Choose,
    ) -> None:
        self._memories = memories
        self._gates = gates
        self._chosen = chosen
        self._choose_freely = choose
        self._steps: list[tuple[int, list[int]]] = []

    async def run(self, *calls: Call) -> list[object]:
        """Run calls, each on a store of its own.

        Returns:
            What each call returned, or the library's error that it raised.
        """
        tasks = [
            asyncio.ensure_future(call(memory))
            for call, memory in zip(calls, self._memories, strict=True)
        ]
        moved = asyncio.Event()
        for gate, task in zip(self._gates, tasks, strict=True):
            gate.shut, gate.moved = True, moved
            task.add_done_callback(lambda _: moved.set())
        try:
            while waiting := await self._waiting(tasks, moved):
                self._gates[self._choose(waiting)].let_through()
        finally:
            for gate in self._gates:
                gate.open()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return [_raised(outcome) for outcome in outcomes]

    async def _waiting(
        self, tasks: Sequence["asyncio.Future[object]"], moved: asyncio.Event
    ) -> list[int]:
        """Wait until no call can go on by itself, and return those that are not done."""
        while True:
            running = [at for at, task in enumerate(tasks) if not task.done()]
            if all(self._gates[at].holds for at in running):
                return running
            moved.clear()
            await moved.wait()

    def _choose(self, waiting: list[int]) -> int:
        at = len(self._steps)
        free = at >= len(self._chosen)
        choice: int = self._choose_freely(waiting) if free else self._chosen[at]
        self._steps.append((choice, waiting))
        return choice

    def others(self) -> Iterator[list[int]]:
        """Begin every order that is first different from this one where its choices were free."""
        for at in range(len(self._chosen), len(self._steps)):
            before = [choice for choice, _ in self._steps[:at]]
            choice, waiting = self._steps[at]
            yield from ([*before, other] for other in waiting if other != choice)


def _raised(outcome: object) -> object:
    if isinstance(outcome, BaseException) and not isinstance(outcome, RedisStoreError):
        raise outcome
    return outcome


class Interleaving:
    """The orders in which calls of several stores can meet."""

    # What bounds every search of a run, as the quick matrix does.
    most_orders = 1_000

    def __init__(self, memories: Sequence[MemoryStore], gates: Sequence[Gate]) -> None:
        self._memories = memories
        self._gates = gates

    def orders(self, at_most: int = 20) -> Iterator[Order]:
        """Give each order once, for one run of the same calls on the same data.

        The first lets one call after the other run, the second the other way round.
        """
        left: list[list[int]] = [[]]
        for choose in islice(chain(_ENDS, repeat(random.choice)), min(at_most, self.most_orders)):
            if not left:
                return
            chosen = choose(left)
            left.remove(chosen)
            order = Order(self._memories, self._gates, chosen, choose)
            yield order
            left += order.others()


@asynccontextmanager
async def interleaving(place: Place, stores: int = 2) -> AsyncGenerator[Interleaving]:
    """Open further stores on a test's data, to run calls on them in all orders."""
    async with AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(gated_store(place)) for _ in range(stores)]
        yield Interleaving([store.memory for store, _ in pairs], [gate for _, gate in pairs])


async def between(
    place: Place,
    call: Callable[[RedisStore], Awaitable[Any]],
    other: Callable[[], Awaitable[object]],
    *,
    after: int = 1,
) -> Any:
    """Make a call on a store of its own, and another in the midst of it.

    Args:
        place: Where the data lies.
        call: The first call; what it returns is returned.
        other: The call in between.
        after: How many requests of the first go before: as a rule 1 has read, 2 have written.
    """
    async with gated_store(place) as (gated, gate):
        gate.shut = True
        task = asyncio.ensure_future(call(gated))
        for _ in range(after):
            await until(lambda: gate.holds, "a request")
            gate.let_through()
        await until(lambda: gate.holds or task.done(), "the next request, or the end")
        await other()
        gate.open()
        return await task
