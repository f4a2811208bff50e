"""Callers that keep on writing and reading while things break, and what they were told."""

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from time import monotonic
from typing import Any, NamedTuple

from redis_store import RedisStore, RedisStoreError
from redis_store._engine.keys import Keys
from tests.support.inspection.invariants import check_invariants, mend_hints
from tests.support.records.builders import message, thread
from tests.support.schedules.waiting import until
from tests.support.wire.raw import connect_raw

_LOG = logging.getLogger(__name__)
# Seconds between two calls of one caller: many callers, few calls, so that checking takes no time.
_PACE = 0.02
# A thread's metadata changes with every so many messages of a writer.
_UPDATE_EVERY = 5

Step = Callable[[int], Coroutine[Any, Any, None]]


class Surfaced(NamedTuple):
    """An error that reached a caller."""

    seconds: float
    call: str
    code: str
    in_doubt: bool


class Figures(NamedTuple):
    """How callers fared.

    Attributes:
        acknowledged: How many writes were.
        after_fault: How many of them after the fault began.
        errors: How many errors reached a caller.
        recovery: The longest time in seconds, from the fault on, for which no write to some thread
            was acknowledged.
    """

    acknowledged: int
    after_fault: int
    errors: int
    recovery: float


class Workload:
    """Writers and readers of some threads.

    Args:
        store: What they share.
        thread_ids: The threads; ``running`` creates them.
        writers: How many tasks save messages of their own and change metadata of their own.
        readers: How many tasks read what is known to be stored.
    """

    def __init__(
        self, store: RedisStore, thread_ids: list[str], *, writers: int = 25, readers: int = 25
    ) -> None:
        self._memory = store.memory
        self._thread_ids = thread_ids
        self._callers: Sequence[Step] = [self._write] * writers + [self._read] * readers
        self._stopping = False
        self._began = self._ended = monotonic()
        self._fault: float | None = None
        self._attempted: dict[str, str] = {}
        self._acknowledged: dict[str, str] = {}
        self._last_update: dict[tuple[str, str], int] = {}
        self._stamps: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: list[Surfaced] = []

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Let all call during the block, from when each thread was written to on."""
        for id_ in self._thread_ids:
            await self._memory.save_thread(thread(id_))
        self._began = monotonic()
        callers = [
            asyncio.create_task(self._repeat(step, number))
            for number, step in enumerate(self._callers)
        ]
        try:
            await self.writes(len(self._thread_ids))
            yield
        finally:
            self._stopping = True
            await asyncio.gather(*callers)
            self._ended = monotonic()

    def fault(self) -> None:
        """Note that something breaks now; what follows is measured from the first time on."""
        self._fault = self._fault or monotonic()

    async def writes(self, more: int, timeout: float = 15) -> None:  # noqa: ASYNC109 - as until
        """Wait until each thread has had so many more writes acknowledged."""
        wanted = {id_: len(self._stamps[id_]) + more for id_ in self._thread_ids}
        await until(
            lambda: all(len(self._stamps[id_]) >= n for id_, n in wanted.items()),
            f"{more} more writes to each thread",
            timeout,
        )

    def figures(self) -> Figures:
        """Count; call it after the work."""
        assert self._fault is not None, "nothing broke"
        since = self._fault
        gaps = [
            later - earlier
            for stamps in self._stamps.values()
            for earlier, later in pairwise([since, *filter(since.__lt__, stamps), self._ended])
        ]
        return Figures(
            acknowledged=sum(map(len, self._stamps.values())),
            after_fault=sum(map(since.__lt__, itertools.chain(*self._stamps.values()))),
            errors=len(self.errors),
            recovery=max(gaps),
        )

    async def check(self, url: str, keys: Keys, store: RedisStore) -> None:
        """Assert that all that was acknowledged is there, and every record and index agrees.

        In the hash-tagged layout hints may have been at odds, nothing else.
        """
        _LOG.info("%s", self.figures())
        if keys.hash_tags:
            await mend_hints(store)
        async with connect_raw(url) as raw:
            await check_invariants(raw, keys)
        found = {
            each.id: id_
            for id_ in self._thread_ids
            for each in await store.memory.list_messages(id_, per_page=None)
        }
        assert self._acknowledged.items() - found.items() == set(), "acknowledged, but lost"
        assert found.items() - self._attempted.items() == set(), "never written, but there"
        for (thread_id, field), value in self._last_update.items():
            stored = await store.memory.get_thread_by_id(thread_id)
            assert stored is not None
            assert stored.metadata[field] >= value, "an acknowledged update is lost"

    async def _repeat(self, step: Step, number: int) -> None:
        while not self._stopping:
            try:
                await step(number)
            except RedisStoreError as error:
                self._note(error)
            await asyncio.sleep(_PACE)

    def _note(self, error: RedisStoreError) -> None:
        method, _, code = error.code.partition("_BACKEND_")
        in_doubt = bool(error.details.get("in_doubt"))
        surfaced = Surfaced(monotonic() - self._began, method, code, in_doubt)
        _LOG.info("%s: %s", surfaced, error)
        self.errors.append(surfaced)

    async def _write(self, number: int) -> None:
        thread_id = self._thread_ids[number % len(self._thread_ids)]
        id_ = f"{thread_id} {number} {len(self._attempted)}"
        self._attempted[id_] = thread_id
        # Each is the thread's newest, as an agent's are: the dates of some writers tie.
        await self._memory.save_messages([message(id_, len(self._attempted), thread_id=thread_id)])
        self._acknowledged[id_] = thread_id
        self._stamps[thread_id].append(monotonic())
        if len(self._attempted) % _UPDATE_EVERY == 0:
            await self._update(thread_id, f"of writer {number}")

    async def _update(self, thread_id: str, field: str) -> None:
        value = self._last_update.get((thread_id, field), 0) + 1
        await self._memory.update_thread(thread_id, metadata={field: value})
        self._last_update[thread_id, field] = value

    async def _read(self, number: int) -> None:
        thread_id = self._thread_ids[number % len(self._thread_ids)]
        known = next((i for i in reversed(self._acknowledged) if i.startswith(thread_id)), None)
        found = await self._memory.get_thread_by_id(thread_id)
        assert found is not None
        assert found.id == thread_id
        page = await self._memory.list_messages(thread_id, per_page=20)
        assert {each.thread_id for each in page} <= {thread_id}, "another caller's reply"
        assert all(each.text == each.id for each in page)
        if known is not None:
            by_id = await self._memory.list_messages_by_id([known])
            assert [each.id for each in by_id] == [known], "acknowledged, but not read"
