"""Random listings of messages, compared with what a naive search in a list would return."""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from redis_store import DateRange, Include, Message, Page, RedisStore
from tests.support.records.builders import at, message
from tests.support.records.messages import ids, make_threads

THREADS = ["t0", "t1", "t2", "empty"]
# Each holds one resource, or several, in one of the shapes that a reader may treat differently.
RESOURCES = {"t0": "u", "t1": "uv", "t2": "uvw"}
ROUNDS = 60


class Naive:
    """Messages in the order in which they were inserted, and listings that look at each."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._ordered = sorted(messages, key=lambda m: m.created_at)

    def page(
        self,
        threads: Sequence[str],
        *,
        page: int,
        per_page: int | None,
        resource_id: str | None = None,
        direction: str = "asc",
        date_range: DateRange | None = None,
        metadata: dict[str, Any] | None = None,
        include: Sequence[Include] = (),
    ) -> tuple[list[str], int, bool]:
        """Return the ids, total and has_more that a listing must have."""
        ordered = self._ordered if direction == "asc" else self._ordered[::-1]
        included = {m.id for item in include for m in self._window(item, resource_id)}
        matching = [
            m
            for m in ordered
            if m.thread_id in threads
            and resource_id in (None, m.resource_id)
            and _within(m.created_at, date_range)
            and (metadata or {}).items() <= m.content.get("metadata", {}).items()
        ]
        if per_page == 0:
            return [m.id for m in ordered if m.id in included], 0, False
        end = None if per_page is None else (page + 1) * per_page
        shown = matching[page * (per_page or 0) : end]
        after = matching[end:] if end is not None and shown else []
        more = any(metadata or m.id not in included for m in after)
        wanted = included | {m.id for m in shown}
        return [m.id for m in ordered if m.id in wanted], len(matching), more

    def _window(self, item: Include, resource_id: str | None) -> list[Message]:
        target = next((m for m in self._ordered if m.id == item.id), None)
        if target is None or resource_id not in (None, target.resource_id):
            return []
        around = [
            m
            for m in self._ordered
            if m.thread_id == target.thread_id and resource_id in (None, m.resource_id)
        ]
        index = around.index(target)
        first = max(0, index - item.with_previous_messages)
        return around[first : index + item.with_next_messages + 1]


def _within(moment: datetime, date_range: DateRange | None) -> bool:
    if date_range is None:
        return True
    after = date_range.start is None or moment >= date_range.start
    before = date_range.end is None or moment <= date_range.end
    open_start = date_range.start_exclusive and moment == date_range.start
    open_end = date_range.end_exclusive and moment == date_range.end
    return after and before and not open_start and not open_end


class Chance:
    """Draws messages and the arguments of listings."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - which calls, not a secret

    def messages(self) -> list[Message]:
        """Some that tie and touch within each thread, but never between threads."""
        return [self._message(n) for n in range(self._random.choice([5, 30, 60]))]

    def _message(self, n: int) -> Message:
        place = self._random.randrange(3)
        return message(
            f"m{n}",
            3 * self._random.randrange(8) + place,
            thread_id=f"t{place}",
            resource_id=self._random.choice(RESOURCES[f"t{place}"]),
            metadata={"k": self._random.randrange(3), "half": n % 2 == 0},
        )

    def threads(self) -> list[str]:
        return self._random.sample(THREADS, self._random.choice([1, 1, 2, 4]))

    def options(self) -> dict[str, Any]:
        per_page = self._random.choice([None, 0, 1, 2, 5, 40])
        chosen: dict[str, Any] = {
            "per_page": per_page,
            "page": 0 if per_page is None else self._random.choice([0, 0, 1, 2, 9]),
            "direction": self._random.choice(["asc", "desc"]),
            "include": [self._include() for _ in range(self._random.choice([0, 1, 3]))],
        }
        if self._random.random() < 0.3:
            chosen["metadata"] = self._random.choice([{"k": 1}, {"k": 2, "half": True}, {"x": 1}])
        if self._random.random() < 0.4:
            chosen["date_range"] = self._range()
        return chosen

    def resource(self) -> str | None:
        return self._random.choice([None, None, "u", "v", "w", "x"])

    def _include(self) -> Include:
        chosen = self._random.choice
        return Include(f"m{self._random.randrange(70)}", chosen([0, 1, 2, 50]), chosen([0, 1, 3]))

    def _range(self) -> DateRange:
        start, end = (self._random.choice([None, at(self._random.randrange(25))]) for _ in "se")
        flags = self._random.choices([True, False], k=2)
        return DateRange(start, end, *flags)


def check(listed: Page[Message], uncounted: Page[Message], expected: object) -> None:
    """Compare a page, and the same without a total, with what is expected."""
    assert (ids(listed), listed.total, listed.has_more) == expected
    assert (uncounted.items, uncounted.has_more) == (listed.items, listed.has_more)


@pytest.mark.parametrize("seed", range(3))
async def test_any_listing_of_threads_is_what_a_search_finds(store: RedisStore, seed: int) -> None:
    """LIST-01 to LIST-10, PAGE-03: every option, alone and together."""
    chance = Chance(seed)
    messages = chance.messages()
    naive = Naive(messages)
    await make_threads(store, *THREADS)
    await store.memory.save_messages(messages)
    for _ in range(ROUNDS):
        threads, options = chance.threads(), chance.options()
        options["resource_id"] = chance.resource()
        asked: Any = threads[0] if len(threads) == 1 else threads
        listed = await store.memory.list_messages(asked, **options)
        uncounted = await store.memory.list_messages(asked, **options, include_total=False)
        check(listed, uncounted, naive.page(threads, **options))


@pytest.mark.parametrize("seed", range(2))
async def test_any_listing_of_a_resource_is_what_a_search_finds(
    store: RedisStore, seed: int
) -> None:
    """LIST-12: the same options over all threads."""
    chance = Chance(100 + seed)
    messages = chance.messages()
    naive = Naive(messages)
    await make_threads(store, *THREADS)
    await store.memory.save_messages(messages)
    for _ in range(ROUNDS):
        resource_id, options = chance.resource() or "v", chance.options()
        listed = await store.memory.list_messages_by_resource_id(resource_id, **options)
        uncounted = await store.memory.list_messages_by_resource_id(
            resource_id, **options, include_total=False
        )
        check(listed, uncounted, naive.page(THREADS, resource_id=resource_id, **options))
