"""Long-term memory: what LangGraph's store in memory does, and what it cannot."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchOp,
)

from redis_store import InvalidArgumentError, Pruned, RedisStore, Retention
from redis_store._engine import vectors
from redis_store.integrations.langgraph import RedisBaseStore, item_search
from redis_store.integrations.langgraph.item_keys import ItemKeys, ItemPlace
from tests.integrations.langgraph.item_programs import INDEX, ItemProgram, facts
from tests.integrations.langgraph.states import Chat
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

USER = ("users", "ana")
NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
async def memories(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[RedisBaseStore]:
    """A base store on the test's data, which leaves nothing when all items are deleted."""
    yield RedisBaseStore(store)
    reader = RedisBaseStore(store)
    for item in await reader.asearch((), limit=1000):
        await reader.adelete(item.namespace, item.key)
    assert await raw.keys(place.keys.prefix) == []


@pytest.mark.parametrize("seed", range(8))
async def test_any_program_does_what_memory_does(
    seed: int, store: RedisStore, memories: RedisBaseStore
) -> None:
    del memories
    index = INDEX if seed % 2 else None
    stores = [RedisBaseStore(store, index=index) for _ in range(2)]
    await ItemProgram(seed, stores, indexed=bool(index)).run(70)


async def test_an_item_keeps_its_first_date(memories: RedisBaseStore) -> None:
    await memories.aput(USER, "k", {"n": 1})
    first = await memories.aget(USER, "k")
    await memories.aput(USER, "k", {"n": 2})
    second = await memories.aget(USER, "k")
    assert first is not None
    assert second is not None
    assert first.created_at == first.updated_at == second.created_at < second.updated_at
    assert second.value == {"n": 2}


async def test_values_come_back_as_they_were(memories: RedisBaseStore) -> None:
    value: dict[str, Any] = {
        "": None,
        "big": 2**70,
        "small": -0.5,
        "half": "\ud800",
        "é😀": [[], {}, True, "\0"],
    }
    await memories.aput(USER, "a\nb:{}*", value)
    found = await memories.aget(USER, "a\nb:{}*")
    assert facts(found) == (USER, "a\nb:{}*", value)


async def test_each_call_costs_its_round_trips(
    metered: RedisStore, proxy: CountingProxy, memories: RedisBaseStore
) -> None:
    await memories.aput(USER, "first", {"text": "tea"})
    counted = RedisBaseStore(metered, index=INDEX)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "put": lambda: counted.aput(USER, "k", {"text": "tea"}),
        "get": lambda: counted.aget(USER, "k"),
        "search": lambda: counted.asearch(("users",)),
        "filter": lambda: counted.asearch(("users",), filter={"text": "tea"}),
        "query": lambda: counted.asearch(("users",), query="tea", limit=1),
        "list": lambda: counted.alist_namespaces(prefix=("users",)),
        "delete": lambda: counted.adelete(USER, "k"),
    }
    costs: dict[str, int] = {}
    for _ in range(2):  # the first time, scripts are loaded
        for name, call in calls.items():
            with proxy.measure() as cost:
                await call()
            costs[name] = cost.round_trips
    assert costs == {
        "put": 1,
        "get": 1,
        "search": 3,
        "filter": 3,
        "query": 3,
        "list": 1,
        "delete": 1,
    }


async def test_an_item_expires_when_it_is_not_used(
    store: RedisStore, memories: RedisBaseStore, place: Place, raw: Raw
) -> None:
    """Getting and searching count as use, unless told otherwise."""
    expiring = RedisBaseStore(store, ttl={"default_ttl": 10, "refresh_on_read": True}, index=INDEX)
    key = ItemKeys(place.keys).item(ItemPlace(USER, "k"))

    async def minutes() -> int:
        """Minutes to live; set to one."""
        left: int = await raw("PTTL", key)
        await raw("PEXPIRE", key, 60_000)
        return round(left / 60_000)

    await expiring.aput(USER, "k", {"text": "tea"})
    assert await minutes() == 10
    assert await expiring.aget(USER, "k", refresh_ttl=False)
    assert await expiring.asearch((), refresh_ttl=False)
    assert await minutes() == 1
    assert await expiring.aget(USER, "k")
    assert await minutes() == 10
    assert await expiring.asearch(("users",))
    assert await minutes() == 10
    assert await expiring.asearch(("users",), query="tea")
    assert await minutes() == 10
    await expiring.aput(USER, "k", {"text": "tea"}, ttl=2.5)
    assert await minutes() in (2, 3)
    await expiring.aput(USER, "k", {"text": "tea"}, ttl=None)
    assert await raw("PTTL", key) == -1
    await memories.aput(USER, "k", {"text": "tea"})
    assert await raw("PTTL", key) == -1


@pytest.mark.parametrize("query", [None, "tea"])
async def test_a_search_takes_out_what_has_expired(
    query: str | None, store: RedisStore, memories: RedisBaseStore, place: Place, raw: Raw
) -> None:
    """And returns a full page all the same."""
    indexed = RedisBaseStore(store, index=INDEX)
    for at in range(10):
        await indexed.aput(USER, str(at), {"text": "tea"})
    keys = ItemKeys(place.keys)
    for at in (9, 8, 4):
        await raw("DEL", keys.item(ItemPlace(USER, str(at))))
    found = await indexed.asearch((), query=query, limit=5)
    assert len(found) == 5
    await indexed.asearch((), query=query, limit=10)
    assert await raw("ZCARD", keys.listing(USER)) == 7
    if query:
        assert await raw("HLEN", keys.codes(USER)) == 7
    for at in range(10):
        await raw("DEL", keys.item(ItemPlace(USER, str(at))))
    assert await indexed.asearch((), query=query) == []
    assert await memories.alist_namespaces() == []


async def test_a_search_of_too_many_vectors_is_refused(
    store: RedisStore, memories: RedisBaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MAX_COMPARED", 3)
    indexed = RedisBaseStore(store, index=INDEX)
    for at in range(4):
        await indexed.aput(("users", "ab"[at % 2]), str(at), {"text": "tea"})
    with pytest.raises(InvalidArgumentError, match=r"4 vectors.*vector database"):
        await indexed.asearch(("users",), query="tea")
    assert len(await indexed.asearch(("users", "a"), query="tea")) == 2
    assert len(await memories.asearch(("users",), query="tea")) == 4


async def test_the_nearest_of_many_are_compared_in_full(
    store: RedisStore, memories: RedisBaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    del memories
    monkeypatch.setattr(item_search, "_LEAST", 5)
    monkeypatch.setattr(item_search, "_CHUNK", 5)
    indexed = RedisBaseStore(store, index=INDEX)
    words = [f"{letter * 9}" for letter in "aeiorn"]
    await indexed.abatch(
        [PutOp(USER, f"{at}", {"text": words[at % 6], "even": not at % 2}) for at in range(60)]
    )
    found = await indexed.asearch(USER, query="aaaa", limit=3)
    assert [each.value["text"] for each in found] == ["aaaaaaaaa"] * 3
    found = await indexed.asearch(USER, query="aaaa", filter={"even": False}, limit=3)
    assert {each.value["even"] for each in found} == {False}
    assert len(found) == 3


async def test_a_filter_finds_nested_fields_and_texts(memories: RedisBaseStore) -> None:
    await memories.aput(USER, "a", {"home": {"city": "Oslo"}, "name": "b", "x.y": 1})
    await memories.aput(USER, "b", {"home": {"city": "Bergen"}, "name": "d", "n": "5"})
    for wanted, expected in (
        ({"home.city": "Oslo"}, ["a"]),
        ({"home.city": {"$lt": "C"}}, ["b"]),
        ({"x.y": 1}, ["a"]),
        ({"name": {"$gte": "c"}}, ["b"]),
        ({"n": {"$gt": 4}}, []),
        ({"n": {"$gt": "4"}}, ["b"]),
        ({"name.deep": None}, ["b", "a"]),
        ({"home": {"city": {"$ne": "Oslo"}}}, ["b"]),
    ):
        found = await memories.asearch((), filter=wanted)
        assert [each.key for each in found] == expected, wanted


OPS: list[tuple[str, Op]] = [
    ("key", GetOp(USER, "a\0b")),
    ("key", PutOp(USER, "\ud800", {})),
    ("key", GetOp(USER, 5)),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ("value", PutOp(USER, "k", {"at": object()})),
    ("value", PutOp(USER, "k", {"at": float("nan")})),
    ("value", PutOp(USER, "k", [])),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ("ttl", PutOp(USER, "k", {}, ttl=0)),
    ("ttl", PutOp(USER, "k", {}, ttl=float("inf"))),
    ("filter", SearchOp(USER, {"a": {"$in": [1]}})),
    ("filter", SearchOp(USER, {"a": {"b": {"$in": [1]}}})),
    ("limit", SearchOp(USER, limit=-1)),
    ("offset", ListNamespacesOp(offset=-1)),
]


@pytest.mark.parametrize(("argument", "op"), OPS)
async def test_wrong_operations_are_refused_and_nothing_is_done(
    argument: str, op: Op, memories: RedisBaseStore
) -> None:
    with pytest.raises(InvalidArgumentError, match=argument):
        await memories.abatch([PutOp(USER, "other", {}), op])
    assert await memories.asearch(()) == []


@pytest.mark.parametrize("namespace", [(), ("",), ("a.b",), ("a\0b",), ("a", 5)])
async def test_wrong_namespaces_are_refused(namespace: Any) -> None:
    wrong = RedisBaseStore(RedisStore(NOWHERE))
    for op in (GetOp(namespace, "k"), PutOp(namespace, "k", {})):
        with pytest.raises(InvalidNamespaceError):
            await wrong.abatch([op])


async def test_an_embedding_of_other_dimensions_is_refused(
    store: RedisStore, memories: RedisBaseStore
) -> None:
    wrong = RedisBaseStore(store, index={**INDEX, "dims": 8})
    with pytest.raises(InvalidArgumentError, match="dims 8, but embeds to 7"):
        await wrong.aput(USER, "k", {"text": "tea"})
    assert await memories.asearch(()) == []
    with pytest.raises(InvalidArgumentError, match="dims 8"):
        await wrong.asearch((), query="tea")


async def test_a_store_needs_no_event_loop(server: Server) -> None:
    def use() -> None:
        prefix = f"t{uuid4().hex}:"
        with RedisBaseStore.from_conn_string(
            server.url, key_prefix=prefix, index=INDEX
        ) as memories:
            memories.setup()
            memories.put(USER, "k", {"text": "tea"})
            found = memories.get(USER, "k")
            assert facts(found) == (USER, "k", {"text": "tea"})
            assert len(memories.search(("users",), query="tea")) == 1
            assert memories.list_namespaces() == [USER]
            memories.delete(USER, "k")
            assert memories.get(USER, "k") is None

    await asyncio.to_thread(use)
    async with RedisBaseStore.from_conn_string(server.url, key_prefix=f"t{uuid4().hex}:") as opened:
        await opened.asetup()
        # Blocking, in a running loop, where others deadlock.
        opened.put(USER, "k", {})
        opened.delete(USER, "k")


async def test_a_graph_remembers_across_threads(memories: RedisBaseStore) -> None:
    async def remember(_: Chat, *, store: BaseStore) -> dict[str, Any]:
        count = len(await store.asearch(USER))
        await store.aput(USER, str(count), {"seen": count})
        return {}

    graph: Any = StateGraph(Chat)
    graph.add_node("remember", remember)
    graph.add_edge(START, "remember")
    graph.add_edge("remember", END)
    compiled = graph.compile(store=memories)
    for _ in range(3):
        await compiled.ainvoke({"messages": []})
    assert [each.value for each in await memories.asearch(USER)] == [
        {"seen": 2},
        {"seen": 1},
        {"seen": 0},
    ]


async def test_writers_of_one_namespace_lose_nothing(
    store: RedisStore, memories: RedisBaseStore
) -> None:
    others = [RedisBaseStore(store, index=INDEX) for _ in range(4)]
    await asyncio.gather(
        *(others[at % 4].aput(USER, str(at % 20), {"text": "tea", "n": at}) for at in range(100))
    )
    assert len(await memories.asearch((), limit=100)) == 20
    assert len(await others[0].asearch((), query="tea", limit=100)) == 20


@pytest.mark.races
async def test_puts_and_deletes_that_race_leave_what_search_finds(
    store: RedisStore, memories: RedisBaseStore, place: Place, raw: Raw
) -> None:
    """Also where a namespace becomes empty meanwhile, whose index is in another slot."""
    keys = ItemKeys(place.keys)

    async def use(number: int) -> None:
        mine = RedisBaseStore(store)
        for step in range(20):
            key = str((number + step) % 3)
            await (mine.aput(USER, key, {"n": number}) if step % 2 else mine.adelete(USER, key))

    await asyncio.gather(*(use(number) for number in range(6)))
    await store.verify(repair=True)
    stored = {
        key for key in ("0", "1", "2") if await raw("EXISTS", keys.item(ItemPlace(USER, key)))
    }
    assert {each.key for each in await memories.asearch(())} == stored
    assert await raw("ZCARD", keys.listing(USER)) == len(stored)
    assert await memories.alist_namespaces() == ([USER] if stored else [])


async def test_verify_finds_and_mends_listings(
    store: RedisStore, memories: RedisBaseStore, place: Place, raw: Raw
) -> None:
    keys = ItemKeys(place.keys)
    indexed = RedisBaseStore(store, index=INDEX)
    for key in ("a", "b"):
        await indexed.aput(USER, key, {"text": "tea"})
    assert (await store.verify()).ok
    await raw("DEL", keys.namespaces(USER), keys.item(ItemPlace(USER, "a")))
    await raw("ZADD", keys.namespaces(("gone",)), 0, "gone.")
    assert (await store.verify()).problems == {"missing entry": 1, "stale entry": 1}
    report = await store.verify(repair=True)
    assert report.repaired == 2
    assert (await store.verify()).ok
    assert await memories.alist_namespaces() == [USER]
    assert await raw("HLEN", keys.codes(USER)) == await raw("ZCARD", keys.listing(USER)) == 1


async def test_old_items_are_pruned(place: Place, memories: RedisBaseStore, raw: Raw) -> None:
    keys = ItemKeys(place.keys)
    for key in ("old", "young", "renewed"):
        await memories.aput(USER, key, {})
    for key in ("old", "renewed"):
        await raw("ZADD", keys.listing(USER), 5, key)
    await raw("HSET", keys.item(ItemPlace(USER, "old")), "updated", 5)
    async with place.store(retention=Retention(integrations=timedelta(days=1))) as pruning:
        removed = {each.kind: each for each in await pruning.prune()}
    assert removed["langgraph_store"] == Pruned("langgraph_store", 1, done=True)
    assert {each.key for each in await memories.asearch(())} == {"young", "renewed"}
