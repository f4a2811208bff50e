"""Who makes which call when, and on what data."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

from benchmarks.dataset import OWNED, Dataset
from benchmarks.operations import Operation
from benchmarks.processes import Entrant
from benchmarks.protocol import Request, Sample


class Turn:
    """One contender's turn at one operation."""

    def __init__(self, data: Dataset, operation: Operation, entrant: Entrant, tag: str) -> None:
        self.operation = operation
        self.entrant = entrant
        self._data = data
        self._tag = tag

    @asynccontextmanager
    async def prepared(self, times: int) -> AsyncGenerator[Request]:
        """Give the request; remove afterwards what it saved."""
        request = self.operation.request(self._tag, times)
        if self.operation.is_save:
            await self._data.open_scratch(request.threads[0])
        yield request
        saved = self.operation.saved(times)
        if self.operation.is_save:
            await self._data.drop_scratch(request.threads[0], self._tag, saved)
        elif saved:
            await self._data.drop_saved(self._tag, saved)

    def check(self, sample: Sample) -> None:
        """Raise ValueError unless the contender did what it was asked to."""
        if sample.got != self.operation.got:
            raise ValueError(
                f"{self.entrant.name} gave {sample.got} records for {self.operation.name}, "
                f"not {self.operation.got}"
            )


class Order:
    """Operations, and contenders in turn at each of them.

    Args:
        data: What they work on.
        operations: The operations; those of agents last.
        entrants: The contenders.
        progress: Told what comes next.
    """

    def __init__(
        self,
        data: Dataset,
        operations: Sequence[Operation],
        entrants: Sequence[Entrant],
        progress: Callable[[str], object],
    ) -> None:
        self.operations = operations
        self.entrants = entrants
        self._data = data
        self._progress = progress
        self._numbers = count()

    async def turns(
        self, title: str, laps: Callable[[Operation], int] = lambda _: 1, shift: int = 0
    ) -> AsyncIterator[Turn]:
        """Go through all operations, on fresh data.

        Args:
            title: What progress is shown as.
            laps: How often the contenders take turns at an operation.
            shift: Which contender begins; at each further lap it is the next one.
        """
        await self._data.reset()
        has_agents = False
        for operation in self.operations:
            if operation.is_turn and not has_agents:
                await self._data.add_agents()
                has_agents = True
            for lap in range(laps(operation)):
                for entrant in self._from(shift + lap):
                    self._progress(f"{title}: {operation.name}, {entrant.name}")
                    yield Turn(self._data, operation, entrant, f"m{next(self._numbers)}")

    def _from(self, shift: int) -> list[Entrant]:
        first = shift % len(self.entrants)
        return [*self.entrants[first:], *self.entrants[:first]]

    def warmup(self) -> Request:
        """Build a request that opens as many connections as any other does."""
        return Request(call="get_each", threads=list(OWNED))
