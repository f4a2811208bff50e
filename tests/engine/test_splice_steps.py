"""Splices as the server applies them, in one piece and in place."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store._engine.scripts import COMMIT
from redis_store._engine.splices import Splice, apply
from redis_store._engine.steps import Step, splice, splice_in_place
from tests.support.deployments.servers import Server
from tests.support.wire.raw import connect_raw

BLOCK = 65536

# What is kept, dropped and inserted, in units: of a byte, or of most of a block.
edits = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=4)


@pytest.mark.parametrize("step", [splice, splice_in_place])
@pytest.mark.parametrize("unit", [1, BLOCK - 7, BLOCK + 1])
@given(sizes=edits, rest=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
async def test_a_string_is_spliced_whatever_moves_where(
    servers: Mapping[str, Server],
    step: Callable[[str, Sequence[Splice]], Step],
    unit: int,
    sizes: list[tuple[int, int, int]],
    rest: int,
) -> None:
    """To the left, to the right, over several blocks; its lifetime stays."""
    edits = [Splice(keep * unit, drop * unit, b"+" * text * unit) for keep, drop, text in sizes]
    length = sum(keep + drop for keep, drop, _ in sizes) * unit + rest * unit + 1
    before = bytes(33 + n * n % 91 for n in range(length))
    async with connect_raw(next(iter(servers.values())).url) as raw:
        await raw("SET", "spliced", before, "EX", 100)
        built = step("spliced", edits)
        await raw("EVAL", COMMIT.source, 1, "spliced", built.name, *built.args)
        after, ttl = await raw.many(("GET", "spliced"), ("TTL", "spliced"))
        await raw("DEL", "spliced")
    assert after == apply(before, edits)
    assert ttl > 0
