"""Programs of calls do on real servers what they do in the model, call by call."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from redis_store import MemoryStore
from tests.property.model import Model
from tests.property.model_comparison import outcome, place_on
from tests.property.program_calls import Call
from tests.property.programs import CLONED, inspections, programs
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST
from tests.support.inspection.invariants import check_invariants

layouts = pytest.mark.parametrize("layout", ["plain", "tagged"])


@layouts
@given(program=programs)
@settings(max_examples=80, deadline=None, print_blob=True)
async def test_any_program_does_what_the_model_does(
    program: list[Call], layout: str, servers: Mapping[str, Server]
) -> None:
    await _run(program, servers[FIRST], hash_tags=layout == "tagged")


@layouts
@given(program=inspections)
@settings(max_examples=50, deadline=None, print_blob=True)
async def test_any_listing_shows_what_the_model_shows(
    program: list[Call], layout: str, servers: Mapping[str, Server]
) -> None:
    await _run(program, servers[FIRST], hash_tags=layout == "tagged")


@layouts
@given(program=programs)
@settings(max_examples=20, deadline=None, print_blob=True)
async def test_other_servers_do_the_same(
    program: list[Call], layout: str, other_server: str, servers: Mapping[str, Server]
) -> None:
    await _run(program, servers[other_server], hash_tags=layout == "tagged")


async def _run(program: list[Call], server: Server, *, hash_tags: bool) -> None:
    """Run a program in a place of its own, and check at the end that all of it can go."""
    async with place_on(server, hash_tags=hash_tags) as (place, raw), place.store() as store:
        model = Model()
        for call in program:
            await compare_call(call, store.memory, model)
        await check_invariants(raw, place.keys)
        for thread in await store.memory.list_threads():
            await store.memory.delete_thread(thread.id)
        kept = place.keys.resource(""), *place.keys.all_resources()
        left = await raw.keys(place.keys.prefix)
        assert [key for key in left if not key.startswith(kept)] == []
        await store.memory.dangerously_clear_all()


async def compare_call(call: Call, memory: MemoryStore, model: Model) -> None:
    """Make one call on both; compare what it returned and, if it wrote, all that is stored."""
    arguments = {name: _resolved(value, model) for name, value in call.arguments.items()}
    actual = await outcome(memory, call.name, arguments)
    made = {"made": actual} if call.name in ("clone_thread", "copy_thread") else {}
    expected = await outcome(model, call.name, arguments | made)
    if not call.reads:
        threads = await memory.list_threads(per_page=None)
        resources = [await memory.get_resource_by_id(id_) for id_ in model.resources]
        model.settle(threads, [resource for resource in resources if resource])
        model.merge((await memory.list_messages([*model.threads, "none"], per_page=None)).items)
    assert actual == expected, call


def _resolved(value: Any, model: Model) -> Any:
    """Put the ids of the latest cloned messages in the place of their stand-ins."""
    ids = dict(zip(CLONED, reversed(model.cloned), strict=False))

    def resolve(item: Any) -> Any:
        return ids.get(item, item) if isinstance(item, str) else replace(item, id=resolve(item.id))

    if not isinstance(value, list):
        return value
    return [resolve(item) for item in cast("Iterable[Any]", value)]
