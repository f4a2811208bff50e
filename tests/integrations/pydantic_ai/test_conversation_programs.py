"""Any program of calls does what the framework's own store in memory does."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationStore,
    InMemoryConversationStore,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from redis_store.integrations.pydantic_ai import RedisConversationStore
from tests.integrations.pydantic_ai.messages import answered, asked, new, seen, shown
from tests.property.model_comparison import place_on
from tests.support.deployments.servers import Server
from tests.support.deployments.variants import FIRST

SCOPES = [None, None, "u", "{v}"]
Pair = tuple[Conversation | None, Conversation | None]


class Program:
    """Makes each call on both stores, and compares what they do."""

    def __init__(self, random: Random, ours: RedisConversationStore) -> None:
        self.random = random
        self.stores: tuple[ConversationStore, ConversationStore]
        self.stores = InMemoryConversationStore(), ours
        self.ids = ["a", "{b}", "c:d"]
        self.held: dict[str, Pair] = {}

    async def both(self, call: Callable[[int, ConversationStore], Awaitable[Any]]) -> Any:
        """What both return; ``None`` if both refuse alike."""
        outcomes: list[tuple[str, Any]] = []
        for at, store in enumerate(self.stores):
            try:
                outcomes.append(("ok", await call(at, store)))
            except (ConversationConflict, UserError) as error:
                outcomes.append((type(error).__name__, None))
        assert outcomes[0][0] == outcomes[1][0]
        return outcomes[0][1], outcomes[1][1]

    async def conversations(
        self, call: Callable[[int, ConversationStore], Awaitable[Conversation | None]]
    ) -> Pair:
        own, ours = await self.both(call)
        assert seen(own) == seen(ours)
        return own, ours

    async def step(self) -> None:
        calls = [self.save] * 4 + [self.load, self.branch, self.fork, self.delete, self.list_]
        scope = self.random.choice(SCOPES)
        await self.random.choice(calls)(self.random.choice(self.ids), scope)

    async def load(self, id_: str, scope: str | None) -> None:
        limit = self.random.choice([None, 0, 2, 3])
        self.held[id_] = await self.conversations(
            lambda _, store: store.load(id_, limit=limit, scope=scope)
        )

    async def save(self, id_: str, scope: str | None) -> None:
        if self.random.random() < 0.4:
            await self.load(id_, scope)
        own, ours = self.held.get(id_, (None, None))
        if own is None or ours is None:
            own, ours = new(id_), new(id_)
        added = [self.message(at) for at in range(self.random.randint(0, 3))]
        # Rewritten now and then, which leaves a branch.
        cut = -1 if own.messages and self.random.random() < 0.2 else None
        for each in own, ours:
            each.messages = [*each.messages[:cut], *added]
            each.usage = RunUsage(requests=len(each.messages))
        self.held[id_] = own, ours
        saved = await self.both(lambda at, store: store.save((own, ours)[at], scope=scope))
        if saved[0] is not None:
            assert [each.message for each in saved[0]] == [each.message for each in saved[1]]

    async def branch(self, id_: str, scope: str | None) -> None:
        pair = await self.conversations(lambda _, store: store.load(id_))
        if pair[0] is None or pair[1] is None:
            return
        revisions = pair[0].revision, pair[1].revision
        place = await self.place(id_, len(pair[0].messages))
        self.held[id_] = await self.conversations(
            lambda at, store: store.branch(
                id_, **place[at], expected_revision=revisions[at], scope=scope
            )
        )

    async def fork(self, id_: str, scope: str | None) -> None:
        target = self.random.choice([f"f{len(self.ids)}", self.ids[0]])
        keep_all: tuple[dict[str, Any], dict[str, Any]] = {}, {}
        place = await self.place(id_, 1) if self.random.random() < 0.7 else keep_all
        forks = await self.conversations(
            lambda at, store: store.fork(id_, **place[at], new_conversation_id=target, scope=scope)
        )
        if forks[0] is not None:
            self.held[target] = forks
            self.ids.append(target)

    async def place(self, id_: str, length: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """A number of messages to keep, or the last entry of a branch that was left."""
        own, ours = [await store.read_record(id_) for store in self.stores]
        if own is not None and ours is not None and own.branches and self.random.random() < 0.5:
            at = self.random.randrange(len(own.branches))
            return {"from_entry": own.branches[at]}, {"from_entry": ours.branches[at]}
        keep = {"at": self.random.randint(0, length + 1)}
        return keep, keep

    async def delete(self, id_: str, scope: str | None) -> None:
        await self.both(lambda _, store: store.delete(id_, scope=scope))

    async def list_(self, _: str, scope: str | None) -> None:
        limit = self.random.choice([None, 0, 1, 2])
        own, ours = await self.both(
            lambda _, store: store.list_conversations(scope=scope, limit=limit)
        )
        found = [
            [(r.conversation_id, r.scope, r.usage, len(r.branches), r.forked_from) for r in each]
            for each in (own, ours)
        ]
        assert found[0] == found[1]

    def message(self, at: int) -> ModelMessage:
        text = str(self.random.random())
        return answered(text) if at % 2 else self.random.choice([asked, shown])(text)


@pytest.mark.parametrize("layout", ["plain", "tagged"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, print_blob=True)
async def test_any_program_does_what_the_store_in_memory_does(
    seed: int, layout: str, servers: dict[str, Server]
) -> None:
    async with (
        place_on(servers[FIRST], hash_tags=layout == "tagged") as (place, _),
        place.store() as store,
    ):
        program = Program(Random(seed), RedisConversationStore(store))  # noqa: S311 - a program
        for _ in range(60):
            await program.step()
        for id_ in program.ids:
            await program.load(id_, None)
        # A refused save of what was deleted may leave an entry, which readers remove.
        assert (await store.verify()).problems.keys() <= {"stale entry"}
        await store.dangerously_clear_integrations()
