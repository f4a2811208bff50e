"""After any program of calls, erasing a resource leaves what the model keeps, and nothing of it."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store import Message, RedisStore, Resource, Thread, WorkflowRun
from tests.property.model import Model
from tests.property.model_comparison import place_on, scanning
from tests.property.program_calls import Call
from tests.property.programs import RESOURCES, programs
from tests.property.test_state_machine import compare_call
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST
from tests.support.inspection.invariants import check_invariants
from tests.support.records.two_users import mentions


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@given(program=programs, resource_id=st.sampled_from(RESOURCES), scans=st.booleans())
@settings(max_examples=40, deadline=None, print_blob=True)
async def test_what_is_left_of_any_program_is_of_others(
    program: list[Call],
    resource_id: str,
    layout: str,
    servers: Mapping[str, Server],
    *,
    scans: bool,
) -> None:
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, raw),
        place.store() as store,
    ):
        model = Model()
        for call in program:
            await compare_call(call, store.memory, model)
        async with scanning(place) if scans else place.store() as eraser:
            await _check_exported(eraser, model, resource_id)
            erased = await eraser.erase_resource(resource_id)
        assert erased == model.erase_resource(resource_id)
        assert await mentions(raw, place.keys.prefix, resource_id) == []
        await check_invariants(raw, place.keys)
        threads = (await store.memory.list_threads(per_page=None)).items
        assert {thread.id: thread for thread in threads} == model.threads
        for id_ in model.threads:
            listed = await store.memory.list_messages(id_, per_page=None)
            assert listed.items == model.messages_of(id_)
        for id_ in RESOURCES:
            expected = model.get_resource_by_id(id_)
            assert await store.memory.get_resource_by_id(id_) == expected
        await store.memory.dangerously_clear_all()


async def _check_exported(store: RedisStore, model: Model, resource_id: str) -> None:
    records = [each async for each in store.export_resource(resource_id)]
    found: dict[object, object] = {
        (type(each), each.id): each for each in records if not isinstance(each, WorkflowRun)
    }
    assert len(found) == len(records)
    owned = {id_: t for id_, t in model.threads.items() if t.resource_id == resource_id}
    expected: dict[object, object] = {(Thread, id_): thread for id_, thread in owned.items()}
    for id_ in model.threads:
        for message in model.messages_of(id_):
            if id_ in owned or message.resource_id == resource_id:
                expected[Message, message.id] = message
    resource = model.get_resource_by_id(resource_id)
    expected |= {(Resource, resource_id): resource} if resource else {}
    assert found == expected
