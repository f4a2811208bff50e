"""The trials of a comparison: which contender makes which call when, and on what data."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from benchmarks.contenders.contender import Contender
from benchmarks.contenders.protocol import Request, Sample
from benchmarks.runner.rounds import Report
from benchmarks.runner.workers import Worker
from benchmarks.studies.comparison.dataset import AGENT_LENGTH, MIDDLE, OWNED, Dataset
from benchmarks.studies.comparison.operations import Operation

# Turns may lengthen a peer's threads by this much before it rewrites them, as that takes long.
_SLACK: Final = AGENT_LENGTH // 20


class Trial:
    """A batch of calls of one operation by one contender."""

    def __init__(self, data: Dataset, operation: Operation, contender: Contender, tag: str) -> None:
        self.operation = operation
        self.contender = contender
        self._data = data
        self._tag = tag

    @asynccontextmanager
    async def prepared(self, worker: Worker, times: int) -> AsyncGenerator[Request]:
        """Prepare the data and yield the request; afterwards remove the messages saved."""
        request = self.operation.request(self._tag, times)
        if self.contender.is_peer:
            request.threads = self._peer_threads(request)
            await worker.measure(self._prepare_peer(request.threads))
            yield request
            return
        if self.operation.is_save:
            await self._data.add_scratch(request.threads[0])
        yield request
        await self._clean_up(request, self.operation.saved(times))

    def _peer_threads(self, request: Request) -> list[str]:
        """List the threads that a peer creates: one per agent, or per call if calls save.

        Some peers read the thread before they save, so each save needs an empty one.
        """
        if self.operation.is_save:
            return [f"{request.threads[0]}-{i}" for i in range(request.times)]
        return request.threads[: self.operation.agents]

    def _prepare_peer(self, threads: list[str]) -> Request:
        length = 0 if self.operation.is_save else AGENT_LENGTH
        slack = _SLACK if self.operation.is_turn else 0
        return Request(call="prepare", threads=threads, size=length, slack=slack)

    async def _clean_up(self, request: Request, saved: int) -> None:
        if self.operation.is_save:
            await self._data.drop_scratch(request.threads[0], self._tag, saved)
        elif saved:
            await self._data.drop_saved(self._tag, saved)

    def check(self, sample: Sample) -> None:
        """Raise ValueError unless the calls read or wrote as many records as they must."""
        if sample.got != self.operation.got:
            raise ValueError(
                f"{self.contender.name} gave {sample.got} records for {self.operation.name}, "
                f"not {self.operation.got}"
            )


class Schedule:
    """The order of trials: at each operation, the contenders in turn.

    Args:
        data: The data on the server.
        operations: The operations; those of agents last.
        contenders: The contenders.
        report: Told of each trial.
    """

    def __init__(
        self,
        data: Dataset,
        operations: Sequence[Operation],
        contenders: Sequence[Contender],
        report: Report,
    ) -> None:
        self.operations = operations
        self.contenders = contenders
        self._data = data
        self._report = report
        self._numbers = count()

    async def trials(
        self, title: str, repeats: Callable[[Operation], int] = lambda _: 1, shift: int = 0
    ) -> AsyncIterator[Trial]:
        """Iterate over the trials of all operations, on new data.

        Args:
            title: The phase that progress shows.
            repeats: How many trials each contender has at an operation.
            shift: The number of the contender that begins; with each repeat the next one does, so
                that none always comes after the same one.
        """
        await self._data.reset()
        has_agents = False
        for operation in self.operations:
            if operation.is_turn and not has_agents:
                await self._data.add_agents()
                has_agents = True
            for repeat in range(repeats(operation)):
                for contender in self._rotated(operation, shift + repeat):
                    self._report(f"{title}: {operation.name}, {contender.name}")
                    yield Trial(self._data, operation, contender, f"m{next(self._numbers)}")

    def _rotated(self, operation: Operation, shift: int) -> list[Contender]:
        able = [each for each in self.contenders if each.can(operation.name)]
        first = shift % len(able)
        return [*able[first:], *able[:first]]

    def warmup(self, contender: Contender) -> Request:
        """Build a request that opens the connections a contender uses; of a peer, one."""
        if contender.is_peer:
            return Request(call="prepare", threads=[MIDDLE], size=AGENT_LENGTH)
        return Request(call="get_each", threads=list(OWNED))
