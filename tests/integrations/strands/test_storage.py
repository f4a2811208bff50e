"""``RedisStorage``, as Strands uses it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("strands", reason="needs redis-store[frameworks]")

from strands import Agent
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage, Storage
from strands.types.exceptions import StorageError

from redis_store import InvalidArgumentError, Pruned, RedisStore, Retention, models
from redis_store._engine.database import Database
from redis_store._engine.timestamps import epoch_us
from redis_store.integrations.strands import RedisStorage
from redis_store.maintenance.integrations import registered
from redis_store.models import now
from tests.integrations.strands.scripted_model import ScriptedModel
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology, on_one_server
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw


@pytest.fixture
def storage(opened: RedisStore) -> RedisStorage:
    return RedisStorage(opened)


def agent(storage: Storage, session: str = "s1") -> Agent:
    manager = SnapshotSessionManager(session, storage=storage)
    return Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)


@on_each_topology
async def test_an_agent_is_restored_while_the_loop_is_blocked(storage: RedisStorage) -> None:
    """``initialize()`` reads on a loop of its own."""
    first = agent(storage)
    await first.invoke_async("hello")
    await first.invoke_async("again")
    second = agent(storage)
    assert second.messages == first.messages
    assert str(await second.invoke_async("third")).strip() == "5 messages"
    assert agent(storage, "s2").messages == []


async def test_an_agent_is_called_without_a_loop(storage: RedisStorage) -> None:
    def call() -> int:
        agent(storage)("hello")
        return len(agent(storage).messages)

    assert await asyncio.to_thread(call) == 2


async def test_it_is_a_storage(storage: RedisStorage) -> None:
    typed: Storage = storage
    assert isinstance(typed, Storage)


@on_each_topology
async def test_random_programs_do_what_the_storage_in_memory_does(
    storage: RedisStorage, opened: RedisStore
) -> None:
    model = InMemoryStorage()
    seed = random.randrange(10**6)  # noqa: S311 - a test's program
    rng = random.Random(seed)  # noqa: S311
    keys = [f"{a}/{b}" for a in ("a", "a2", "é") for b in ("x", "x}{y", "日本", "z.json")]
    for _ in range(60):
        key, data = rng.choice(keys), rng.randbytes(20)
        prefix = key[: rng.randrange(len(key))]
        act: Any = rng.choice(["write", "write", "read", "delete", "list"])
        arguments = {"write": (key, data), "list": (prefix,)}.get(act, (key,))
        given = await getattr(storage, act)(*arguments)
        assert given == await getattr(model, act)(*arguments), f"seed {seed}"
    assert await storage.list() == await model.list()
    assert (await opened.verify()).ok


async def test_keys_are_opaque(storage: RedisStorage) -> None:
    keys = sorted(["/a//b/", "..", "\\", "a:b", "5:a", "*", "{", "}x", "\ud7ff\ue000", "😀", " "])
    for key in keys:
        await storage.write(key, key.encode())
    assert await storage.list("") == keys
    assert [await storage.read(key) for key in keys] == [key.encode() for key in keys]
    assert await storage.list("a") == ["a:b"]
    await storage.write("empty", b"")
    assert await storage.read("empty") == b""
    assert await storage.read("none") is None
    await storage.delete("none")


async def test_bad_input_and_failures_are_storage_errors(
    storage: RedisStorage, raw: Raw, opened: RedisStore, db: Database
) -> None:
    bad: list[tuple[Any, Any]] = [("", b""), ("a\0b", b""), (5, b""), ("a", "text"), ("a", 5)]
    for key, data in bad:
        with pytest.raises(StorageError):
            await storage.write(key, data)
    assert await storage.list("") == []
    with pytest.raises(InvalidArgumentError):
        RedisStorage(opened, ttl=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await storage.write("a", b"1")
    (record,) = [key for key in await raw.keys(db.keys.prefix) if "strands:value:" in key]
    await raw("DEL", record)
    await raw("SET", record, "no hash")
    with pytest.raises(StorageError) as caught:
        await storage.read("a")
    assert caught.value.__cause__ is not None


async def test_values_expire(opened: RedisStore, raw: Raw, db: Database) -> None:
    storage = RedisStorage(opened, ttl=timedelta(hours=1))
    await storage.write("a", b"1")
    await storage.write("b", b"2")
    first, _ = [key for key in sorted(await raw.keys(db.keys.prefix)) if ":value:" in key]
    assert 3_500_000 < await raw("PTTL", first) <= 3_600_000
    await raw("DEL", first)
    assert await storage.list() == ["b"]
    # What expires leaves its entry by age, until ``prune`` finds it.
    assert (await opened.verify(repair=True)).problems == {"stale entry": 1}
    assert (await opened.verify()).ok


async def test_search_finds_values(storage: RedisStorage) -> None:
    await storage.write("a", b"green tea")
    await storage.write("b", b"coffee")
    assert [found.key for found in await storage.search("tea")] == ["a"]


@on_one_server
@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancelled_write_is_applied_or_not(
    storage: RedisStorage, opened: RedisStore, place: Place, how: How
) -> None:
    await storage.write("a", b"0")
    async with gated_store(place) as (other, gate):
        point, writer = 0, RedisStorage(other)
        while await cancelled_at(point, lambda: writer.write("a", b"1"), gate, how):
            assert await storage.read("a") in (b"0", b"1")
            assert await storage.list() == ["a"]
            point += 1
    assert point > 1
    assert (await opened.verify()).ok


@on_one_server
async def test_a_lost_reply_is_no_failure(storage: RedisStorage, opened: RedisStore) -> None:
    lost = lose_next_reply(opened)
    await storage.write("a", b"1")
    assert lost
    assert await storage.read("a") == b"1"


@on_each_topology
async def test_old_values_are_pruned_and_used_ones_stay(
    storage: RedisStorage, place: Place, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = now() - timedelta(hours=2)
    with monkeypatch.context() as patch:
        patch.setattr(models, "now", lambda: long_ago)
        for key in ("old", "older", "written again"):
            await storage.write(key, b"1")
    await storage.write("new", b"2")
    limit = epoch_us(long_ago) + 1
    pruned: list[int] = []
    async for removal in prune_of("strands")(db, limit):
        await storage.write("written again", b"2")
        pruned.append(await removal())
    assert pruned == [2]
    await storage.write("old", b"3")
    async with place.store(retention=Retention(integrations=timedelta(hours=1))) as store:
        assert Pruned("strands", 0, done=True) in await store.prune()
        assert (await store.verify()).ok
    assert await storage.list() == ["new", "old", "written again"]


def prune_of(name: str) -> Any:
    (found,) = [each for each in registered() if each.name == name]
    return found.prune


async def test_costs(
    storage: RedisStorage, metered_store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    await storage.write("s1/latest", b"x" * 50_000)
    metered = RedisStorage(metered_store)
    await metered.read("s1/latest")
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "write": lambda: metered.write("s1/latest", b"x" * 50_000),
        "write, new": lambda: metered.write("s1/1", b"x"),
        "read": lambda: metered.read("s1/latest"),
        "list": lambda: metered.list("s1/"),
        "delete": lambda: metered.delete("s1/latest"),
    }
    found: dict[str, int] = {}
    for name, call in calls.items():
        with proxy.measure() as cost:
            await call()
        found[name] = cost.round_trips
    assert found == {
        "write": 1,
        "write, new": 1,
        "read": 1,
        "list": 2,
        "delete": 4 if place.keys.hash_tags else 2,
    }
