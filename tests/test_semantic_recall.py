"""``Memory`` with ``embed``: messages of earlier conversations, recalled by meaning."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, cast

import pytest

from redis_store import InvalidArgumentError, Memory, Message, MessagePatch, RedisStore, Thread
from redis_store._engine import vectors
from redis_store._engine.vectors import cosine, to_bytes
from redis_store.memory import message_vectors
from redis_store.memory.vector_codes import VectorKeys
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology, on_one_server
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

DIMENSIONS = 64
TEA, DOG, OSLO = "I like green tea", "My dog is called Rex", "The weather in Oslo is cold"


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A sum of one random vector for each word: texts that share words are near."""
    total = [0.0] * dimensions
    for word in text.lower().split():
        random = Random(word)  # noqa: S311 - no secret
        total = [each + random.gauss(0, 1) for each in total]
    return total


async def embed(texts: list[str]) -> list[list[float]]:
    return [vector_of(text) for text in texts]


def memory_of(store: RedisStore, **options: Any) -> Memory:
    given: dict[str, Any] = {"last_messages": 0, "embed": embed, "semantic_recall": 1}
    given["message_range"] = 0
    given.update(options)
    return Memory(store, **given)


async def say(memory: Memory, thread: str, *texts: str, resource: str = "ana") -> None:
    """Take a turn in which the user says the first text, and the model answers with others."""
    async with memory.turn(thread=thread, resource=resource) as turn:
        turn.user(texts[0])
        for text in texts[1:]:
            turn.assistant(text)


async def recalled(
    memory: Memory, query: str, *, thread: str = "now", resource: str = "ana"
) -> list[str]:
    async with memory.turn(thread=thread, resource=resource, query=query) as turn:
        return [message.text for message in turn.recalled_by_meaning]


async def stored(raw: Raw, place: Place, resource: str = "ana") -> int:
    """How many vectors are stored, each with its code."""
    keys = VectorKeys(place.keys)
    codes, values = [
        set(await raw("HKEYS", key)) for key in (keys.codes(resource), keys.vectors(resource))
    ]
    assert codes == values
    return len(codes)


@on_each_topology
async def test_messages_of_all_threads_are_recalled_with_their_neighbours(
    store: RedisStore,
) -> None:
    memory = memory_of(store, message_range=1)
    await say(memory, "a", "Hello", TEA, "Noted.")
    await say(memory, "b", DOG, "A good name.")
    await say(memory, "c", OSLO)
    assert await recalled(memory, "what tea do I like") == ["Hello", TEA, "Noted."]
    assert await recalled(memory, "what is my dog called") == [DOG, "A good name."]
    assert await recalled(memory_of(store, message_range=2), "weather") == [OSLO]
    assert await recalled(memory_of(store, semantic_recall=2), "dog or tea I like green") == [
        TEA,
        DOG,
    ]
    async with memory.turn(thread="d", resource="ana", query="green tea") as turn:
        assert turn.messages == []
        assert "user: Hello\n" in turn.instructions
        assert f"assistant: {TEA}\n" in turn.instructions
    for query in (None, "", " \n"):
        async with memory.turn(thread="d", resource="ana", query=query) as turn:
            assert turn.recalled_by_meaning == []
            assert turn.instructions == ""


@on_each_topology
async def test_what_the_turn_recalled_anyhow_is_left_out(store: RedisStore) -> None:
    await say(memory_of(store), "t", TEA, "Green tea too", DOG, OSLO)
    memory = memory_of(store, last_messages=2, semantic_recall=3, message_range=1)
    assert await recalled(memory, "green tea or dog", thread="t") == [TEA, "Green tea too"]


@on_each_topology
async def test_another_users_messages_are_not_found(store: RedisStore) -> None:
    memory = memory_of(store, semantic_recall=5)
    await say(memory, "a", TEA)
    await say(memory, "b", DOG, resource="bob")
    assert await recalled(memory, TEA, resource="bob", thread="bobs") == [DOG]
    assert await recalled(memory, DOG) == [TEA]
    await store.memory.update_thread_resource_id("a", "bob")
    assert await recalled(memory, TEA) == []


@on_each_topology
@pytest.mark.parametrize("gone", ["message", "thread", "text", "moved"])
async def test_a_vector_whose_message_is_gone_finds_nothing_and_goes(
    store: RedisStore, raw: Raw, place: Place, gone: str
) -> None:
    memory = memory_of(store)
    await say(memory, "a", TEA)
    await say(memory, "b", OSLO)
    (message,) = await store.memory.list_messages("a")
    if gone == "message":
        await store.memory.delete_messages([message.id])
    elif gone == "thread":
        await store.memory.delete_thread("a")
    elif gone == "text":
        content = {"parts": [{"type": "text", "text": DOG}], "content": DOG}
        await store.memory.update_messages([MessagePatch(id=message.id, content=content)])
    else:
        await store.memory.save_thread(Thread(id="c", resource_id="bob"))
        await store.memory.update_messages([MessagePatch(id=message.id, thread_id="c")])
    assert await recalled(memory, TEA) == [OSLO]
    assert await stored(raw, place) == 1


async def test_an_edited_message_is_found_once_it_is_embedded_again(store: RedisStore) -> None:
    memory = memory_of(store)
    await say(memory, "a", TEA)
    (message,) = await store.memory.list_messages("a")
    content = {"parts": [{"type": "text", "text": DOG}], "content": DOG}
    await store.memory.update_messages([MessagePatch(id=message.id, content=content)])
    assert await memory.embed_messages("ana") == 1
    assert await memory.embed_messages("ana") == 0
    assert await recalled(memory, DOG) == [DOG]


async def test_many_stale_vectors_do_not_hide_the_others(
    store: RedisStore, raw: Raw, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_vectors, "_LEAST", 5)
    monkeypatch.setattr(message_vectors, "_FACTOR", 1)
    memory = memory_of(store, semantic_recall=2)
    await say(memory, "gone", *(f"green tea {n}" for n in range(12)))
    await say(memory, "kept", "dog", "green tea for the dog")
    await store.memory.delete_thread("gone")
    assert await recalled(memory, "green tea") == ["dog", "green tea for the dog"]
    assert await stored(raw, place) == 2


@on_each_topology
async def test_messages_that_others_saved_are_embedded_later(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    for thread in "ab":
        await store.memory.save_thread(Thread(id=thread, resource_id="ana"))
        await store.memory.save_messages(
            [
                Message.from_text(role, f"{thread}{n} tea", thread_id=thread, resource_id="ana")
                for n in range(130)
                for role in ("user", "tool")
            ]
        )
    memory = memory_of(store)
    assert await recalled(memory, "a7 tea") == []
    assert await memory.embed_messages("ana") == 260
    assert await stored(raw, place) == 260
    assert await recalled(memory, "a7 tea") == ["a7 tea"]
    assert await memory.embed_messages("ana") == 0


async def test_only_texts_of_users_and_assistants_are_embedded(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    given: list[str] = []

    def remember(texts: list[str]) -> list[list[float]]:
        given.extend(texts)
        return [vector_of(text) for text in texts]

    async with memory_of(store, embed=remember).turn(thread="t", resource="ana") as turn:
        turn.user("half \ud83d")
        turn.add({"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]})
        turn.add({"role": "tool", "tool_call_id": "c", "content": "a long result"})
        turn.assistant(" ")
        turn.assistant("Done.")
    assert given == ["half �", "Done."]
    assert await stored(raw, place) == 2


def _in_python(texts: list[str]) -> list[list[float]]:
    return [vector_of(text) for text in texts]


class _Model:
    async def __call__(self, texts: list[str]) -> list[tuple[float, ...]]:
        return [tuple(vector_of(text)) for text in texts]


def _gathered(texts: list[str]) -> Awaitable[list[list[float]]]:
    return embed(texts)


@pytest.mark.parametrize("function", [embed, _in_python, _Model(), partial(embed), _gathered])
async def test_any_kind_of_function_embeds(store: RedisStore, function: Any) -> None:
    memory = memory_of(store, embed=function)
    await say(memory, "a", TEA)
    assert await recalled(memory, TEA) == [TEA]


class _Failing:
    """Embeds, but fails while told to."""

    def __init__(self) -> None:
        self.fails = False

    async def __call__(self, texts: list[str]) -> list[list[float]]:
        if self.fails:
            raise ConnectionError("no model")
        return await embed(texts)


@on_each_topology
async def test_a_turn_is_saved_though_it_cannot_be_embedded(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    model = _Failing()
    memory = memory_of(store, embed=model)

    async def fail(*, raises: bool) -> None:
        async with memory.turn(thread="t", resource="ana") as turn:
            model.fails = True
            turn.user(DOG if raises else TEA)
            if raises:
                raise ZeroDivisionError

    with pytest.raises(ConnectionError) as caught:
        await fail(raises=False)
    assert caught.value.__notes__ == ["The turn was saved, without vectors."]
    with pytest.raises(ZeroDivisionError) as both:
        await fail(raises=True)
    assert "was saved, without vectors: ConnectionError" in both.value.__notes__[0]
    with pytest.raises(ConnectionError):
        await recalled(memory, TEA)
    assert [m.text for m in await store.memory.list_messages("t")] == [TEA, DOG]
    model.fails = False
    assert await stored(raw, place) == 0
    assert await memory.embed_messages("ana") == 2
    assert await recalled(memory, TEA) == [TEA]


async def test_a_turn_that_fails_is_embedded_and_one_that_is_cancelled_is_not(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    memory = memory_of(store)

    async def fail() -> None:
        async with memory.turn(thread="t", resource="ana") as turn:
            turn.user(TEA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await recalled(memory, TEA) == [TEA]

    async def stall() -> None:
        async with memory.turn(thread="t", resource="ana") as turn:
            turn.user(DOG)
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stall(), 0.3)
    assert [m.text for m in await store.memory.list_messages("t")] == [TEA, DOG]
    assert await stored(raw, place) == 1


NO_VECTORS: list[tuple[object, str]] = [
    ([], "0 vectors for 1"),
    ([[1.0], [1.0]], "2 vectors for 1"),
    ([[]], "dimensions"),
    ([["x"]], "numbers"),
    (None, "numbers"),
    ([1.0], "numbers"),
    ([[float("nan")]], "finite"),
    ([[1e39]], "finite"),
]


@pytest.mark.parametrize(("found", "why"), NO_VECTORS)
async def test_what_is_no_vector_is_refused(store: RedisStore, found: Any, why: str) -> None:
    def embeds(_: list[str]) -> Any:
        return found

    memory = memory_of(store, embed=embeds)
    with pytest.raises(InvalidArgumentError, match=why) as caught:
        await say(memory, "t", TEA)
    assert caught.value.code == "TURN_INVALID_EMBED"
    with pytest.raises(InvalidArgumentError, match=why):
        await recalled(memory, TEA)
    assert [m.text for m in await store.memory.list_messages("t")] == [TEA]


async def test_vectors_of_different_lengths_are_refused(store: RedisStore) -> None:
    def longer(texts: list[str]) -> list[list[float]]:
        return [[1.0] * (at + 1) for at in range(len(texts))]

    memory = memory_of(store, embed=longer)
    with pytest.raises(InvalidArgumentError, match=r"\[1, 2\] dimensions"):
        await say(memory, "t", TEA, DOG)


@pytest.mark.parametrize("dimensions", [DIMENSIONS - 1, DIMENSIONS + 8])
async def test_a_changed_model_is_told_from_the_one_before(
    store: RedisStore, dimensions: int
) -> None:
    await say(memory_of(store), "t", TEA)

    def changed(texts: list[str]) -> list[list[float]]:
        return [vector_of(text, dimensions) for text in texts]

    other = memory_of(store, embed=changed)
    with pytest.raises(InvalidArgumentError, match=rf"{dimensions} dimensions.*{DIMENSIONS}.*anew"):
        await recalled(other, TEA)
    assert await other.embed_messages("ana", anew=True) == 1
    assert await recalled(other, TEA) == [TEA]


@on_each_topology
async def test_more_vectors_than_the_bound_are_refused(
    store: RedisStore, raw: Raw, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MAX_COMPARED", 3)
    memory = memory_of(store)
    await say(memory, "a", TEA, DOG)
    await say(memory, "b", OSLO, "Good.")
    with pytest.raises(InvalidArgumentError, match=r"4 vectors.*3.*Retention.*vector database"):
        await recalled(memory, TEA)
    # Turns go on without a search.
    await say(memory, "b", "Green tea?")
    # Those of messages that are gone do not count.
    await store.memory.delete_thread("a")
    assert await recalled(memory, "tea") == ["Green tea?"]
    assert await stored(raw, place) == 3


@on_one_server
async def test_a_message_is_not_taken_for_deleted_while_it_is_saved(
    store: RedisStore, place: Place
) -> None:
    """A search begins at each step of the end of a turn."""
    found = list[list[str]]()
    async with gated_store(place) as (other, gate):
        memory, reader = memory_of(other), memory_of(store)
        async with memory.turn(thread="t", resource="ana") as turn:
            turn.user(TEA)
            gate.shut = True
            ending = asyncio.ensure_future(_searching(reader, gate, found))
        await ending
    assert found
    assert await recalled(reader, TEA) == [TEA]


async def _searching(memory: Memory, gate: Any, found: list[list[str]]) -> None:
    idle = 0
    while idle < 50:
        if gate.holds:
            idle = 0
            found.append(await recalled(memory, TEA, thread="reading"))
            gate.let_through()
        else:
            idle += 1
            await asyncio.sleep(0.005)
    gate.shut = False


@on_each_topology
@pytest.mark.races
async def test_turns_searches_and_deletions_may_race(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    memory = memory_of(store, semantic_recall=3, message_range=1)

    async def talk(n: int) -> None:
        for at in range(4):
            text = f"number{n} says tea{at}"
            async with memory.turn(thread=f"t{n}", resource="ana", query=text) as turn:
                turn.user(text)
            if at == 1 and n % 2:
                await store.memory.delete_thread(f"t{n}")

    await asyncio.gather(*(talk(n) for n in range(8)))
    for n in range(8):
        for at in range(2 if n % 2 else 0, 4):
            text = f"number{n} says tea{at}"
            assert text in await recalled(memory, text)
    await recalled(memory_of(store, semantic_recall=100), "tea")
    assert await stored(raw, place) == 24


async def test_recall_is_nearly_that_of_comparing_all(store: RedisStore) -> None:
    """At the bound, of clustered vectors: the ten nearest of 5,000."""
    random = Random(5)  # noqa: S311 - no secret
    centres = [[random.gauss(0, 1) for _ in range(256)] for _ in range(60)]
    near: dict[str, list[float]] = {}
    for n in range(vectors.MAX_COMPARED):
        centre = random.choice(centres)
        near[f"m{n}"] = [each + random.gauss(0, 0.6) for each in centre]

    def of(texts: Sequence[str]) -> list[list[float]]:
        return [near[text] for text in texts]

    memory = memory_of(store, embed=of, semantic_recall=10)
    await store.memory.save_thread(Thread(id="t", resource_id="ana"))
    await store.memory.save_messages(
        [Message.from_text("user", text, thread_id="t", resource_id="ana") for text in near]
    )
    await memory.embed_messages("ana")
    hits = 0
    for _ in range(10):
        query = [each + random.gauss(0, 0.6) for each in random.choice(centres)]
        near["query"] = query
        by_score = sorted(near, key=lambda text: cosine(query, to_bytes(near[text])), reverse=True)
        best = [text for text in by_score if text != "query"][:10]
        hits += len(set(best) & set(await recalled(memory, "query")))
    assert hits >= 90


async def test_a_search_takes_one_round_trip_more(
    store: RedisStore, metered_store: RedisStore, proxy: CountingProxy
) -> None:
    await say(memory_of(store), "t", *(f"{n} tea" for n in range(60)))
    memory = memory_of(metered_store, semantic_recall=3, message_range=1, last_messages=10)
    await recalled(memory, "tea", thread="t")  # connected, and scripts loaded
    await say(memory, "t", "more")
    context = memory.turn(thread="t", resource="ana", query="7 tea")
    with proxy.measure() as recall:
        turn = await context.__aenter__()
    assert len(turn.recalled_by_meaning) > 3
    turn.user("8 tea")
    with proxy.measure() as end:
        await context.__aexit__(None, None, None)
    tagged = bool(cast("Any", store)._db.keys.hash_tags)  # noqa: SLF001 - which layout
    assert (recall.round_trips, end.round_trips) == (2, 3 if tagged else 2)


@on_each_topology
async def test_vectors_live_as_long_as_unused_threads(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    key = VectorKeys(place.keys).codes("ana")
    await say(memory_of(store), "t", TEA)
    assert await raw("PTTL", key) == -1
    async with place.store(thread_ttl=timedelta(hours=1)) as other:
        memory = memory_of(other)
        for use in (say(memory, "t", DOG), recalled(memory, TEA)):
            await use
            for each in (key, VectorKeys(place.keys).vectors("ana")):
                assert 3_590_000 < await raw("PTTL", each) <= 3_600_000
                await raw("PEXPIRE", each, 1000)
        await recalled(memory, TEA)


@pytest.mark.parametrize("id", ["}{:*", "t\0:é", "日本" * 20])
async def test_any_id(store: RedisStore, id: str) -> None:
    memory = memory_of(store)
    await say(memory, id, TEA, resource=id)
    assert await recalled(memory, TEA, resource=id, thread=id) == [TEA]


async def test_bad_arguments_are_refused(store: RedisStore) -> None:
    wrong: list[dict[str, Any]] = [
        {"embed": embed},
        {"semantic_recall": 3},
        {"embed": embed, "semantic_recall": -1},
        {"embed": embed, "semantic_recall": "3"},
        {"embed": embed, "semantic_recall": 3, "message_range": -1},
        {"embed": "text-embedding-3-small", "semantic_recall": 3},
    ]
    for options in wrong:
        with pytest.raises(InvalidArgumentError):
            Memory(store, **options)
    with pytest.raises(InvalidArgumentError, match="query"):
        await recalled(memory_of(store), cast("str", 5))
    with pytest.raises(InvalidArgumentError, match="query needs"):
        async with Memory(store).turn(thread="t", resource="ana", query=TEA):
            pytest.fail("the turn began")
    with pytest.raises(RuntimeError, match="embed"):
        await Memory(store).embed_messages("ana")
    assert await store.memory.get_thread_by_id("t") is None


async def test_clearing_the_domain_removes_vectors(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    await say(memory_of(store), "t", TEA)
    await store.memory.dangerously_clear_all()
    assert await raw.keys(place.keys.prefix) == []
