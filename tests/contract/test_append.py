"""The short way of a save: it stores what a transaction stores, byte for byte, or steps aside."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from redis_store import Message, RedisStore, Thread, models
from redis_store._engine.keys import Keys
from redis_store.memory import message_append
from tests.support.deployments.place import Place
from tests.support.deployments.variants import VARIANTS
from tests.support.records.builders import T0, at, message, thread
from tests.support.wire.raw import Raw

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PLAIN = [variant for variant in VARIANTS if not variant.hash_tags]
on_plain_keys = pytest.mark.parametrize("variant", PLAIN, ids=str, indirect=True)

Furnish = Callable[[RedisStore, Raw, Keys], Awaitable[Any]]


class Case(NamedTuple):
    """Messages to save, and what there is before besides the thread ``t`` of ``u``."""

    messages: Sequence[Message]
    furnish: Furnish | None = None
    create_thread: bool = False


def _save(*messages: Message) -> Furnish:
    return lambda store, _raw, _keys: store.memory.save_messages(messages)


def _dated(**fields: Any) -> Thread:
    defaults: dict[str, Any] = {"updated_at": at(1)}
    return thread(**(defaults | fields))


def _thread(**fields: Any) -> Furnish:
    return lambda store, _raw, _keys: store.memory.save_thread(_dated(**fields))


def _record(text: str) -> Furnish:
    return lambda _store, raw, keys: raw("SET", keys.thread("t"), text)


def _as_mastra(**fields: Any) -> Furnish:
    dates = {"createdAt": "2026-01-15T09:30:00.000Z", "updatedAt": "2026-01-15T09:30:00.000Z"}
    return _record(json.dumps({"id": "t", "resourceId": "u", **dates, **fields}))


def _dangling(_store: RedisStore, raw: Raw, keys: Keys) -> Awaitable[Any]:
    return raw("ZADD", keys.timeline("t"), 5, "a")


def _expiring(_store: RedisStore, raw: Raw, keys: Keys) -> Awaitable[Any]:
    return raw("PEXPIRE", keys.thread("t"), 86_400_000)


def _no_thread(store: RedisStore, _raw: Raw, _keys: Keys) -> Awaitable[Any]:
    return store.memory.delete_thread("t")


def _body(_store: RedisStore, raw: Raw, keys: Keys) -> Awaitable[Any]:
    return raw("SET", keys.message("t", "a"), '{"id":"a","resourceId":"u"}')


async def _elsewhere(store: RedisStore, _raw: Raw, _keys: Keys) -> None:
    await store.memory.save_thread(thread("t2"))
    await store.memory.save_messages([message("a", thread_id="t2")])


OTHERS = _thread(resource_id="v")
SPACED = '{"id": "t", "resourceId": "u", "updatedAt": "2026-01-15T09:30:00.000000Z"}'
DATED_TWICE = (
    '{"id":"t","resourceId":"u","metadata":{"updatedAt":"2026-01-15T09:30:00.000000Z"},'
    '"createdAt":"2026-01-15T09:30:00.000000Z"}'
)

USUAL = {
    "the first": Case([message("a")]),
    "one more": Case([message("b", 1)], _save(message("a"))),
    "several, in any order": Case([message("c", 9), message("a", 3), message("b", 5)]),
    "as many as it takes": Case([message(f"m{n:03}", n) for n in range(100)]),
    "hostile ids": Case([message('a"\\{}*\n\x00é🙂'), message("{b}", 1)]),
    "large": Case([message("a", text="x" * 100_000)]),
    "in a thread with a title": Case([message("a")], _thread(title='"}', metadata={"k": [1, {}]})),
    "behind an entry without a message": Case([message("b", 9)], _dangling),
    "whose entry is left": Case([message("a", 9)], _dangling),
    "in a thread that it would make": Case([message("a")], create_thread=True),
    "in a thread that expires": Case([message("a")], _expiring),
    "of another date than the thread's": Case([message("a", -(10**12))]),
}
UNUSUAL = {
    "none": Case([]),
    "more than it takes": Case([message(f"m{n:03}", n) for n in range(101)]),
    "of one date": Case([message("a"), message("b")]),
    "at the date of the last": Case([message("b")], _save(message("a"))),
    "before the last": Case([message("b")], _save(message("a", 1))),
    "stored already": Case([message("a", text="new")], _save(message("a"))),
    "stored as given": Case([message("a"), message("b", 1)], _save(message("a"), message("b", 1))),
    "stored with another date": Case([message("a", 9)], _save(message("a"), message("b", 1))),
    "stored, of another resource": Case([message("a", resource_id="v")], _save(message("a"))),
    "stored, with escapes": Case([message('"', text="new")], _save(message('"'))),
    "one stored, one new": Case([message("a"), message("b", 1)], _save(message("a"))),
    "without a pointer": Case([message("a")], _body),
    "twice": Case([message("a"), message("a", 1)]),
    "of two resources": Case([message("a"), message("b", 1, resource_id="v")]),
    "of another resource": Case([message("a", resource_id="v")]),
    "in another's thread": Case([message("a")], OTHERS),
    "of a resource with quotes": Case(
        [message("a", resource_id='"u"')], _thread(resource_id='"u"')
    ),
    "of a resource that reads as escaped": Case(
        [message("a", resource_id="\\u0075")],
        _record('{"id":"t","resourceId":"\\u0075","updatedAt":"2026-01-15T09:30:00.000000Z"}'),
    ),
    "in a thread as Mastra dates it": Case([message("a")], _as_mastra()),
    "in a thread of a whole second": Case([message("a")], _thread(updated_at=T0)),
    "in a record with spaces": Case([message("a")], _record(SPACED)),
    "in a record that is dated within": Case([message("a")], _record(DATED_TWICE)),
    "in a record with another last field": Case([message("a")], _as_mastra(title="T")),
    "in a thread of the future": Case([message("a")], _thread(updated_at=NOW + timedelta(1))),
    "in a thread of this microsecond": Case([message("a")], _thread(updated_at=NOW)),
    "in two threads": Case([message("a"), message("b", thread_id="t2")], _thread(id="t2")),
    "in a thread that it makes": Case(
        [message("a", 2), message("b")], _no_thread, create_thread=True
    ),
    "in a thread that it makes now": Case([message("a", 10**14)], _no_thread, create_thread=True),
    "in another's thread, which it would make": Case([message("a")], OTHERS, create_thread=True),
    "in two threads that it makes": Case(
        [message("a"), message("b", thread_id="t2")], _no_thread, create_thread=True
    ),
    "of two resources in a thread that it makes": Case(
        [message("a", resource_id="v"), message("b", -1)], _no_thread, create_thread=True
    ),
    "moved here": Case([message("a", 1)], _elsewhere),
}


class Clock:
    """The time as the store reads it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still, so that what is written by two stores can be compared."""
    clock = Clock()
    monkeypatch.setattr(models, "now", clock)
    return clock


class Saved(NamedTuple):
    """What a save left, and what the server did for it."""

    keys: dict[str, bytes]
    lifetimes: dict[str, bool]
    messages: list[Message]
    calls: dict[str, int]


async def _saved(case: Case, place: Place, raw: Raw, clock: Clock) -> Saved:
    """Save in a database of its own, and return what is in it."""
    keys = Keys(f"{place.keys.prefix}{uuid4().hex}:")
    async with RedisStore(place.url, key_prefix=keys.prefix, hash_tags=False) as store:
        clock.now = NOW - timedelta(seconds=1)
        await store.memory.save_thread(_dated())
        if case.furnish:
            await case.furnish(store, raw, keys)
        clock.now = NOW
        before = await raw.commandstats()
        messages = await store.memory.save_messages(case.messages, create_thread=case.create_thread)
        after = await raw.commandstats()
        names = await raw.keys(keys.prefix)
        dumps = await raw.many(*(("DUMP", name) for name in names))
        lifetimes = await raw.many(*(("TTL", name) for name in names))
        await raw.many(*(("DEL", name) for name in names))
    short = [name.removeprefix(keys.prefix) for name in names]
    return Saved(
        dict(zip(short, dumps, strict=True)),
        {name: left > 0 for name, left in zip(short, lifetimes, strict=True)},
        messages,
        {name: calls - before.get(name, 0) for name, calls in after.items()},
    )


def _steps_ran(saved: Saved) -> bool:
    """Whether the server went through the steps of a commit: they read the pointers."""
    return saved.calls.get("mget", 0) > 0


@on_plain_keys
@pytest.mark.parametrize("name", [*USUAL, *UNUSUAL])
async def test_it_stores_what_a_transaction_stores(
    name: str, place: Place, raw: Raw, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SAVE-01: byte for byte, whatever is saved; and the usual case takes no steps."""
    case = (USUAL | UNUSUAL)[name]
    short = await _saved(case, place, raw, clock)
    monkeypatch.setattr(message_append, "is_enabled", False)
    long = await _saved(case, place, raw, clock)
    assert short.keys == long.keys
    assert short.lifetimes == long.lifetimes
    assert short.messages == long.messages
    if case.messages:
        assert _steps_ran(short) == (name in UNUSUAL)
        assert _steps_ran(long)
        assert short.calls.get("evalsha", 0) <= long.calls.get("evalsha", 0)
