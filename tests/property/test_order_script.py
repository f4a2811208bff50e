"""The Lua that keeps a thread's order, run on a server against a stable sort."""

from collections.abc import Mapping
from itertools import count
from uuid import uuid4

from hypothesis import example, given, settings
from hypothesis import strategies as st

from redis_store._engine.scripts import source
from redis_store._engine.timestamps import epoch_us
from tests.support.deployments.servers import Server
from tests.support.records.builders import at
from tests.support.wire.raw import Raw

# KEYS: order. ARGV: body prefix, n, then n ids, n dates in µs, n bodies.
_INSERT = f"""{source("lib/insertion")}
local ids, dates, n = {{}}, {{}}, tonumber(ARGV[2])
for i = 1, n do
  ids[i], dates[i] = ARGV[2 + i], tonumber(ARGV[2 + n + i])
  redis.call('SET', ARGV[1] .. ids[i], ARGV[2 + 2 * n + i])
end
insert(KEYS[1], ARGV[1], ids, dates)"""
# KEYS: order. ARGV: body prefix, then dates in µs. How many messages were created until then.
_RANK = f"""{source("lib/timeline")}
local ranks = {{}}
for i = 2, #ARGV do ranks[#ranks + 1] = rank(KEYS[1], ARGV[1], tonumber(ARGV[i])) end
return ranks"""

# Dates of messages that come together, in µs; none: the oldest message goes, and leaves a gap.
steps = st.lists(
    st.lists(st.integers(0, 8) | st.sampled_from([98, 99, 100]), max_size=6), max_size=20
)


@given(steps=steps)
@example(steps=[[1] * 250, [0, 0, 1, 250, 251, 252], [], [], [0], [1]])  # pushes many at once
@example(steps=[[5], [0] * 6, [4], [3, 4, 5, 6]])
@settings(max_examples=100, deadline=None, print_blob=True)
async def test_the_order_is_by_date_then_by_insertion(
    steps: list[list[int]], servers: Mapping[str, Server]
) -> None:
    order, bodies, number = f"order:{uuid4()}", f"body:{uuid4()}:", count()
    inserted: dict[str, int] = {}
    async with Raw(next(iter(servers.values())).url) as raw:
        for dates in steps:
            if dates:
                added = {str(next(number)): us for us in sorted(dates)}
                await raw("EVAL", _INSERT, 1, order, bodies, len(added), *_arguments(added))
                inserted |= added
            elif inserted:
                oldest = next(iter(inserted))
                del inserted[oldest]
                await raw("ZREM", order, oldest)
                await raw("DEL", bodies + oldest)
        scores = await raw.sorted_set(order)
        asked = range(-1, 12)
        ranks = await raw("EVAL", _RANK, 1, order, bodies, *(epoch_us(at(us)) for us in asked))
        await raw("DEL", order, *(bodies + id_ for id_ in inserted))
    assert list(scores) == sorted(inserted, key=inserted.__getitem__)
    assert len(set(scores.values())) == len(scores)
    assert all(scores[id_] >= epoch_us(at(us)) for id_, us in inserted.items())
    assert ranks == [sum(us <= until for us in inserted.values()) for until in asked]


def _arguments(added: dict[str, int]) -> list[str | int]:
    bodies = [f'{{"createdAt":"{at(us):%Y-%m-%dT%H:%M:%S.%f}Z"}}' for us in added.values()]
    return [*added, *(epoch_us(at(us)) for us in added.values()), *bodies]
