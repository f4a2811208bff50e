"""What a call costs, in a conversation of any length."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from redis_store import RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore
from tests.integrations.pydantic_ai.messages import answered, asked, loaded, new
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_one_server
from tests.support.wire.proxies import CountingProxy


async def _save_two(conversations: RedisConversationStore) -> None:
    conversation = await loaded(conversations, limit=10)
    conversation.messages += [asked("x" * 400), answered("x" * 400)]
    await conversations.save(conversation)


@dataclass(frozen=True)
class Pinned:
    """What a call may use: round trips in either layout, and bytes at most."""

    call: Callable[[RedisConversationStore], Awaitable[object]]
    round_trips: int
    tagged_round_trips: int
    sent: int
    received: int


COSTS: dict[str, Pinned] = {
    "load the last 10": Pinned(lambda c: c.load("c", limit=10), 2, 2, 500, 9_500),
    "load the last 10 and save 2": Pinned(_save_two, 4, 4, 5_000, 10_500),
    "list": Pinned(lambda c: c.list_conversations(scope="ana"), 2, 2, 500, 1_200),
    "new": Pinned(lambda c: c.save(new("n", asked("x" * 400))), 2, 2, 3_000, 100),
    "delete": Pinned(lambda c: c.delete("n"), 3, 5, 1_500, 900),
}


@on_one_server
@pytest.mark.parametrize("length", [20, 1_000])
async def test_a_call_costs_the_same_at_any_length(
    opened: RedisStore,
    metered_store: RedisStore,
    proxy: CountingProxy,
    place: Place,
    length: int,
) -> None:
    direct, conversations = (
        RedisConversationStore(opened),
        RedisConversationStore(metered_store),
    )
    await direct.save(new("c", *(asked(f"{n:04}" + "x" * 400) for n in range(length))), scope="ana")
    await direct.load("c", limit=1)
    await metered_store.memory.list_threads()
    for name, pinned in COSTS.items():
        with proxy.measure() as cost:
            await pinned.call(conversations)
        if place.keys.hash_tags:
            assert cost.round_trips == pinned.tagged_round_trips, name
        else:
            assert cost.round_trips == pinned.round_trips, name
            assert cost.bytes_sent <= pinned.sent, name
            assert cost.bytes_received <= pinned.received, name
