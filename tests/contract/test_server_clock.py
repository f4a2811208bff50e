"""``clock="server"``: dates that the caller did not give do not depend on the clients' clocks."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import cycle
from typing import Any

import pytest

from redis_store import (
    ConfigurationError,
    InvalidArgumentError,
    MemoryStore,
    Message,
    RedisStore,
    Resource,
    Score,
    Thread,
    models,
)
from redis_store._engine.timestamps import epoch_us
from redis_store.maintenance import Retention
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.memory_calls import every_call, furnish
from tests.support.records.scores import score
from tests.support.records.workflow_runs import persist, result
from tests.support.schedules.waiting import until
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw, typed_values

HOUR = timedelta(hours=1)
SOON = timedelta(minutes=1)
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Role(Enum):
    """What is stored as its value."""

    USER = "user"


class Clock:
    """The clock of the clients in this process: wrong by ``skew``."""

    skew = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.skew


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(models, "now", clock)
    return clock


@pytest.fixture
async def exact(place: Place, store: RedisStore) -> AsyncIterator[RedisStore]:
    """A store by the server's clock, on the data of ``store``."""
    assert store.indexes == "managed"
    async with place.store(clock="server") as opened:
        yield opened


@pytest.fixture
async def other(place: Place, exact: RedisStore) -> AsyncIterator[RedisStore]:
    """Another such client."""
    assert exact.topology
    async with place.store(clock="server") as opened:
        yield opened


def _undated(id: str, thread_id: str = "t") -> Message:
    return Message(id=id, thread_id=thread_id, resource_id="u", role="user", content=id)


async def _ids(store: RedisStore, thread_id: str = "t") -> list[str]:
    return [each.id for each in await store.memory.list_messages(thread_id, per_page=None)]


@pytest.mark.each_topology
async def test_the_order_is_that_of_the_writes(
    exact: RedisStore, other: RedisStore, clock: Clock
) -> None:
    """MSG-02: one client is an hour ahead, the other an hour behind."""
    await exact.memory.save_thread(thread())
    turns = cycle([(exact, HOUR), (other, -HOUR)])
    names = [f"m{n}" for n in range(6)]
    for name, (client, clock.skew) in zip(names, turns, strict=False):
        await client.memory.save_messages([_undated(name)])
    assert await _ids(exact) == names
    page = await other.memory.list_messages("t")
    dates = [each.created_at for each in page.items]
    assert dates == sorted(set(dates))
    assert all(abs(date - datetime.now(UTC)) < SOON for date in dates)


async def test_by_the_clients_clocks_it_is_not(
    store: RedisStore, place: Place, clock: Clock
) -> None:
    """MSG-02: the default."""
    await store.memory.save_thread(thread())
    async with place.store() as late:
        clock.skew = HOUR
        await store.memory.save_messages([_undated("first")])
        clock.skew = -HOUR
        await late.memory.save_messages([_undated("second")])
    assert await _ids(store) == ["second", "first"]


@pytest.mark.each_topology
async def test_no_call_stores_a_date_of_the_client(
    exact: RedisStore, raw: Raw, place: Place, clock: Clock
) -> None:
    """GEN-01: neither in records, nor in indexes."""
    clock.skew = HOUR
    for name, call in every_call().items():
        await furnish(exact.memory)
        await call(exact.memory)
        await _no_date_to_come(raw, place, name)
    await exact.memory.dangerously_clear_all()
    memory = exact.memory
    await memory.save_thread(Thread(id="a", resource_id="u"))
    await memory.create_thread(Thread(id="b", resource_id="u"))
    await memory.get_or_create_thread(Thread(id="c", resource_id="u"))
    await memory.save_messages([_undated("m", "d"), _undated("n", "e")], create_thread=True)
    await memory.save_resource(Resource(id="u"))
    await memory.clone_thread("d")
    await persist(exact)
    await exact.workflows.persist_workflow_snapshot("w", "dated", {}, updated_at=T0)
    await exact.workflows.persist_workflow_snapshot("w", "fresh", {})
    await result(exact, "step", {"a": 1})
    await exact.workflows.update_workflow_state("w", "fresh", {"status": "success"})
    await exact.scores.save_score(_undated_score("s"))
    await _no_date_to_come(raw, place, "defaults")
    await exact.workflows.dangerously_clear_all()
    await exact.scores.dangerously_clear_all()


def _undated_score(id: str) -> Score:
    given = score(id)
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    del fields["created_at"], fields["updated_at"]
    return Score(**fields)


async def _no_date_to_come(raw: Raw, place: Place, what: str) -> None:
    soon = datetime.now(UTC) + SOON
    for key, (kind, value) in (await typed_values(raw, place.keys.prefix)).items():
        if kind == b"string":
            dates = [datetime.fromisoformat(date.decode()) for date in _DATE.findall(value)]
            assert max(dates, default=T0) < soon, (what, key)
        elif kind == b"zset":
            assert max(map(float, value[1::2]), default=0) < epoch_us(soon), (what, key)


async def test_dates_that_the_caller_gives_stay(exact: RedisStore, clock: Clock) -> None:
    """GEN-01: whatever they are."""
    clock.skew = HOUR
    memory = exact.memory
    ahead = datetime.now(UTC) + 2 * HOUR
    given = Thread(id="t", resource_id="u", created_at=ahead)
    saved = await memory.save_thread(given)
    assert saved.created_at == given.created_at == ahead
    assert saved.updated_at < datetime.now(UTC) + SOON
    await memory.save_messages([message("m", 1), _undated("n"), message("o", 2)])
    assert await _ids(exact) == ["m", "o", "n"]
    found = await memory.list_messages_by_id(["m", "o"])
    assert [each.created_at for each in found] == [at(1), at(2)]
    record = Resource(id="u", created_at=T0, updated_at=at(1))
    assert await memory.save_resource(record) == record
    assert (await exact.scores.save_score(score("s"))).created_at == score("s").created_at
    await exact.workflows.persist_workflow_snapshot("w", "r", {}, created_at=T0, updated_at=at(1))
    run = await exact.workflows.get_workflow_run_by_id("r")
    assert run is not None
    assert (run.created_at, run.updated_at) == (T0, at(1))
    await exact.workflows.dangerously_clear_all()
    await exact.scores.dangerously_clear_all()


async def test_a_record_has_its_date_from_the_first_save_on(
    exact: RedisStore, clock: Clock
) -> None:
    """GEN-01: so saving the same objects again, as frameworks do, changes no date."""
    clock.skew = HOUR
    given = Thread(id="t", resource_id="u")
    first = await exact.memory.save_thread(given)
    assert (given.created_at, given.updated_at) == (first.created_at, first.updated_at)
    assert await exact.memory.save_thread(given) == first
    messages = [_undated("a"), _undated("b")]
    saved = await exact.memory.save_messages(messages)
    assert saved == messages
    assert saved == await exact.memory.list_messages_by_id(["a", "b"])
    await exact.memory.save_messages([*messages, _undated("c")])
    assert await exact.memory.list_messages_by_id(["a", "b"]) == saved
    assert await _ids(exact) == ["a", "b", "c"]


async def test_what_a_call_must_copy_gets_its_date_too(exact: RedisStore) -> None:
    """MSG-01: content that is stored as another value is not changed in the caller's record."""
    await exact.memory.save_thread(thread())
    given = _undated("m")
    given.content = {"role": Role.USER}
    (saved,) = await exact.memory.save_messages([given])
    assert given.content["role"] is Role.USER
    assert type(saved.content["role"]) is str
    assert given.created_at == saved.created_at
    assert [saved] == await exact.memory.list_messages_by_id(["m"])


async def test_messages_of_one_call_keep_their_sequence(exact: RedisStore) -> None:
    """MSG-02: they share a date; the last of an id counts."""
    await exact.memory.save_thread(thread())
    names = [f"m{n}" for n in (5, 3, 9, 1, 0, 7)]
    saved = await exact.memory.save_messages([*map(_undated, names), _undated("m5")])
    assert len({each.created_at for each in saved}) == 1
    assert await _ids(exact) in (names, [*names[1:], "m5"])
    await exact.memory.save_messages([_undated("last")])
    assert (await _ids(exact))[-1] == "last"


@pytest.mark.each_topology
@pytest.mark.races
async def test_clients_that_race_each_keep_their_own_sequence(
    exact: RedisStore, other: RedisStore, clock: Clock
) -> None:
    """MSG-02: nothing is lost, and both agree on the order."""
    await exact.memory.save_thread(thread())

    async def write(client: RedisStore, name: str) -> None:
        for n in range(20):
            clock.skew = HOUR if n % 2 else -HOUR
            await client.memory.save_messages([_undated(f"{name}{n}")])

    await asyncio.gather(write(exact, "a"), write(other, "b"))
    ids = await _ids(exact)
    assert ids == await _ids(other)
    for name in "ab":
        assert [id_ for id_ in ids if id_[0] == name] == [f"{name}{n}" for n in range(20)]
    (found,) = (await exact.memory.list_threads()).items
    assert abs(found.updated_at - datetime.now(UTC)) < SOON


@pytest.mark.races
async def test_one_record_that_two_calls_save_gets_one_date(exact: RedisStore) -> None:
    """GEN-01: the one that is stored."""
    await exact.memory.save_thread(thread())
    given = _undated("m")
    saved = await asyncio.gather(*(exact.memory.save_messages([given]) for _ in range(3)))
    stored = await exact.memory.list_messages_by_id(["m"])
    assert saved == [stored] * 3
    assert stored == [given]


async def test_prune_goes_by_the_servers_clock(
    place: Place, store: RedisStore, clock: Clock
) -> None:
    """ST-05: a client that is ten days ahead removes nothing that is new."""
    await store.memory.save_thread(Thread(id="new", resource_id="u"))
    await store.memory.save_thread(thread("old"))
    clock.skew = timedelta(days=10)
    kept = Retention(threads=timedelta(days=1))
    async with place.store(clock="server", retention=kept) as pruning:
        await pruning.prune()
    assert [each.id for each in await store.memory.list_threads()] == ["new"]


async def test_threads_expire_by_the_servers_clock(
    place: Place, store: RedisStore, raw: Raw, clock: Clock
) -> None:
    """THR-11: a client that is an hour behind does not count one that is gone."""
    assert store.topology
    clock.skew = -HOUR
    async with place.store(clock="server", thread_ttl=timedelta(milliseconds=1)) as expiring:
        await expiring.memory.save_thread(Thread(id="t", resource_id="u"))

        async def is_gone() -> bool:
            return bool(await raw("EXISTS", place.keys.thread("t")) == 0)

        await until(is_gone, "the thread has expired")
        assert (await expiring.memory.list_threads(per_page=0)).total == 0
        await expiring.memory.dangerously_clear_all()


# The calls that set no date; those that may, all take one round trip more.
_DATELESS = {
    *("save_thread, new", "save_thread, known", "create_thread"),
    *("get_or_create_thread, known", "get_or_create_thread, new"),
    *("delete_thread", "delete_thread_if", "delete_resource, known", "delete_resource, unknown"),
}


async def test_a_write_that_sets_a_date_takes_one_round_trip_more(
    metered: MemoryStore, store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    """GEN-10: in either layout, and one command; reads, and writes of given dates, take none."""
    expected: dict[str, int] = {}
    extra: dict[str, tuple[int, int]] = {}
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(
        proxy.url, key_prefix=prefix, hash_tags=hash_tags, clock="server"
    ) as exact:
        for name, call in every_call().items():
            costs: list[tuple[int, int]] = []
            for memory in (metered, exact.memory):
                await furnish(store.memory)
                with proxy.measure() as cost:
                    await call(memory)
                costs.append((cost.round_trips, len(cost.commands)))
            (trips, commands), (more_trips, more_commands) = costs
            extra[name] = more_trips - trips, more_commands - commands
            expected[name] = not (name in _DATELESS or _reads(name))
    assert extra == {name: (more, more) for name, more in expected.items()}


def _reads(name: str) -> bool:
    # Both write a resource that has dates of its own, or none.
    return name.startswith(("get_thread", "get_resource", "list_", "iter_", "dangerously"))


async def test_calls_at_once_share_the_round_trip(
    place: Place, proxy: CountingProxy, store: RedisStore
) -> None:
    """GEN-10: a hundred of them take two."""
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    await store.memory.save_thread(thread())
    async with RedisStore(
        proxy.url, key_prefix=prefix, hash_tags=hash_tags, clock="server"
    ) as exact:
        with proxy.measure() as cost:
            saves = (exact.memory.save_messages([_undated(f"{n}")]) for n in range(100))
            await asyncio.gather(*saves)
        # Of those that write in two steps, some begin while others are still told the time.
        assert cost.round_trips <= (3 if hash_tags else 2)


async def test_bad_input_is_refused_before_the_time_is_asked(
    place: Place, proxy: CountingProxy, store: RedisStore
) -> None:
    """GEN-02: and an empty list costs nothing."""
    assert store.topology
    prefix, hash_tags = place.keys.prefix, place.keys.hash_tags
    async with RedisStore(
        proxy.url, key_prefix=prefix, hash_tags=hash_tags, clock="server"
    ) as exact:
        memory = exact.memory
        unstorable = _undated("m")
        unstorable.content = b""
        calls = [
            memory.save_thread(Thread(id="", resource_id="u")),
            memory.save_messages([_undated("m"), _undated("")]),
            memory.save_messages([unstorable]),
            memory.update_thread("", title="x"),
            memory.pop_message(""),
            memory.update_resource(""),
            exact.scores.save_score(score("")),
            exact.workflows.persist_workflow_snapshot("w", "", {}),
            exact.workflows.update_workflow_state("w", "", {}),
        ]
        with proxy.measure() as cost:
            for call in calls:
                with pytest.raises(InvalidArgumentError):
                    await call
            assert await memory.save_messages([]) == []
        assert cost.commands == []


def test_there_are_two_clocks() -> None:
    """ST-01."""
    wrong: Any = "redis"
    with pytest.raises(ConfigurationError, match="clock must be one of"):
        RedisStore("redis://localhost", clock=wrong)
