"""Programs of cache calls do on real servers what they do in the model, call by call."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

import pytest
from hypothesis import given, settings

from redis_store import CacheStore, RedisStore
from tests.property.cache_model import CacheModel
from tests.property.cache_programs import COUNTERS, KEYS, Case, cases
from tests.property.model_comparison import compare, follow, place_on
from tests.property.program_calls import Call
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST
from tests.support.wire.raw import Raw

layouts = pytest.mark.parametrize("layout", ["plain", "tagged"])

PREFIX = "c*[a-z]?\\:"
# What a pattern made of the prefix would take with it, were it not escaped.
NEIGHBOUR = "cxab:k"
# Shorter than any time to live that a program sets, longer than any program.
SHORT_MS = 60_000


@layouts
@given(case=cases)
@settings(max_examples=60, deadline=None, print_blob=True)
async def test_any_program_does_what_the_model_does(
    case: Case, layout: str, servers: Mapping[str, Server]
) -> None:
    await _run(case, servers[FIRST], hash_tags=layout == "tagged")


@layouts
@given(case=cases)
@settings(max_examples=6, deadline=None, print_blob=True)
async def test_other_servers_do_the_same(
    case: Case, layout: str, other_server: str, servers: Mapping[str, Server]
) -> None:
    await _run(case, servers[other_server], hash_tags=layout == "tagged")


async def _run(case: Case, server: Server, *, hash_tags: bool) -> None:
    """Run a program where others left texts, and check at the end that all of it can go."""
    model = CacheModel(case.ttl, apart=hash_tags)
    async with place_on(server, hash_tags=hash_tags) as (place, raw):
        neighbour = place.keys.prefix + NEIGHBOUR
        await raw("SET", neighbour, 1)
        start = place.keys.prefix + PREFIX
        for key, text in case.texts.items():
            await raw("SET", start + key, text)
            model.texts[key] = text
        options: dict[str, Any] = {"cache_prefix": PREFIX, "cache_ttl": case.ttl}
        options |= {"key_prefix": place.keys.prefix, "hash_tags": hash_tags}
        async with RedisStore(server.url, **options) as store:
            await _follow(case.program, store.cache, model, raw, start)
            await store.cache.clear()
        assert await raw.keys(place.keys.prefix) == [neighbour]
        await raw("DEL", neighbour)


async def _follow(
    program: list[Call], cache: CacheStore, model: CacheModel, raw: Raw, start: str
) -> None:
    began = monotonic()

    async def check() -> None:
        await compare(model.views(), cache, model)
        left = {key: await raw("PTTL", start + key) for key in KEYS + COUNTERS}
        passed = 1000 * (monotonic() - began) + 1
        for key, ms in left.items():
            _check_time(model, key, ms, passed)
        for key in model.expiries:  # so that the next write that refreshes one is seen to
            model.expiries[key] = SHORT_MS
            await raw("PEXPIRE", start + key, SHORT_MS)

    await check()
    await follow(program, cache, model, check)


def _check_time(model: CacheModel, key: str, left: int, passed: float) -> None:
    """A key lives as long as its last write said, or for ever, or is not there."""
    if key in model.expiries:
        assert model.expiries[key] - passed <= left <= model.expiries[key], key
    else:
        assert left == (-1 if key in model.texts | model.lists else -2), key
