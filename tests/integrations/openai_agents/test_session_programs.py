"""Any program of calls does what the SDK's own session in memory does."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from agents.memory import Session, SQLiteSession
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_store.integrations.openai_agents import RedisSession
from tests.integrations.openai_agents.items import ODD, item
from tests.property.model_comparison import place_on
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST

Call = Callable[[Session], Awaitable[Any]]


def _add(chosen: list[int]) -> Call:
    return lambda session: session.add_items([item(ODD[at]) for at in chosen])


def _get(limit: int | None) -> Call:
    return lambda session: session.get_items(limit)


def _pop(session: Session) -> Awaitable[Any]:
    return session.pop_item()


def _clear(session: Session) -> Awaitable[Any]:
    return session.clear_session()


calls: st.SearchStrategy[Call] = st.one_of(
    st.lists(st.integers(0, len(ODD) - 1), max_size=5).map(_add),
    st.one_of(st.none(), st.integers(0, 9)).map(_get),
    st.sampled_from([_pop, _pop, _pop, _clear]),
)
# Of which session, and through which of two objects for it.
steps = st.tuples(st.sampled_from("ab"), st.integers(0, 1), calls)


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@given(program=st.lists(steps, max_size=40))
@settings(max_examples=40, deadline=None, print_blob=True)
async def test_any_program_does_what_the_session_in_memory_does(
    program: list[tuple[str, int, Call]], layout: str, servers: dict[str, Server]
) -> None:
    own = {id_: SQLiteSession(id_) for id_ in "ab"}
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, _),
        place.store() as store,
    ):
        ours = {(id_, n): RedisSession(id_, store, user=f"u{n}") for id_ in "ab" for n in (0, 1)}
        for id_, which, call in program:
            assert await call(ours[id_, which]) == await call(own[id_])
            assert await ours[id_, 0].get_items() == await own[id_].get_items()
        assert (await store.verify()).ok
        for id_ in "ab":
            await ours[id_, 0].clear_session()
    for session in own.values():
        session.close()
