"""Who makes which call when, and on what data."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from benchmarks.dataset import AGENT_LENGTH, MIDDLE, OWNED, Dataset
from benchmarks.operations import Operation
from benchmarks.processes import Entrant, Worker
from benchmarks.protocol import Request, Sample

# How much longer than the others' a peer's threads may become by turns, as writing hundreds of
# them anew takes long.
_SLACK: Final = AGENT_LENGTH // 20


class Turn:
    """One contender's turn at one operation."""

    def __init__(self, data: Dataset, operation: Operation, entrant: Entrant, tag: str) -> None:
        self.operation = operation
        self.entrant = entrant
        self._data = data
        self._tag = tag

    @asynccontextmanager
    async def prepared(self, worker: Worker, times: int) -> AsyncGenerator[Request]:
        """Give the request; remove afterwards what it saved."""
        request = self.operation.request(self._tag, times)
        if self.entrant.is_peer:
            request.threads = self._threads_of_peer(request)
            await worker.measure(self._preparing(request.threads))
            yield request
            return
        if self.operation.is_save:
            await self._data.open_scratch(request.threads[0])
        yield request
        await self._tidy(request, self.operation.saved(times))

    def _threads_of_peer(self, request: Request) -> list[str]:
        """List one per agent, as it makes them itself; to save, a new one per call.

        In the same thread its second call would find what the first one saved, and read it too.
        """
        if self.operation.is_save:
            return [f"{request.threads[0]}-{i}" for i in range(request.times)]
        return request.threads[: self.operation.agents]

    def _preparing(self, threads: list[str]) -> Request:
        length = 0 if self.operation.is_save else AGENT_LENGTH
        slack = _SLACK if self.operation.is_turn else 0
        return Request(call="prepare", threads=threads, size=length, slack=slack)

    async def _tidy(self, request: Request, saved: int) -> None:
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
                for entrant in self._from(operation, shift + lap):
                    self._progress(f"{title}: {operation.name}, {entrant.name}")
                    yield Turn(self._data, operation, entrant, f"m{next(self._numbers)}")

    def _from(self, operation: Operation, shift: int) -> list[Entrant]:
        able = [entrant for entrant in self.entrants if entrant.takes_part(operation.name)]
        first = shift % len(able)
        return [*able[first:], *able[:first]]

    def warmup(self, entrant: Entrant) -> Request:
        """Build a request that opens as many connections as others do; of a peer, one."""
        if entrant.is_peer:
            return Request(call="prepare", threads=[MIDDLE], size=AGENT_LENGTH)
        return Request(call="get_each", threads=list(OWNED))
