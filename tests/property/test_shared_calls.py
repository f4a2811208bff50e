"""Concurrent calls over the library's connections, against one plain client that asks in order."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

import pytest
import redis.asyncio as aioredis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import exceptions

from redis_store import BackendError
from redis_store._connections import addresses, connecting
from redis_store._connections.deployment import Deployment
from redis_store._connections.limits import Limits
from tests.support.deployments.servers import Server

Step = tuple[str, ...]
Outcome = Any
# Before the names of the plain client's keys.
_TWIN = "twin:"

keys = st.sampled_from("ab")
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("SET"), keys, st.sampled_from(["1", "é", "", "x" * 70_000])),
    st.tuples(st.sampled_from(["GET", "INCR", "LLEN", "DEL", "LPOP"]), keys),
    st.tuples(st.just("RPUSH"), keys, st.text(max_size=3)),
    st.tuples(st.just("LRANGE"), keys, st.just("0"), st.just("-1")),
    st.tuples(st.just("NONSENSE"), keys),
)
# Whether the caller stays for the replies to its commands; if not, they change nothing.
calls = st.tuples(st.booleans(), st.lists(steps, min_size=1, max_size=4))
# Calls of one turn each.
programs = st.lists(st.lists(calls, min_size=1, max_size=8), max_size=6)


@pytest.fixture(scope="module")
async def plain(servers: Mapping[str, Server]) -> AsyncIterator[Any]:
    from_url = cast("Any", aioredis.Redis).from_url
    async with from_url(next(iter(servers.values())).url) as client:
        client.response_callbacks.clear()
        yield client


@pytest.fixture(scope="module")
async def shared(servers: Mapping[str, Server]) -> AsyncIterator[Deployment]:
    address = addresses.parse(next(iter(servers.values())).url)
    client = connecting.connect(address, {}, Limits(timeout=5))
    yield client
    await client.close()


@given(program=programs)
@settings(max_examples=75, deadline=None, print_blob=True)
async def test_each_call_gets_what_it_would_alone(
    program: "list[list[tuple[bool, list[Step]]]]", shared: Deployment, plain: Any
) -> None:
    """Values, errors and callers that leave: one's trouble is never another's."""
    prefix = uuid4().hex
    for turn in program:
        stays = [stay for stay, _ in turn]
        # Large ones go their own way: in no order with the others of their turn.
        sent = [
            [_on(f"{prefix}:{at if _is_large(commands) else ''}:", step) for step in commands]
            if stay
            else [("GET", f"{prefix}::a"), ("LLEN", f"{prefix}::b")]
            for at, (stay, commands) in enumerate(turn)
        ]
        calling = [asyncio.ensure_future(shared.send(commands)) for commands in sent]
        await asyncio.sleep(0)
        for call, stay in zip(calling, stays, strict=True):
            if not stay:
                call.cancel()
        outcomes = await asyncio.gather(*calling, return_exceptions=True)
        for outcome, stay, commands in zip(outcomes, stays, sent, strict=True):
            if stay:
                assert not isinstance(outcome, BaseException)
                assert [_plain(reply) for reply in outcome] == await _alone(plain, commands)
            else:
                assert isinstance(outcome, asyncio.CancelledError)
    left = await plain.execute_command("KEYS", f"*{prefix}:*")
    if left:
        await plain.execute_command("DEL", *left)


def _on(prefix: str, step: Step) -> Step:
    name, key, *rest = step
    return name, prefix + key, *rest


def _is_large(commands: Sequence[Step]) -> bool:
    return any(len(word) > 60_000 for step in commands for word in step)


def _plain(reply: Outcome) -> Outcome:
    return str(reply.__cause__) if isinstance(reply, BackendError) else reply


async def _alone(plain: Any, commands: Sequence[Step]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for name, key, *rest in commands:
        try:
            outcomes.append(await plain.execute_command(name, _TWIN + key, *rest))
        except exceptions.ResponseError as exc:
            outcomes.append(str(exc).replace(_TWIN, ""))
    return outcomes
