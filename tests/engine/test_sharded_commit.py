"""The commit of several steps: whoever is cancelled in it, all its steps are taken."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, get_args

import pytest

from redis_store import MessagePatch, RedisStore, Resource, Score
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_invariants
from tests.support.records.builders import T0, at, message, thread
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

Call = Callable[[RedisStore], Awaitable[object]]


def score(scorer_id: str) -> Score:
    given: dict[str, Any] = {"entity_id": "e", "run_id": "r", "score": 0.5, "source": "TEST"}
    given |= {"scorer": {}, "entity": {}, "output": None, "created_at": T0, "updated_at": T0}
    return Score(id="s", scorer_id=scorer_id, **given)


def persist(status: str, resource_id: str) -> Call:
    return lambda s: s.workflows.persist_workflow_snapshot(
        "w", "r", {"status": status}, resource_id=resource_id
    )


CALLS: dict[str, Call] = {
    "save thread": lambda s: s.memory.save_thread(thread("t", "v", updated_at=at(9))),
    "update thread": lambda s: s.memory.update_thread("t", metadata={"n": 1}),
    "transfer thread": lambda s: s.memory.update_thread_resource_id("t", "v"),
    "delete thread": lambda s: s.memory.delete_thread("t"),
    "clone thread": lambda s: s.memory.clone_thread("t", new_thread_id="new", resource_id="v"),
    "save messages": lambda s: s.memory.save_messages([message("a", 5), message("new")]),
    "create thread": lambda s: s.memory.create_thread(thread("new", "v")),
    "save messages, creating": lambda s: s.memory.save_messages(
        [message("a", thread_id="new"), message("new", thread_id="new")], create_thread=True
    ),
    "pop message": lambda s: s.memory.pop_message("t"),
    "move messages": lambda s: s.memory.save_messages([message("a", thread_id="t2")]),
    "update messages": lambda s: s.memory.update_messages([MessagePatch(id="a", role="tool")]),
    "delete messages": lambda s: s.memory.delete_messages(["a", "b"]),
    "save resource": lambda s: s.memory.save_resource(Resource(id="u", updated_at=at(9))),
    "update resource": lambda s: s.memory.update_resource("u", working_memory="new"),
    "persist run": persist("done", "v"),
    "update run": lambda s: s.workflows.update_workflow_state("w", "r", {"status": "done"}),
    "delete run": lambda s: s.workflows.delete_workflow_run_by_id("r", workflow_name="w"),
    "save score": lambda s: s.scores.save_score(score("new")),
}

# A rival for each kind of record whose indexes are settled; it lists the record elsewhere.
RIVALS: dict[str, Call] = {
    "save thread": lambda s: s.memory.save_thread(thread("t", "w", updated_at=at(4))),
    "update thread": lambda s: s.memory.save_thread(thread("t", "w", updated_at=at(4))),
    "create thread": lambda s: s.memory.save_thread(thread("new", "w", updated_at=at(4))),
    "persist run": persist("waiting", "w"),
    "update run": persist("waiting", "w"),
    "delete run": persist("waiting", "w"),
    "save score": lambda s: s.scores.save_score(score("rival")),
}


async def furnish(store: RedisStore) -> None:
    await store.memory.dangerously_clear_all()
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()
    for id_ in ("t", "t2"):
        await store.memory.save_thread(thread(id_))
    await store.memory.save_messages([message("a"), message("b", 1)])
    await store.memory.save_resource(Resource(id="u", created_at=T0, updated_at=T0))
    await persist("running", "u")(store)
    await store.scores.save_score(score("old"))


@pytest.mark.parametrize("how", get_args(How))
@pytest.mark.parametrize("name", CALLS)
async def test_a_commit_that_is_cancelled_anywhere_leaves_every_index_right(
    store: RedisStore, place: Place, raw: Raw, name: str, how: How
) -> None:
    """GEN-12: the last steps are taken too, so there is nothing for ``verify`` to repair."""
    cancelled_points = 0
    async with gated_store(place) as (cancelled, gate):
        for point in count():
            await furnish(cancelled)
            if not await cancelled_at(point, lambda: CALLS[name](cancelled), gate, how):
                break
            cancelled_points += 1
            report = await store.verify()
            assert report.ok, (point, report.findings)
            await check_invariants(raw, place.keys)
    await furnish(store)
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()
    assert cancelled_points


@pytest.mark.parametrize("name", RIVALS)
async def test_a_cancelled_commit_settles_its_indexes_after_a_rival(
    store: RedisStore, place: Place, name: str
) -> None:
    """GEN-12, GEN-11: between the record and its entries another store lists it elsewhere."""
    point = 0
    async with gated_store(place) as (cancelled, gate):
        for point in count():
            await furnish(cancelled)
            if not await cancelled_at(
                point,
                lambda: CALLS[name](cancelled),
                gate,
                "task",
                meanwhile=lambda: RIVALS[name](store),
            ):
                break
            report = await store.verify()
            assert report.ok, (point, report.findings)
    assert point
    await store.workflows.dangerously_clear_all()
    await store.scores.dangerously_clear_all()
