"""Resources that two stores change at once: nothing is lost."""

import asyncio

import pytest

from redis_store import RedisStore, Resource
from tests.support.deployments.place import Place
from tests.support.schedules.interleaving import interleaving
from tests.support.wire.raw import Raw


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.races
async def test_concurrent_updates_keep_every_key(
    store: RedisStore, place: Place, *, known: bool
) -> None:
    """RES-02: of two stores, also when each of them would create the resource."""
    async with place.store() as other:
        for _ in range(3):
            await store.memory.dangerously_clear_all()
            if known:
                await store.memory.save_resource(Resource(id="r", metadata={"k": 0}))
            await asyncio.gather(
                *(
                    (store, other)[i % 2].memory.update_resource("r", metadata={f"k{i}": i})
                    for i in range(16)
                )
            )
            read = await store.memory.get_resource_by_id("r")
            assert read is not None
            expected = {f"k{i}": i for i in range(16)} | ({"k": 0} if known else {})
            assert read.metadata == expected


@pytest.mark.races
async def test_concurrent_merges_all_take_effect(store: RedisStore, place: Place) -> None:
    """RES-02: of two stores, while metadata changes and from nothing on: a counter loses none."""
    async with place.store() as other:
        for _ in range(3):
            await store.memory.dangerously_clear_all()
            await asyncio.gather(
                *(
                    (store, other)[i % 2].memory.merge_working_memory(
                        "r", lambda old: str(int(old or 0) + 1)
                    )
                    for i in range(12)
                ),
                *(other.memory.update_resource("r", metadata={str(i): i}) for i in range(4)),
            )
            read = await store.memory.get_resource_by_id("r")
            assert read is not None
            assert (read.working_memory, len(read.metadata)) == ("12", 4)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.races
async def test_a_deletion_and_an_update_that_meet_leave_one_or_none(
    store: RedisStore, place: Place, raw: Raw, *, known: bool
) -> None:
    """RES-02: in every order of their round trips; and whatever is stored, retention finds."""
    async with interleaving(place) as racing:
        for order in racing.orders():
            await store.memory.dangerously_clear_all()
            if known:
                await store.memory.save_resource(Resource(id="r", working_memory="m"))
            await order.run(
                lambda memory: memory.delete_resource("r"),
                lambda memory: memory.update_resource("r", metadata={"a": 1}),
            )
            read = await store.memory.get_resource_by_id("r")
            assert read is None or read.metadata == {"a": 1}
            listed = list(await raw.sorted_set(place.keys.resources_shard("r")))
            # In another slot an entry may outlive its record, until retention removes it.
            outlives = place.keys.hash_tags and read is None and listed == ["r"]
            assert outlives or listed == ["r"] * (read is not None)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.races
async def test_updates_that_meet_are_both_kept(
    store: RedisStore, place: Place, *, known: bool
) -> None:
    """RES-02: in every order of their round trips."""
    async with interleaving(place) as racing:
        for order in racing.orders():
            await store.memory.dangerously_clear_all()
            if known:
                await store.memory.save_resource(Resource(id="r", working_memory="m"))
            await order.run(
                lambda memory: memory.merge_working_memory("r", lambda old: f"{old}!"),
                lambda memory: memory.update_resource("r", metadata={"a": 1}),
            )
            read = await store.memory.get_resource_by_id("r")
            assert read is not None
            assert (read.working_memory, read.metadata) == ("m!" if known else "None!", {"a": 1})
