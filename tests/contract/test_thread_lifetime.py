"""Threads that expire with all their keys unless they are used."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from redis_store import ConfigurationError, DateRange, MessagePatch, RedisStore, ThreadNotFoundError
from redis_store.pages import ThreadOrder
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, message, thread
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw

TTL = timedelta(seconds=100)
FULL = 100_000  # TTL in ms
LITTLE = 60_000  # less than three quarters of it

Use = Callable[[RedisStore], Awaitable[object]]


@pytest.fixture
async def expiring(place: Place, store: RedisStore) -> AsyncIterator[RedisStore]:
    """A store whose threads expire; `store` checks afterwards what is left of them."""
    assert store
    async with _expiring(place) as opened:
        yield opened


def _expiring(place: Place, ttl: timedelta = TTL) -> RedisStore:
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    return RedisStore(place.url, key_prefix=prefix, hash_tags=hash_tags, thread_ttl=ttl)


async def _save(store: RedisStore, *ids: str, thread_id: str = "t") -> None:
    await store.memory.save_thread(thread(thread_id))
    await store.memory.save_messages(
        [message(id_, us, thread_id=thread_id) for us, id_ in enumerate(ids)]
    )


def _keys(place: Place, *ids: str, thread_id: str = "t") -> list[str]:
    """Every key of a thread with messages, the id indexes last."""
    keys = place.keys
    named = [keys.thread(thread_id), keys.timeline(thread_id), keys.resource_counts(thread_id)]
    named += [keys.message(thread_id, id_) for id_ in ids]
    return named + [keys.message_pointer(id_) for id_ in ids]


async def _left(raw: Raw, *keys: str) -> list[int]:
    return [await raw("PTTL", key) for key in keys]


async def _age(raw: Raw, keys: list[str], ms: int = LITTLE) -> None:
    for key in keys:
        assert await raw("PEXPIRE", key, ms) == 1


def _is_fresh(place: Place, left: list[int], n: int) -> bool:
    """Whether all keys live for the TTL, the last n, id indexes, for another one if elsewhere."""
    own, indexes = left[: len(left) - n], left[len(left) - n :]
    spare = FULL if place.keys.hash_tags else 0
    return all(FULL - 10_000 < ms <= FULL for ms in own) and all(
        FULL - 10_000 < ms - spare <= FULL for ms in indexes
    )


async def test_all_keys_of_a_new_thread_expire_together(
    expiring: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(expiring, "a", "b", "c")
    keys = _keys(place, "a", "b", "c")
    assert _is_fresh(place, await _left(raw, *keys), 3)
    memory_keys = {key for key in await raw.keys(place.keys.prefix) if ":memory:" not in key}
    assert memory_keys | {place.keys.resource_counts("t")} == set(keys)


async def test_a_store_without_a_lifetime_sets_none(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(store, "a")
    await store.memory.list_messages("t")
    assert set(await _left(raw, *_keys(place, "a"))) == {-1}


USES: dict[str, Use] = {
    "get": lambda store: store.memory.get_thread_by_id("t"),
    "page": lambda store: store.memory.list_messages("t", per_page=1),
    "pages": lambda store: store.memory.list_messages(["t", "other"], per_page=1),
    "range": lambda store: store.memory.list_messages("t", date_range=DateRange(start=T0)),
    "save": lambda store: store.memory.save_messages([message("a", 7)]),
    "patch": lambda store: store.memory.update_messages([MessagePatch(id="a", role="assistant")]),
    "rename": lambda store: store.memory.update_thread("t", title="new"),
    "resave": lambda store: store.memory.save_thread(thread("t", title="new")),
    "get or create": lambda store: store.memory.get_or_create_thread(thread("t", title="new")),
    "save or make": lambda store: store.memory.save_messages([message("a", 7)], create_thread=True),
    "hand over": lambda store: store.memory.update_thread_resource_id("t", "another"),
    "delete message": lambda store: store.memory.delete_messages(["z"]),
}


async def _first(store: RedisStore) -> None:
    iterator = store.memory.iter_messages("t", batch_size=1)
    assert (await anext(aiter(iterator))).id == "z"


USES["iterate"] = _first


@pytest.mark.parametrize("use", USES)
async def test_use_lets_a_whole_thread_live_on(
    use: str, expiring: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(expiring, "z", "a", "b")
    keys = _keys(place, "a", "b")
    await _age(raw, keys)
    await USES[use](expiring)
    assert _is_fresh(place, await _left(raw, *keys), 2)


@pytest.mark.parametrize("use", USES)
async def test_use_of_a_thread_stored_without_a_lifetime_gives_it_one(
    use: str, store: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(store, "z", "a", "b")
    async with _expiring(place) as expiring:
        await USES[use](expiring)
    assert _is_fresh(place, await _left(raw, *_keys(place, "a", "b")), 2)


async def test_frequent_use_leaves_what_still_lives_long_alone(
    expiring: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(expiring, "a", "b")
    keys = _keys(place, "a", "b")
    await _age(raw, keys, FULL - 20_000)
    await expiring.memory.list_messages("t")
    await expiring.memory.get_thread_by_id("t")
    assert all(ms <= FULL - 20_000 for ms in await _left(raw, *keys))


async def test_a_message_saved_later_expires_with_its_thread(
    expiring: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(expiring, "a", "c")
    await _age(raw, _keys(place, "a", "c"), FULL - 20_000)
    await expiring.memory.save_messages([message("b", 5), message("a", 9, text="again")])
    left = await _left(raw, *_keys(place, "a", "b"))
    own = left[:-2]
    assert max(own) - min(own) < 100
    assert max(own) <= FULL - 20_000
    assert min(left) > min(own) - 100


@pytest.mark.damages
async def test_a_thread_that_expired_is_gone_whole(
    expiring: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(expiring, "a", "b")
    await _save(expiring, "c", thread_id="used")
    await _expire(raw, place, "a", "b")
    memory = expiring.memory
    assert await memory.get_thread_by_id("t") is None
    assert (await memory.list_messages("t")).total == 0
    assert await memory.list_messages_by_id(["a", "b"]) == []
    assert [m.id for m in await memory.list_messages_by_resource_id("u")] == ["c"]
    with pytest.raises(ThreadNotFoundError):
        await memory.save_messages([message("d")])
    listed = await memory.list_threads()
    assert ([t.id for t in listed], listed.total) == (["used"], 1)


@pytest.mark.damages
@pytest.mark.parametrize("resource_id", ["u", None])
@pytest.mark.parametrize("order_by", ["created_at", "updated_at"])
async def test_totals_never_count_a_thread_that_expired(
    order_by: ThreadOrder, resource_id: str | None, store: RedisStore, place: Place, raw: Raw
) -> None:
    for n in range(3):
        await _save(store, f"m{n}", thread_id=f"t{n}")
    async with _expiring(place, timedelta(milliseconds=100)) as brief:
        await _save(brief, "m", thread_id="brief")
        await until(partial(_is_gone, raw, place, "brief"), "the thread expired")
        page = await brief.memory.list_threads(
            resource_id=resource_id, order_by=order_by, per_page=1
        )
        assert page.total == 3
        if resource_id:
            assert "brief" not in await raw.sorted_set(place.keys.threads_of("u", order_by))


@pytest.mark.damages
async def test_a_thread_id_can_be_used_again_after_it_expired(
    expiring: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(expiring, "a", "b")
    await _expire(raw, place, "a", "b")
    await _save(expiring, "b", "n")
    assert [m.id for m in await expiring.memory.list_messages("t")] == ["b", "n"]
    assert _is_fresh(place, await _left(raw, *_keys(place, "b", "n")), 2)


async def test_a_message_that_moves_takes_the_lifetime_of_its_new_thread(
    expiring: RedisStore, place: Place, raw: Raw
) -> None:
    await _save(expiring, "a", "b")
    await _save(expiring, "c", thread_id="to")
    await _age(raw, _keys(place, "a", "b"), FULL - 24_000)
    await expiring.memory.save_messages([message("a", thread_id="to")])
    keys = _keys(place, "a", "c", thread_id="to")
    assert _is_fresh(place, await _left(raw, *keys), 2)


@pytest.mark.parametrize("make", ["create", "get or create", "save"])
async def test_a_thread_that_is_made_expires_too(
    make: str, expiring: RedisStore, place: Place, raw: Raw
) -> None:
    if make == "create":
        await expiring.memory.create_thread(thread())
    elif make == "get or create":
        await expiring.memory.get_or_create_thread(thread())
    await expiring.memory.save_messages([message("a"), message("b", 1)], create_thread=True)
    assert _is_fresh(place, await _left(raw, *_keys(place, "a", "b")), 2)


async def test_a_clone_expires_too(expiring: RedisStore, place: Place, raw: Raw) -> None:
    await _save(expiring, "a", "b")
    made = await expiring.memory.clone_thread("t", new_thread_id="copy")
    ids = [m.id for m in made.messages]
    assert _is_fresh(place, await _left(raw, *_keys(place, *ids, thread_id="copy")), 2)


@pytest.mark.damages
async def test_a_short_lifetime_really_ends(place: Place, raw: Raw, store: RedisStore) -> None:
    assert store
    async with _expiring(place, timedelta(milliseconds=200)) as expiring:
        await _save(expiring, *(f"m{n}" for n in range(50)))
        keys = _keys(place, *(f"m{n}" for n in range(50)))
        await until(partial(_is_gone, raw, place, "t"), "the thread expired")
        own = keys[:-50] if place.keys.hash_tags else keys
        assert await raw("EXISTS", *own) == 0
        assert (await expiring.memory.list_threads()).total == 0
        assert (await expiring.memory.list_messages_by_resource_id("u")).total == 0


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1), 5, "1d"])
def test_a_lifetime_that_is_none_is_refused(ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match="thread_ttl"):
        RedisStore("redis://localhost", thread_ttl=ttl)


async def _expire(raw: Raw, place: Place, *ids: str) -> None:
    """Let a thread's keys expire now; its id indexes too where they share their lifetime."""
    keys = _keys(place, *ids)
    await _age(raw, keys[: -len(ids)] if place.keys.hash_tags else keys, 1)
    await until(partial(_is_gone, raw, place, "t"), "the thread expired")


async def _is_gone(raw: Raw, place: Place, thread_id: str) -> bool:
    keys = place.keys.thread(thread_id), place.keys.timeline(thread_id)
    return bool(await raw("EXISTS", *keys) == 0)
