"""RedisCheckpointStorage and RedisSessionStore do what the framework's own do."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
from agent_framework import (
    AgentSession,
    CheckpointStorage,
    Executor,
    FileCheckpointStorage,
    InMemoryCheckpointStorage,
    Message,
    WorkflowBuilder,
    WorkflowCheckpoint,
    WorkflowContext,
    handler,
)
from agent_framework.exceptions import WorkflowCheckpointException
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store import CorruptRecordError, InvalidArgumentError, RedisStore
from redis_store.integrations.agent_framework import RedisCheckpointStorage, RedisHistoryProvider
from redis_store.maintenance import Retention
from redis_store.models import IntegrationRecord
from tests.property.model_comparison import place_on
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST, on_each_topology, on_one_server
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.proxies import CountingProxy
from tests.support.wire.raw import Raw

pytestmark = pytest.mark.filterwarnings("ignore:.*SESSION_STORE")


@dataclass
class Noted:
    """A type of the application."""

    at: datetime


ROOT = Path(__file__).parents[3]
ALLOWED = [f"{Noted.__module__}:Noted"]
START = datetime(2026, 1, 1, tzinfo=UTC)


def checkpoint(
    id_: str = "1", workflow: str = "w", at: int = 0, **state: Any
) -> WorkflowCheckpoint:
    return WorkflowCheckpoint(
        workflow_name=workflow,
        graph_signature_hash="h",
        checkpoint_id=id_,
        timestamp=(START + timedelta(milliseconds=at)).isoformat(),
        state=state,
    )


IDS = ["1", "2", "{x}", "a:b"]
WORKFLOWS = ["w", "{v}"]
SAVES = st.tuples(st.just("save"), st.sampled_from(IDS), st.sampled_from(WORKFLOWS))
CALLS = (
    SAVES
    | st.tuples(st.sampled_from(["load", "delete"]), st.sampled_from(IDS))
    | st.tuples(st.sampled_from(["list", "ids", "latest"]), st.sampled_from(WORKFLOWS))
)


async def outcome(storage: CheckpointStorage, call: tuple[str, ...], at: int) -> object:
    name, which, *more = call
    if name == "save":
        value = {"n": at, "noted": Noted(START), "bytes": b"\xff", "none": None}
        return await storage.save(checkpoint(which, more[0], at, **value))
    if name == "list":
        found = await storage.list_checkpoints(workflow_name=which)
        return sorted(found, key=lambda each: each.checkpoint_id)
    if name == "ids":
        return sorted(await storage.list_checkpoint_ids(workflow_name=which))
    if name == "latest":
        return await storage.get_latest(workflow_name=which)
    try:
        return await (storage.load if name == "load" else storage.delete)(which)
    except WorkflowCheckpointException:
        return "none"


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@pytest.mark.parametrize("judge", ["in memory", "in files"])
@given(program=st.lists(CALLS, max_size=30))
@settings(max_examples=30, deadline=None, print_blob=True)
async def test_any_program_does_what_the_frameworks_storages_do(
    program: list[tuple[str, ...]], layout: str, judge: str, servers: dict[str, Server]
) -> None:
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, _),
        place.store() as store,
        anyio.TemporaryDirectory() as directory,
    ):
        ours = RedisCheckpointStorage(store, allowed_checkpoint_types=ALLOWED)
        own: CheckpointStorage = InMemoryCheckpointStorage()
        if judge == "in files":
            own = FileCheckpointStorage(directory, allowed_checkpoint_types=ALLOWED)
        for at, call in enumerate(program):
            assert await outcome(ours, call, at) == await outcome(own, call, at)
        assert (await store.verify()).ok
        await store.dangerously_clear_integrations()


class Doubling(Executor):
    """Doubles a number until it is above 20."""

    @handler
    async def double(self, number: int, ctx: WorkflowContext[int, int]) -> None:
        if number > 20:
            await ctx.yield_output(number)
        else:
            await ctx.send_message(number * 2)


@on_each_topology
async def test_a_workflow_is_resumed_in_another_process(opened: RedisStore, place: Place) -> None:
    def workflow(store: RedisStore) -> Any:
        first, second = Doubling("first"), Doubling("second")
        builder = WorkflowBuilder(
            name="doubling",
            start_executor=first,
            checkpoint_storage=RedisCheckpointStorage(store),
        )
        return builder.add_edge(first, second).add_edge(second, first).build()

    assert (await workflow(opened).run(3)).get_outputs() == [24]
    saved = await RedisCheckpointStorage(opened).list_checkpoints(workflow_name="doubling")
    assert len(saved) > 3
    async with place.store() as other:
        resumed = workflow(other)
        result = await resumed.run(checkpoint_id=saved[1].checkpoint_id)
        assert result.get_outputs() == [24]


@on_each_topology
async def test_a_workflow_whose_process_was_killed_goes_on_in_another(
    opened: RedisStore, place: Place
) -> None:
    """It ended without a word amid a superstep; the next one begins where the last was saved."""
    program = [sys.executable, "-m", "tests.integrations.agent_framework.killed_workflow"]
    arguments = [place.url, place.keys.prefix, str(place.keys.hash_tags)]
    for mode, status, said in (("begin", 9, b""), ("resume", 0, b"from 12: [24]\n")):
        ended = await anyio.run_process([*program, *arguments, mode], cwd=ROOT, check=False)
        assert (ended.returncode, ended.stdout) == (status, said), ended.stderr.decode()
    saved = await RedisCheckpointStorage(opened).list_checkpoints(workflow_name="doubling")
    assert len({each.checkpoint_id for each in saved}) == len(saved)
    previous = {each.previous_checkpoint_id for each in saved} - {None}
    assert previous < {each.checkpoint_id for each in saved}


async def test_what_is_not_allowed_is_refused_before_it_is_stored(
    opened: RedisStore, raw: Raw, place: Place
) -> None:
    storage = RedisCheckpointStorage(opened)
    with pytest.raises(WorkflowCheckpointException):
        await storage.save(checkpoint(noted=Noted(START)))
    for bad in checkpoint(""), checkpoint(workflow=""), checkpoint("\ud800"):
        with pytest.raises(InvalidArgumentError):
            await storage.save(bad)
    dated = checkpoint()
    dated.timestamp = "yesterday"
    with pytest.raises(InvalidArgumentError, match="timestamp"):
        await storage.save(dated)
    assert await raw.keys(place.keys.prefix) == []
    await RedisCheckpointStorage(opened, allowed_checkpoint_types=ALLOWED).save(
        checkpoint(noted=Noted(START))
    )
    with pytest.raises(WorkflowCheckpointException):
        await storage.load("1")


async def test_users_and_expired_checkpoints_are_apart(
    opened: RedisStore, raw: Raw, place: Place
) -> None:
    anas = RedisCheckpointStorage(opened, user="ana", ttl=timedelta(hours=1))
    bobs = RedisCheckpointStorage(opened, user="bob")
    for at in range(3):
        await anas.save(checkpoint(str(at), at=at))
    await bobs.save(checkpoint("1", at=9, mine=True))
    assert (await anas.load("1")).state == {}
    assert await anas.list_checkpoint_ids(workflow_name="w") == ["0", "1", "2"]
    for key in await raw.keys(place.keys.prefix):
        if ":checkpoint:" in key and key.rstrip("}").endswith("3:ana1:2"):
            await raw("PEXPIRE", key, 0)
    latest = await anas.get_latest(workflow_name="w")
    assert latest is not None
    assert latest.checkpoint_id == "1"
    assert await anas.get_latest(workflow_name="other") is None


async def test_what_is_unreadable_names_its_key(opened: RedisStore, raw: Raw, place: Place) -> None:
    storage = RedisCheckpointStorage(opened)
    await storage.save(checkpoint())
    (key,) = [key for key in await raw.keys(place.keys.prefix) if ":checkpoint:" in key]
    await raw("HSET", key, "body", b"\xff")
    with pytest.raises(CorruptRecordError) as caught:
        await storage.load("1")
    assert caught.value.key == key


async def test_a_save_whose_reply_is_lost_counts_once(opened: RedisStore, place: Place) -> None:
    async with place.store() as forgetful:
        lost = lose_next_reply(forgetful)
        await RedisCheckpointStorage(forgetful).save(checkpoint())
        assert lost
    assert await RedisCheckpointStorage(opened).load("1") == checkpoint()
    assert (await opened.verify()).ok


@pytest.mark.parametrize("how", get_args(How))
async def test_a_cancelled_save_did_all_or_nothing(
    opened: RedisStore, place: Place, how: How
) -> None:
    direct, found = RedisCheckpointStorage(opened), set[bool]()
    async with gated_store(place) as (gated, gate):
        for point in count():
            saved = checkpoint(str(point), text="x")
            save = partial(RedisCheckpointStorage(gated).save, saved)
            if not await cancelled_at(point, save, gate, how):
                break
            ids = await direct.list_checkpoint_ids(workflow_name="w")
            found.add(str(point) in ids)
            if str(point) in ids:
                assert await direct.load(str(point)) == saved
    # In the hash-tagged layout it ends although it is cancelled.
    assert found == ({True} if place.keys.hash_tags else {True, False})
    assert (await opened.verify()).ok


@on_one_server
@pytest.mark.parametrize("many", [2, 100])
async def test_a_call_costs_the_same_with_any_number(
    opened: RedisStore, metered_store: RedisStore, proxy: CountingProxy, place: Place, many: int
) -> None:
    direct = RedisCheckpointStorage(opened)
    for at in range(many):
        await direct.save(checkpoint(str(at), at=at, text="x" * 10_000))
    storage = RedisCheckpointStorage(metered_store)
    await metered_store.memory.list_threads()
    tagged = place.keys.hash_tags
    costs: dict[str, tuple[Any, int]] = {
        "save": (lambda: storage.save(checkpoint("new", at=many, text="x" * 10_000)), 1),
        "load": (lambda: storage.load("1"), 1),
        "latest": (lambda: storage.get_latest(workflow_name="w"), 2),
        "ids": (lambda: storage.list_checkpoint_ids(workflow_name="w"), 2),
        "delete": (lambda: storage.delete("new"), 4 if tagged else 2),
    }
    for name, (call, round_trips) in costs.items():
        with proxy.measure() as cost:
            await call()
        assert cost.round_trips == round_trips, name
        assert cost.bytes_sent + cost.bytes_received <= 12_500 + 200 * many, name


async def test_sessions_are_stored_as_they_are(opened: RedisStore) -> None:
    from redis_store.integrations.agent_framework import RedisSessionStore  # noqa: PLC0415

    sessions = RedisSessionStore(opened)
    session = AgentSession(session_id="s", service_session_id="remote")
    session.state = {"x": {"y": [1, None, "é"]}}
    await sessions.set("{k}", session)
    found = await sessions.get("{k}")
    assert found is not None
    assert found.to_dict() == session.to_dict()
    assert await RedisSessionStore(opened, user="other").get("{k}") is None
    session.state["bad"] = object()
    with pytest.warns(RuntimeWarning), pytest.raises(InvalidArgumentError):
        await sessions.set("{k}", session)
    with pytest.raises(InvalidArgumentError):
        await sessions.get("")
    await sessions.delete("{k}")
    assert await sessions.get("{k}") is None


@pytest.fixture
async def furnished(opened: RedisStore) -> RedisStore:
    """A store with a history, a checkpoint and a session of each of two users."""
    from redis_store.integrations.agent_framework import RedisSessionStore  # noqa: PLC0415

    for user in "ana", "bob":
        history = RedisHistoryProvider(opened, user=user)
        await history.save_messages("s", [Message("user", [user])])
        await RedisCheckpointStorage(opened, user=user).save(checkpoint(user))
        await RedisSessionStore(opened, user=user).set("s", AgentSession(session_id=user))
    return opened


async def test_a_user_is_exported_and_erased(furnished: RedisStore, raw: Raw, place: Place) -> None:
    kinds: list[str] = []
    async for record in furnished.export_resource("ana"):
        assert isinstance(record, IntegrationRecord)
        assert "ana" in str(record.content)
        kinds.append(record.kind)
    assert kinds == ["history", "checkpoint", "session"]
    erased = await furnished.erase_resource("ana")
    assert erased.integrations == {"agent_framework": 3}
    assert [key for key in await raw.keys(place.keys.prefix) if "3:ana" in key] == []
    assert await RedisCheckpointStorage(furnished, user="bob").load("bob")
    assert (await furnished.verify()).ok


async def test_what_is_old_is_pruned(furnished: RedisStore, place: Place) -> None:
    async with place.store(retention=Retention(integrations=timedelta(days=1))) as keeping:
        assert sum(pruned.deleted for pruned in await keeping.prune()) == 0
    async with place.store(retention=Retention(integrations=timedelta(microseconds=1))) as strict:
        done = {pruned.kind: pruned for pruned in await strict.prune()}
    assert (done["agent_framework"].deleted, done["agent_framework"].done) == (6, True)
    assert (await furnished.verify()).ok


async def test_listings_are_verified_and_repaired(
    furnished: RedisStore, raw: Raw, place: Place
) -> None:
    assert (await furnished.verify()).ok
    indexes = [key for key in await raw.keys(place.keys.prefix) if "_by:" in key]
    await asyncio.gather(*(raw("DEL", key) for key in indexes))
    report = await furnished.verify(repair=True)
    assert report.problems == {"missing entry": 8}
    assert (await furnished.verify()).ok
