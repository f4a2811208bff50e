"""``RedisTaskStore`` against the SDK's store in memory."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("a2a", reason="needs redis-store[frameworks]")

from a2a.server.tasks import InMemoryTaskStore
from a2a.types.a2a_pb2 import ListTasksRequest, Task, TaskPushNotificationConfig
from a2a.utils.errors import InvalidParamsError

from redis_store import (
    CorruptRecordError,
    IntegrationRecord,
    InvalidArgumentError,
    RedisStore,
    Retention,
    models,
)
from redis_store._engine.database import Database
from redis_store.integrations.a2a import RedisPushNotificationConfigStore, RedisTaskStore
from redis_store.models import now
from tests.integrations.a2a.tasks import START_NS, TICK_NS, caller, task
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology, on_one_server
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

ANA = caller("ana")


@pytest.fixture
def tasks(opened: RedisStore) -> RedisTaskStore:
    return RedisTaskStore(opened)


def request(*, since: int | None = None, **fields: Any) -> ListTasksRequest:
    built = ListTasksRequest(**fields)
    if since is not None:
        built.status_timestamp_after.FromNanoseconds(START_NS + since * TICK_NS)
    return built


@on_each_topology
async def test_random_programs_do_what_the_store_in_memory_does(
    tasks: RedisTaskStore, opened: RedisStore
) -> None:
    model = InMemoryTaskStore()
    seed = random.randrange(10**6)  # noqa: S311 - a test's program
    rng = random.Random(seed)  # noqa: S311
    callers = [caller("ana"), caller(""), caller("}b{:")]
    for step in range(120):
        context, id_ = rng.choice(callers), f"t{rng.randrange(12):02}"
        timed = None if rng.random() < 0.1 else rng.randrange(10**6)
        # Those of the same time, or of none, are sorted by state here.
        state = 3 if timed is None else rng.randrange(1, 9)
        given = task(id_, timed, state, f"c{rng.randrange(3)}")
        act = rng.choice(["save", "save", "save", "get", "delete", "list", "list"])
        arguments: dict[str, Any] = {"save": given, "list": _query(rng)}
        argument = arguments.get(act, id_)
        found = await getattr(tasks, act)(argument, context)
        expected = await getattr(model, act)(argument, context)
        if act == "list":
            assert list(found.tasks) == list(expected.tasks), f"seed {seed}, step {step}"
            assert found.total_size == expected.total_size, f"seed {seed}, step {step}"
            assert bool(found.next_page_token) == bool(expected.next_page_token)
        else:
            assert found == expected, f"seed {seed}, step {step}"
    for context in callers:
        assert await _all(tasks, context) == await _all(model, context), f"seed {seed}"
    assert (await opened.verify()).ok


def _query(rng: random.Random) -> ListTasksRequest:
    fields: dict[str, Any] = {"page_size": rng.randrange(1, 8)}
    if rng.random() < 0.4:
        fields["context_id"] = f"c{rng.randrange(3)}"
    if rng.random() < 0.4:
        fields["status"] = rng.randrange(1, 9)
    return request(since=rng.randrange(10**6) if rng.random() < 0.4 else None, **fields)


async def _all(
    store: RedisTaskStore | InMemoryTaskStore, context: Any, size: int = 2, **fields: Any
) -> list[Task]:
    """List all pages."""
    found, token = list[Task](), ""
    while True:
        page = await store.list(request(page_size=size, page_token=token, **fields), context)
        found += page.tasks
        token = page.next_page_token
        if not token:
            return found


async def test_pages_go_on_where_they_stopped(tasks: RedisTaskStore) -> None:
    """Though the last task of a page is gone, newer ones came, and times tie."""
    for n in range(20):
        await tasks.save(task(f"{n:02}", ticks=n // 10, state=n % 3 + 1), ANA)
    first = await tasks.list(request(page_size=5), ANA)
    await tasks.delete(first.tasks[-1].id, ANA)
    await tasks.save(task("new", ticks=50), ANA)
    rest = await tasks.list(request(page_size=100, page_token=first.next_page_token), ANA)
    seen = [each.id for each in (*first.tasks, *rest.tasks)]
    assert sorted(seen) == [f"{n:02}" for n in range(20)]
    assert len(await _all(tasks, ANA, 1)) == 20
    assert len(await _all(tasks, ANA, 3, status=2)) == 6, "one of seven is gone"


async def test_a_token_is_for_its_owner_alone(tasks: RedisTaskStore) -> None:
    for n in range(3):
        await tasks.save(task(f"{n}"), ANA)
    token = (await tasks.list(request(page_size=1), ANA)).next_page_token
    for bad in (token[:-4], "x", "é", "W10=", "bnVsbA=="):
        with pytest.raises(InvalidParamsError):
            await tasks.list(request(page_token=bad), ANA)
    with pytest.raises(InvalidParamsError):
        await tasks.list(request(page_token=token), caller("bob"))


@on_each_topology
async def test_owners_do_not_see_each_other(tasks: RedisTaskStore) -> None:
    await tasks.save(task("t", state=1), ANA)
    await tasks.save(task("t", state=2), caller("bob"))
    found = await tasks.get("t", ANA)
    assert found is not None
    assert found.status.state == 1
    await tasks.delete("t", caller("bob"))
    assert await tasks.get("t", ANA) is not None
    assert await tasks.get("t", caller("bob")) is None
    assert (await tasks.list(request(), caller("bob"))).total_size == 0


@pytest.mark.parametrize("id", ["}{", "a\0b", "2:ab", "*", "日本"])
async def test_any_id(tasks: RedisTaskStore, id: str) -> None:
    given = task(id, context_id=id)
    await tasks.save(given, caller(id))
    assert await tasks.get(id, caller(id)) == given
    assert list((await tasks.list(request(context_id=id), caller(id))).tasks) == [given]
    await tasks.delete(id, caller(id))
    assert (await tasks.list(request(), caller(id))).total_size == 0


async def test_times_of_any_year_and_states_of_the_future(tasks: RedisTaskStore) -> None:
    odd = task("odd", state=77)
    early, late = task("early"), task("late")
    early.status.timestamp.FromJsonString("0001-01-01T00:00:00Z")
    late.status.timestamp.FromJsonString("9999-12-31T23:59:59.999999999Z")
    untimed = task("untimed", None)
    for each in (untimed, odd, early, late):
        await tasks.save(each, ANA)
    listed = (await tasks.list(request(), ANA)).tasks
    assert [each.id for each in listed] == ["late", "odd", "early", "untimed"]
    assert [each.id for each in (await tasks.list(request(status=77), ANA)).tasks] == ["odd"]


async def test_bad_input_and_corrupt_records(
    tasks: RedisTaskStore, raw: Raw, db: Database, opened: RedisStore
) -> None:
    with pytest.raises(InvalidArgumentError):
        await tasks.save(task(""), ANA)
    with pytest.raises(InvalidArgumentError):
        RedisTaskStore(opened, ttl=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await tasks.save(task("t"), ANA)
    (record,) = [key for key in await raw.keys(db.keys.prefix) if "a2a:task:" in key]
    await raw("HSET", record, "body", b"\xff\xff")
    with pytest.raises(CorruptRecordError) as caught:
        await tasks.get("t", ANA)
    assert caught.value.key == record


@on_one_server
@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancelled_save_is_applied_or_not(
    tasks: RedisTaskStore, opened: RedisStore, place: Place, how: How
) -> None:
    await tasks.save(task("t", state=1), ANA)
    async with gated_store(place) as (other, gate):
        point, writer = 0, RedisTaskStore(other)
        moved = task("t", state=2, context_id="d")
        while await cancelled_at(point, lambda: writer.save(moved, ANA), gate, how):
            found = (await tasks.list(request(), ANA)).tasks
            assert [each.id for each in found] == ["t"]
            await tasks.save(task("t", state=1), ANA)
            point += 1
    assert point > 1
    assert (await opened.verify()).ok


@on_one_server
async def test_a_lost_reply_is_no_failure(tasks: RedisTaskStore, opened: RedisStore) -> None:
    await tasks.save(task("t", state=1), ANA)
    lost = lose_next_reply(opened)
    await tasks.save(task("t", state=2), ANA)
    assert lost
    found = await tasks.get("t", ANA)
    assert found is not None
    assert found.status.state == 2


async def test_another_loop_works_too(tasks: RedisTaskStore) -> None:
    await tasks.save(task("t"), ANA)
    found = await asyncio.to_thread(asyncio.run, tasks.get("t", ANA))
    assert found == task("t")


@on_each_topology
async def test_an_owner_is_exported_and_erased(tasks: RedisTaskStore, opened: RedisStore) -> None:
    configs = RedisPushNotificationConfigStore(opened)
    for name in ("ana", "bob"):
        for n in range(3):
            await tasks.save(task(f"{n}"), caller(name))
        config = TaskPushNotificationConfig(url="https://x", token="secret")
        await configs.set_info("1", config, caller(name))
    exported = [each async for each in opened.export_resource("ana")]
    found = [each for each in exported if isinstance(each, IntegrationRecord)]
    assert sorted((each.kind, each.id) for each in found) == [
        ("push_configs", "1"),
        ("task", "0"),
        ("task", "1"),
        ("task", "2"),
    ]
    assert "secret" not in str(found)
    assert (await opened.erase_resource("ana")).integrations == {"a2a": 4}
    assert (await tasks.list(request(), ANA)).total_size == 0
    assert (await tasks.list(request(), caller("bob"))).total_size == 3
    assert len(await configs.get_info_for_dispatch("1")) == 1
    assert (await opened.verify()).ok


async def test_old_tasks_are_pruned(
    tasks: RedisTaskStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = now() - timedelta(hours=2)
    with monkeypatch.context() as patch:
        patch.setattr(models, "now", lambda: long_ago)
        for n in range(3):
            await tasks.save(task(f"{n}"), ANA)
    await tasks.save(task("1", state=2), ANA)
    async with place.store(retention=Retention(integrations=timedelta(hours=1))) as store:
        pruned = {each.kind: each.deleted for each in await store.prune()}
        assert pruned["a2a"] == 2
        assert (await store.verify()).ok
    assert [each.id for each in (await tasks.list(request(), ANA)).tasks] == ["1"]


async def test_costs(
    tasks: RedisTaskStore, metered_store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    for n in range(100):
        await tasks.save(task(f"{n}", n, n % 5 + 1, f"c{n % 5}"), ANA)
    metered = RedisTaskStore(metered_store)
    await metered.get("1", ANA)
    tagged = place.keys.hash_tags
    calls: dict[str, tuple[Callable[[], Awaitable[object]], int]] = {
        "save, new": (lambda: metered.save(task("new"), ANA), 1),
        "save, another state": (lambda: metered.save(task("5", 500, 3, "c0"), ANA), 1),
        "save, another context": (
            lambda: metered.save(task("6", 6, 3, "cx"), ANA),
            5 if tagged else 2,
        ),
        "get": (lambda: metered.get("7", ANA), 1),
        "list": (lambda: metered.list(request(page_size=50), ANA), 2),
        "list, context": (lambda: metered.list(request(context_id="c1"), ANA), 2),
        "list, state": (lambda: metered.list(request(status=2, since=5), ANA), 2),
        "delete": (lambda: metered.delete("8", ANA), 4 if tagged else 2),
    }
    found: dict[str, int] = {}
    for name, (call, _) in calls.items():
        with proxy.measure() as cost:
            await call()
        found[name] = cost.round_trips
    assert found == {name: pinned for name, (_, pinned) in calls.items()}
