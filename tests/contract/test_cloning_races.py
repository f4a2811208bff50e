"""Clones that meet other calls, or are cancelled: the whole clone, or nothing."""

import asyncio
from functools import partial
from itertools import count
from typing import get_args

import pytest

from redis_store import ClonedThread, RedisStore, ThreadExistsError, ThreadNotFoundError
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.inspection.invariants import check_settled
from tests.support.records.builders import message, thread
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.interleaving import interleaving
from tests.support.schedules.round_trip_gates import gated_store
from tests.support.wire.raw import Raw

pytestmark = on_each_topology


async def furnish(store: RedisStore) -> None:
    await store.memory.dangerously_clear_all()
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a"), message("b", 1), message("c", 1)])


async def keys_of(raw: Raw, place: Place) -> set[str]:
    return set(await raw.keys(place.keys.prefix))


@pytest.mark.races
async def test_of_two_clones_to_one_id_exactly_one_wins(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """CLONE-04: in every order; the winner's clone is whole, and nothing of the loser is left."""
    winners: set[int] = set()
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store)
            outcomes = await order.run(
                lambda memory: memory.clone_thread("t", new_thread_id="new", resource_id="v"),
                lambda memory: memory.clone_thread("t", new_thread_id="new", resource_id="w"),
            )
            won = [outcome for outcome in outcomes if isinstance(outcome, ClonedThread)]
            assert len(won) == 1
            assert sum(isinstance(outcome, ThreadExistsError) for outcome in outcomes) == 1
            assert await store.memory.get_thread_by_id("new") == won[0].thread
            assert (await store.memory.list_messages("new")).items == won[0].messages
            bodies = [key for key in await keys_of(raw, place) if "new" in key and ":id:" in key]
            assert len([key for key in bodies if "mastra_messages" in key]) == 3
            await check_settled(store, raw, place.keys)
            winners.add(outcomes.index(won[0]))
    assert winners == {0, 1}


@pytest.mark.races
async def test_of_many_clones_to_one_id_exactly_one_wins(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """CLONE-04: without anybody who lets them take turns, many times."""
    async with place.store() as other:
        for _ in range(12):
            await furnish(store)
            outcomes = await asyncio.gather(
                *(
                    racer.memory.clone_thread("t", new_thread_id="new")
                    for racer in (store, other) * 3
                ),
                return_exceptions=True,
            )
            won = [outcome for outcome in outcomes if isinstance(outcome, ClonedThread)]
            assert len(won) == 1
            assert sum(isinstance(outcome, ThreadExistsError) for outcome in outcomes) == 5
            assert (await store.memory.list_messages("new")).items == won[0].messages
            await check_settled(store, raw, place.keys)


@pytest.mark.races
async def test_a_clone_and_a_thread_saved_under_its_id_do_not_mix(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """CLONE-04: the saved thread is there at the end; the clone came before it, or not at all."""
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store)
            cloned, _ = await order.run(
                lambda memory: memory.clone_thread("t", new_thread_id="new"),
                lambda memory: memory.save_thread(thread("new", "v")),
            )
            assert await store.memory.get_thread_by_id("new") == thread("new", "v")
            found = (await store.memory.list_messages("new")).items
            assert found == (cloned.messages if isinstance(cloned, ClonedThread) else [])
            await check_settled(store, raw, place.keys)


@pytest.mark.races
async def test_a_clone_of_a_thread_that_goes_is_whole_or_fails(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """CLONE-04, THR-07: never a clone with some of the messages, nor with none."""
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store)
            cloned, _ = await order.run(
                lambda memory: memory.clone_thread("t", new_thread_id="new"),
                lambda memory: memory.delete_thread("t"),
            )
            if isinstance(cloned, ThreadNotFoundError):
                assert await store.memory.get_thread_by_id("new") is None
            else:
                assert isinstance(cloned, ClonedThread)
                assert [m.text for m in cloned.messages] == ["a", "b", "c"]
                assert (await store.memory.list_messages("new")).items == cloned.messages
            await check_settled(store, raw, place.keys)


@pytest.mark.races
async def test_a_clone_of_a_thread_that_changes_hands_has_one_owner(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """CLONE-03, THR-10: the thread and its messages are the former owner's, or the new one's."""
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store)
            cloned, _ = await order.run(
                lambda memory: memory.clone_thread("t"),
                lambda memory: memory.update_thread_resource_id("t", "v"),
            )
            assert isinstance(cloned, ClonedThread)
            assert {m.resource_id for m in cloned.messages} == {cloned.thread.resource_id}
            assert len(cloned.messages) == 3
            await check_settled(store, raw, place.keys)


@pytest.mark.races
async def test_a_clone_of_a_thread_that_is_sorted_anew_is_in_order(
    store: RedisStore, place: Place, raw: Raw
) -> None:
    """CLONE-03: its order follows the dates that its messages have."""
    async with interleaving(place) as racing:
        for order in racing.orders():
            await furnish(store)
            cloned, _ = await order.run(
                lambda memory: memory.clone_thread("t"),
                lambda memory: memory.save_messages([message("a", 5), message("c", -5)]),
            )
            assert isinstance(cloned, ClonedThread)
            assert "".join(m.text for m in cloned.messages) in {"abc", "cba"}
            listed = await store.memory.list_messages(cloned.thread.id)
            assert listed.items == cloned.messages
            await check_settled(store, raw, place.keys)


@pytest.mark.parametrize("how", get_args(How))
@pytest.mark.races
async def test_a_cancelled_clone_is_whole_or_leaves_nothing(
    store: RedisStore, place: Place, raw: Raw, how: How
) -> None:
    """CLONE-04, GEN-12: wherever it is cancelled, and the store works as before."""
    complete = point = 0
    async with gated_store(place) as (cancelled, gate):
        for point in count():
            await furnish(store)
            before = await keys_of(raw, place)
            clone = partial(cancelled.memory.clone_thread, "t", new_thread_id="new")
            if not await cancelled_at(point, clone, gate, how):
                break
            if await store.memory.get_thread_by_id("new") is None:
                assert await keys_of(raw, place) == before
            else:
                complete += 1
                assert [m.text for m in await store.memory.list_messages("new")] == ["a", "b", "c"]
            await check_settled(store, raw, place.keys)
            assert len(await cancelled.memory.list_messages("t")) == 3
    assert point > complete > 0
