"""Programs of score calls do on real servers what they do in the model, call by call."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings

from tests.property.model_comparison import compare, follow, place_on, scanning
from tests.property.program_calls import Call
from tests.property.score_model import ScoreModel
from tests.property.score_programs import programs
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST

layouts = pytest.mark.parametrize("layout", ["plain", "tagged"])


@layouts
@given(program=programs)
@settings(max_examples=40, deadline=None, print_blob=True)
async def test_any_program_does_what_the_model_does(
    program: list[Call], layout: str, servers: Mapping[str, Server]
) -> None:
    await _run(program, servers[FIRST], hash_tags=layout == "tagged")


@layouts
@given(program=programs)
@settings(max_examples=6, deadline=None, print_blob=True)
async def test_other_servers_do_the_same(
    program: list[Call], layout: str, other_server: str, servers: Mapping[str, Server]
) -> None:
    await _run(program, servers[other_server], hash_tags=layout == "tagged")


async def _run(program: list[Call], server: Server, *, hash_tags: bool) -> None:
    """Run a program in a place of its own, and check at the end that all of it can go."""
    model = ScoreModel()
    async with place_on(server, hash_tags=hash_tags) as (place, _), place.store() as store:

        async def check() -> None:
            await compare(model.views(), store.scores, model)

        await follow(program, store.scores, model, check)
        report = await store.verify()
        assert report.ok, report.findings
        async with scanning(place) as other:
            await compare(model.views(), other.scores, model)
        await store.scores.dangerously_clear_all()
