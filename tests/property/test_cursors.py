"""Pages by cursor are exact whatever is saved and deleted between them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store import Message, Page, RedisStore
from redis_store.pages import Direction
from tests.property.model_comparison import place_on, scanning
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST
from tests.support.records.builders import message, thread
from tests.support.records.messages import ids

# Few dates, which touch, so that messages tie and push each other's scores up.
dates = st.integers(0, 3)


class Writes(NamedTuple):
    """What others do between two pages."""

    deleted: list[int]  # of those that are there, by distance from the cursor
    saved: list[int]  # dates of new ones


writes = st.builds(
    Writes,
    deleted=st.lists(st.integers(-5, 5), max_size=8),
    saved=st.lists(dates, max_size=4),
)


class Walk(NamedTuple):
    """Pages to the end of a thread, and back to its start."""

    first: list[int]
    size: int
    direction: Direction
    filters: dict[str, Any]
    meanwhile: list[Writes]


walks = st.builds(
    Walk,
    first=st.lists(dates, min_size=3, max_size=12),
    size=st.integers(1, 4),
    direction=st.sampled_from(("asc", "desc")),
    filters=st.sampled_from(({}, {}, {"resource_id": "u"}, {"metadata": {"k": 1}})),
    # So few in all that a cursor names every message of its date.
    meanwhile=st.lists(writes, max_size=3),
)


class World:
    """A thread's messages in the store, and in the order of the contract."""

    def __init__(self, store: RedisStore, walk: Walk) -> None:
        self._store = store
        self._walk = walk
        self._count = 0
        # Its sort key: date, then insertion.
        self.key_of: dict[str, tuple[int, int]] = {}
        self._there: dict[str, Message] = {}

    async def save(self, us_of_each: list[int]) -> None:
        """Save new messages in one batch."""
        batch: list[Message] = []
        for us in us_of_each:
            n = self._count
            self._count += 1
            one = message(f"m{n}", us, resource_id="uuv"[n % 3], metadata={"k": n % 2})
            self.key_of[one.id] = (us, n)
            self._there[one.id] = one
            batch.append(one)
        await self._store.memory.save_messages(batch)

    async def work(self, others: Writes, key: tuple[int, int]) -> None:
        """Save and delete, near a message of this key."""
        there = sorted(self._there, key=self.key_of.__getitem__)
        near = sum(self.key_of[id_] < key for id_ in there)
        doomed = {there[near + n] for n in others.deleted if 0 <= near + n < len(there)}
        await self._store.memory.delete_messages(list(doomed))
        for id_ in doomed:
            del self._there[id_]
        await self.save(others.saved)

    def listing(self) -> list[str]:
        """What matches the filters, in the direction of the walk."""
        wanted = self._walk.filters
        found = [
            id_
            for id_, one in self._there.items()
            if wanted.get("resource_id") in (None, one.resource_id)
            and wanted.get("metadata") in (None, one.content["metadata"])
        ]
        return sorted(found, key=self.key_of.__getitem__, reverse=self._walk.direction == "desc")

    def check(self, up: list[str], rest: list[str], cursor: "At") -> None:
        """Assert that a cursor splits the listing at its place, as far as that is known."""
        assert up + rest == self.listing()
        descending = self._walk.direction == "desc"
        for id_ in (*up, *rest):
            key = self.key_of[id_]
            # A message that came later is on the side of its date. If it shares the date of the
            # cursor, whose messages may all be gone, either side is right as long as no page has
            # shown it.
            if id_ in cursor.known or key[0] != cursor.key[0]:
                is_newer = key > cursor.key if cursor.follows else key >= cursor.key
                assert (id_ in up) == (is_newer == descending)


class At(NamedTuple):
    """The place next to a message, and the messages whose side of it is certain."""

    key: tuple[int, int]
    follows: bool
    known: set[str]


async def _follow(store: RedisStore, reader: RedisStore, walk: Walk) -> None:
    """Walk to the end and back; before each step others write."""
    await store.memory.save_thread(thread("t"))
    world, pending = World(store, walk), iter(walk.meanwhile)
    await world.save(walk.first)
    options: dict[str, Any] = {"direction": walk.direction, **walk.filters}

    async def read(size: int | None = walk.size, **cursor: Any) -> Page[Message]:
        page = await reader.memory.list_messages("t", per_page=size, **options, **cursor)
        listing = world.listing()
        assert page.total == len(listing)
        # An empty page is at the start if it precedes its cursor, else at the end.
        start = listing.index(ids(page)[0]) if page else 0 if "before" in cursor else len(listing)
        assert page.has_more == (start + len(page) < len(listing))
        assert (page.next_cursor is None) != page.has_more
        assert (page.previous_cursor is None) == (start == 0)
        return page

    async def step(page: Page[Message], *, is_down: bool) -> Page[Message]:
        cursor = page.next_cursor if is_down else page.previous_cursor
        key = world.key_of[ids(page)[-1 if is_down else 0]]
        # New messages come last of their date, so a place that precedes its messages may only know
        # those that were there from the start, or were shown.
        follows = is_down == (walk.direction == "asc")
        shown.update(ids(page))
        place = At(key, follows, set(world.listing()) if follows else there | shown)
        await world.work(next(pending, Writes([], [])), key)
        up, rest = ids(await read(None, before=cursor)), ids(await read(None, after=cursor))
        world.check(up, rest, place)
        last = await read(before=cursor)
        assert ids(last) == up[-walk.size :]
        first = await read(after=cursor)
        assert ids(first) == rest[: walk.size]
        return first if is_down else last

    there, shown = set(world.listing()), set[str]()
    page = await read()
    assert ids(page) == world.listing()[: walk.size]
    while page.next_cursor is not None and page.items:
        page = await step(page, is_down=True)
    while page.previous_cursor is not None and page.items:
        page = await step(page, is_down=False)


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@given(walk=walks)
@settings(max_examples=150, deadline=None, print_blob=True)
async def test_no_page_repeats_or_skips_a_message(
    walk: Walk, layout: str, servers: Mapping[str, Server]
) -> None:
    """Nor shows one out of order, in either direction, with any filter."""
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, _),
        place.store() as store,
    ):
        await _follow(store, store, walk)
        await store.memory.dangerously_clear_all()


@given(walk=walks)
@settings(max_examples=50, deadline=None, print_blob=True)
async def test_a_store_that_scans_is_as_exact(walk: Walk, servers: Mapping[str, Server]) -> None:
    async with (
        place_on(servers[FIRST], hash_tags=False) as (place, _),
        place.store() as store,
        scanning(place) as reader,
    ):
        await _follow(store, reader, walk)
        await store.memory.dangerously_clear_all()
