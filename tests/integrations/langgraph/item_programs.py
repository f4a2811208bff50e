"""Programs of a base store: few namespaces and keys, so that puts, searches and deletes meet."""

from collections.abc import Sequence
from random import Random
from typing import Any

from langgraph.store.base import IndexConfig, Item, PutOp
from langgraph.store.memory import InMemoryStore

from redis_store.integrations.langgraph import RedisBaseStore

NAMESPACES = [("users", "ana"), ("users", "ann"), ("users", "ana", "deep"), ("docs",), ("user",)]
PREFIXES: list[tuple[str, ...]] = [(), ("users",), ("users", "ana"), ("docs",), ("no",), ("us",)]
WORDS = ["tea", "coffee", "water", "rain", "sun", "é😀"]
FILTERS: list[dict[str, Any] | None] = [
    None,
    {},
    {"kind": "a"},
    {"kind": "a", "n": {"$gte": 2}},
    {"n": {"$gt": 1, "$lt": 4}},
    {"n": {"$lte": 2}, "kind": {"$ne": "b"}},
    {"kind": {"$eq": "b"}},
    {"nested": {"x": 1}},
    {"nested": {"x": {"$ne": 1}}},
    {"tags": ["t", 1]},
    {"missing": None},
    {"kind": "none"},
]


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Count letters: texts with the same ones are near each other."""
    return [
        [text.count(letter) + 0.1 - text.count("t") / 9 for letter in "aeiotrn"] for text in texts
    ]


INDEX: IndexConfig = {"dims": 7, "embed": embed, "fields": ["text", "more[*].text"]}


def facts(item: Item | None) -> tuple[Any, ...] | None:
    return None if item is None else (item.namespace, item.key, item.value)


class ItemProgram:
    """Does the same to LangGraph's store in memory and to ours."""

    def __init__(self, seed: int, stores: Sequence[RedisBaseStore], *, indexed: bool) -> None:
        self._random = Random(seed)  # noqa: S311 - a program that can be repeated
        self._model = InMemoryStore(index=INDEX if indexed else None)
        self._stores = stores
        self._indexed = indexed

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            store = self._random.choice(self._stores)
            step = self._random.choices(
                [
                    self._put,
                    self._get,
                    self._delete,
                    self._search,
                    self._nearest,
                    self._list,
                    self._batch,
                ],
                [30, 15, 10, 20, 15, 10, 5],
            )[0]
            await step(store)

    def _place(self) -> tuple[tuple[str, ...], str]:
        return self._random.choice(NAMESPACES), self._random.choice(["k", "k2", "é", ""])

    def _value(self) -> dict[str, Any]:
        value: dict[str, Any] = {
            # No two texts are the same: of such, the store in memory embeds one only.
            "text": " ".join([*self._random.choices(WORDS, k=3), str(self._random.random())]),
            "kind": self._random.choice("abc"),
            "n": self._random.randint(0, 5),
            "nested": {"x": self._random.randint(0, 2), "y": None},
            "tags": ["t", self._random.randint(0, 1)],
        }
        if self._random.random() < 0.3:
            words = self._random.sample(WORDS, 2)
            value["more"] = [{"text": f"{word} {self._random.random()}"} for word in words]
        return value

    async def _put(self, store: RedisBaseStore) -> None:
        (namespace, key), value = self._place(), self._value()
        index: Any = self._random.choice([None, None, False, ["text"]])
        self._put_in_model(namespace, key, value, index)
        await store.aput(namespace, key, value, index)

    def _put_in_model(
        self, namespace: tuple[str, ...], key: str, value: dict[str, Any], index: Any = None
    ) -> None:
        """Put an item anew: the store in memory keeps vectors of the value before."""
        self._model.delete(namespace, key)
        self._model.put(namespace, key, value, index)

    async def _get(self, store: RedisBaseStore) -> None:
        place = self._place()
        assert facts(await store.aget(*place)) == facts(self._model.get(*place))

    async def _delete(self, store: RedisBaseStore) -> None:
        place = self._place()
        self._model.delete(*place)
        await store.adelete(*place)
        self._forget_empty()

    def _forget_empty(self) -> None:
        """Namespaces without items are none of ours; the store in memory lists them."""
        data: Any = self._model._data  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        for namespace in [each for each, items in data.items() if not items]:
            del data[namespace]

    async def _search(self, store: RedisBaseStore) -> None:
        prefix, wanted = self._random.choice(PREFIXES), self._random.choice(FILTERS)
        expected = [facts(each) for each in self._model.search(prefix, filter=wanted, limit=99)]
        everything = [facts(each) for each in await store.asearch(prefix, filter=wanted, limit=99)]
        assert sorted(everything, key=repr) == sorted(expected, key=repr)
        limit, offset = self._random.randint(0, 5), self._random.randint(0, 3)
        page = await store.asearch(prefix, filter=wanted, limit=limit, offset=offset)
        assert [facts(each) for each in page] == everything[offset:][:limit]
        times = [each.updated_at for each in await store.asearch(prefix, limit=99)]
        assert times == sorted(times, reverse=True)

    async def _nearest(self, store: RedisBaseStore) -> None:
        prefix, wanted = self._random.choice(PREFIXES), self._random.choice(FILTERS)
        asked: dict[str, Any] = {"query": self._random.choice(WORDS), "filter": wanted, "limit": 99}
        found = await store.asearch(prefix, **asked)
        expected = self._model.search(prefix, **asked)
        assert {repr(facts(each)): _rounded(each.score) for each in found} == {
            repr(facts(each)): _rounded(each.score) for each in expected
        }
        if self._indexed:
            scores = [-2.0 if each.score is None else each.score for each in found]
            assert scores == sorted(scores, reverse=True)

    async def _list(self, store: RedisBaseStore) -> None:
        asked: dict[str, Any] = {
            "prefix": self._random.choice([None, ("users",), ("*", "ana"), ("users", "*"), ("u",)]),
            "suffix": self._random.choice([None, None, ("ana",), ("*",), ("deep",)]),
            "max_depth": self._random.choice([None, 1, 2]),
            "limit": self._random.choice([100, 2]),
            "offset": self._random.choice([0, 1]),
        }
        self._forget_empty()
        assert await store.alist_namespaces(**asked) == self._model.list_namespaces(**asked)

    async def _batch(self, store: RedisBaseStore) -> None:
        """The last put of an item counts."""
        places = [self._place() for _ in range(4)]
        ops = [PutOp(*place, self._random.choice([None, self._value()])) for place in places]
        assert await store.abatch(ops) == [None] * len(ops)
        for namespace, key, value, *_ in ops:
            if value is None:
                self._model.delete(namespace, key)
            else:
                self._put_in_model(namespace, key, dict(value))
        self._forget_empty()


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)
