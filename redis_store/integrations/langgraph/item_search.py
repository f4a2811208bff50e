"""ItemSearch: items by namespace, filter and meaning."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from redis_store._engine import vectors
from redis_store._engine.vectors import cosine, distance, sign_code
from redis_store.integrations.langgraph.item_keys import ItemPlace, Namespace
from redis_store.integrations.langgraph.items import Items, StoredItem, Wanted
from redis_store.integrations.langgraph.records import corrupt

# Items per read where a filter may leave out some.
_CHUNK = 200
# Vectors of which so few are compared in full, however few are asked for; and else so many times
# as many as are asked for.
_LEAST, _FACTOR = 200, 10


class Found(NamedTuple):
    """An item, and how near it is; ``None`` if it was not compared."""

    item: StoredItem
    score: float | None


class Search(NamedTuple):
    """What is searched for.

    Attributes:
        prefix: The labels that namespaces start with.
        offset: How many to skip.
        limit: How many to return.
        wanted: Whether an item counts, or ``None`` for each.
    """

    prefix: Namespace
    offset: int
    limit: int
    wanted: Callable[[StoredItem], bool] | None = None


class ItemSearch:
    """Searches items.

    Args:
        items: Reads the items.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    async def newest(self, search: Search) -> list[Found]:
        """Return items, the latest changed first: three round trips.

        One more for each 200 items with a filter, or if some have expired.
        """
        namespaces = await self._items.namespaces(search.prefix)
        limit = search.offset + search.limit
        bound = None if search.wanted else limit
        while True:
            places = await self._items.newest(namespaces, bound)
            reading = _Reading(self._items, search, [Wanted(place) for place in places])
            found = [Found(item, None) async for item in reading.items(limit)]
            # Only where some places were left out did those that have expired take others' room.
            if not await reading.drop_expired() or bound is None or len(places) < bound:
                return found[search.offset :]

    async def nearest(self, search: Search, query: Sequence[float]) -> list[Found]:
        """Return items, the nearest to a vector first, then those without vectors.

        Four round trips. A code of one bit a dimension tells which vectors are worth comparing; of
        up to 200, all are.

        Raises:
            InvalidArgumentError: There are more than 5,000 vectors.
        """
        namespaces = await self._items.namespaces(search.prefix)
        count, codes = await self._items.codes(namespaces, vectors.MAX_COMPARED)
        vectors.check_number(count, "search a longer namespace_prefix")
        code = sign_code(query)
        by_code = sorted((distance(code, each), place, path) for place, path, each in codes)
        enough = max(_LEAST, _FACTOR * (search.offset + search.limit))
        paths: dict[ItemPlace, list[str]] = {}
        for _, place, path in by_code:
            paths.setdefault(place, []).append(path)
        reading = _Reading(self._items, search, [Wanted(*each) for each in paths.items()])
        found: list[Found] = []
        compared = 0
        async for item in reading.items():
            with corrupt(item.key):
                scores = [cosine(query, vector) for vector in item.vectors]
            found.append(Found(item, max(scores, default=None)))
            compared += len(scores)
            if compared >= enough:
                break
        await reading.drop_expired()
        found.sort(key=lambda each: -2.0 if each.score is None else each.score, reverse=True)
        missing = search.offset + search.limit - len(found)
        if missing > 0:
            places = await self._items.newest(namespaces)
            others = [Wanted(place) for place in places if place not in paths]
            rest = _Reading(self._items, search, others)
            found += [Found(item, None) async for item in rest.items(missing)]
            await rest.drop_expired()
        return found[search.offset :][: search.limit]


class _Reading:
    """Reads items in chunks, leaves out those that are not wanted, and notes those that expired."""

    def __init__(self, items: Items, search: Search, places: Sequence[Wanted]) -> None:
        self._items = items
        self._wanted = search.wanted
        self._places = places
        self._expired: dict[ItemPlace, Sequence[str]] = {}

    async def items(self, limit: int | None = None) -> AsyncIterator[StoredItem]:
        """Iterate over the items, up to a number of them."""
        count = 0
        for first in range(0, len(self._places), _CHUNK):
            chunk = self._places[first : first + _CHUNK]
            for wanted, item in zip(
                chunk, await self._items.get(chunk, refresh=False), strict=True
            ):
                if count == limit:
                    return
                if item is None:
                    self._expired[wanted.place] = wanted.paths
                elif self._wanted is None or self._wanted(item):
                    yield item
                    count += 1

    async def drop_expired(self) -> int:
        """Take those that have expired out of listings; return how many."""
        return await self._items.drop(self._expired) if self._expired else 0
