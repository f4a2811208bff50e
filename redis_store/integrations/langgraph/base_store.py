"""RedisBaseStore: LangGraph's long-term memory in Redis."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self, cast

from redis_store._engine.prepared_values import prepare
from redis_store._engine.timestamps import from_epoch_us
from redis_store._engine.vectors import sign_code, to_bytes
from redis_store._parts import database_of, portal_of
from redis_store.errors import InvalidArgumentError
from redis_store.integrations._extras import requires
from redis_store.integrations.langgraph.filters import matches
from redis_store.integrations.langgraph.item_keys import ItemPlace
from redis_store.integrations.langgraph.item_operations import (
    check_operation,
    constant_labels,
    fits,
    ttl_ms_of,
)
from redis_store.integrations.langgraph.item_search import ItemSearch, Search
from redis_store.integrations.langgraph.items import Items, NewItem, StoredItem, Wanted
from redis_store.integrations.langgraph.opening import Opening
from redis_store.integrations.langgraph.records import corrupt
from redis_store.store import RedisStore

with requires("langgraph"):
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        IndexConfig,
        Item,
        ListNamespacesOp,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
        TTLConfig,
        ensure_embeddings,
        get_text_at_path,
        tokenize_path,
    )

_WHOLE = "$"


class RedisBaseStore(BaseStore):
    """Stores what agents remember across threads: ``builder.compile(store=RedisBaseStore(store))``.

    ``get``, ``put`` and ``delete`` take one round trip, ``search`` three, ``list_namespaces`` one,
    in any thread and event loop; their ``a`` twins too. Values are JSON objects: see
    ``json_values``. An item changes at once with all that lists it. Without a query, ``search``
    returns the latest changed first.

    **Search by meaning** needs an ``index``, and no module of the server: one bit for each
    dimension of every vector in scope is read and compared here, then the nearest in full. That is
    exact for up to 200 vectors, and finds nearly all of the best ten among 5,000, in some 70 ms. It
    suits what one user remembers; a search of more vectors is refused: keep so many in a vector
    database. A vector takes 4 bytes a dimension.

    **Filters** compare fields: ``{"lang": "en", "age": {"$gte": 3}, "address.city": "Oslo"}``, with
    ``$eq``, ``$ne``, ``$gt``, ``$gte``, ``$lt`` and ``$lte``. They are applied here, so one that
    few items pass reads many.

    **Expiry.** An item with a ``ttl`` goes when it was not used for that long. What lists it goes
    when a search finds it gone: so ``list_namespaces`` may return one whose items have all expired.

    Args:
        store: An open store, which stays the caller's.
        index: What is embedded, and how: LangGraph's ``IndexConfig``.
        ttl: ``default_ttl`` in minutes, ``refresh_on_read``: LangGraph's ``TTLConfig``.
    """

    supports_ttl = True

    def __init__(
        self,
        store: RedisStore,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> None:
        self.ttl_config = ttl
        self.index_config = index
        self._portal = portal_of(store)
        self._items = Items(database_of(store))
        self._search = ItemSearch(self._items)
        self._embeddings = None if index is None else ensure_embeddings(index.get("embed"))
        self._dims = 0 if index is None else index.get("dims") or 0
        self._fields = _tokenized((index or {}).get("fields") or [_WHOLE])

    @classmethod
    def from_conn_string(
        cls,
        url: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **options: Any,
    ) -> Opening[Self]:
        """Return what opens a store for this one: ``with`` or ``async with``, ``as memories``.

        Args:
            url: The connection string: see ``RedisStore``.
            index: See the class.
            ttl: See the class.
            **options: Further arguments of ``RedisStore``.
        """
        store = RedisStore(url, **options)
        return Opening(store, cls(store, index=index, ttl=ttl))

    def setup(self) -> None:
        """Do nothing: no server needs to be prepared."""

    async def asetup(self) -> None:
        """Do nothing: no server needs to be prepared."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Block for ``abatch``."""
        return self._portal.call(partial(self.abatch, list(ops)))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: those that read first, all at once, then the last put of each item.

        Raises:
            InvalidArgumentError: A key, value, filter or lifetime cannot be used; nothing was done.
            InvalidNamespaceError: Nor can a label, likewise.
        """
        asked = list(ops)
        for op in asked:
            check_operation(op)
        puts = {(op.namespace, op.key): op for op in asked if isinstance(op, PutOp)}
        prepared = [self._prepared(op) for op in puts.values() if op.value is not None]
        results = await asyncio.gather(*(self._read(op) for op in asked))
        if puts:
            deletes = [ItemPlace(*place) for place, op in puts.items() if op.value is None]
            await self._items.write(await self._embedded(prepared), deletes)
        return list(results)

    async def _read(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            place = ItemPlace(tuple(op.namespace), op.key)
            (found,) = await self._items.get([Wanted(place)], refresh=op.refresh_ttl)
            return None if found is None else Item(**_fields_of(found))
        if isinstance(op, SearchOp):
            return await self._found(op)
        if isinstance(op, ListNamespacesOp):
            return await self._namespaces(op)
        return None

    async def _found(self, op: SearchOp) -> list[SearchItem]:
        fields = op.filter or {}

        def wanted(item: StoredItem) -> bool:
            return matches(_value_of(item), fields)

        prefix = tuple(op.namespace_prefix)
        search = Search(prefix, op.offset, op.limit, wanted if fields else None)
        if op.query and self._embeddings is not None:
            query = self._checked(await self._embeddings.aembed_query(op.query))
            found = await self._search.nearest(search, query)
        else:
            found = await self._search.newest(search)
        if op.refresh_ttl:
            await self._items.touch([each.item for each in found])
        return [SearchItem(**_fields_of(item), score=score) for item, score in found]

    async def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        conditions = op.match_conditions or ()
        prefixes = (
            constant_labels(each.path) for each in conditions if each.match_type == "prefix"
        )
        listed = await self._items.namespaces(max(prefixes, key=len, default=()))
        found = [each for each in listed if all(fits(each, to) for to in conditions)]
        if op.max_depth is not None:
            found = sorted({each[: op.max_depth] for each in found})
        return found[op.offset : op.offset + op.limit]

    def _prepared(self, op: PutOp) -> tuple[NewItem, list[tuple[str, str]]]:
        """Return an item without vectors; and paths and texts of the vectors that it gets."""
        value = dict(op.value or {})
        place, ttl_ms = ItemPlace(tuple(op.namespace), op.key), ttl_ms_of(op.ttl)
        new = NewItem(place, prepare("value", value).json, ttl_ms)
        if self._embeddings is None or op.index is False:
            return new, []
        fields = self._fields if op.index is None else _tokenized(op.index)
        return new, [
            (f"{path}.{at}", text)
            for path, tokens in fields.items()
            for at, text in enumerate(get_text_at_path(value, tokens))
        ]

    async def _embedded(
        self, prepared: Sequence[tuple[NewItem, list[tuple[str, str]]]]
    ) -> list[NewItem]:
        texts = list(dict.fromkeys(text for _, found in prepared for _, text in found))
        vectors: dict[str, tuple[bytes, bytes]] = {}
        if texts and self._embeddings is not None:
            embedded = await self._embeddings.aembed_documents(texts)
            for text, each in zip(texts, embedded, strict=True):
                vector = self._checked(each)
                vectors[text] = to_bytes(vector), sign_code(vector)
        return [
            new._replace(vectors=[(path, *vectors[text]) for path, text in found])
            for new, found in prepared
        ]

    def _checked(self, vector: Sequence[float]) -> list[float]:
        if self._dims and len(vector) != self._dims:
            raise InvalidArgumentError(
                "index", f"has dims {self._dims}, but embeds to {len(vector)} dimensions"
            )
        return [float(each) for each in vector]


def _tokenized(fields: Sequence[str]) -> dict[str, str | list[str]]:
    return {path: path if path == _WHOLE else tokenize_path(path) for path in fields}


def _value_of(item: StoredItem) -> dict[str, Any]:
    with corrupt(item.key):
        return cast("dict[str, Any]", json.loads(item.value))


def _fields_of(item: StoredItem) -> dict[str, Any]:
    return {
        "value": _value_of(item),
        "key": item.place.key,
        "namespace": item.place.namespace,
        "created_at": from_epoch_us(item.created_us),
        "updated_at": from_epoch_us(item.updated_us),
    }
