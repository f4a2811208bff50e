"""Many processes on one conversation: of racing saves one wins, and nothing is half-written."""

import asyncio
from functools import partial
from itertools import count
from typing import get_args

import pytest
from pydantic_ai.conversation_store import ConversationConflict

from redis_store import RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore
from tests.integrations.pydantic_ai.messages import asked, loaded, new, texts
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.schedules.cancellation import How, cancelled_at
from tests.support.schedules.lost_replies import lose_next_reply
from tests.support.schedules.round_trip_gates import gated_store


@on_each_topology
async def test_twenty_racing_saves_with_retry_keep_twenty(opened: RedisStore, place: Place) -> None:
    async with place.store() as other:
        both = RedisConversationStore(opened), RedisConversationStore(other)
        await both[0].save(new("c"), scope="ana")

        async def add(n: int) -> None:
            while True:
                conversation = await loaded(both[n % 2])
                conversation.messages.append(asked(str(n)))
                try:
                    await both[n % 2].save(conversation)
                except ConversationConflict:
                    continue
                return

        await asyncio.gather(*map(add, range(20)))
        assert sorted(map(int, texts(await loaded(both[0])))) == [*range(20)]
    assert (await opened.verify()).ok


async def test_a_save_whose_reply_is_lost_counts_once(opened: RedisStore, place: Place) -> None:
    async with place.store() as forgetful:
        conversations = RedisConversationStore(forgetful)
        lost = lose_next_reply(forgetful)
        await conversations.save(new("c", asked("1")), scope="ana")
        assert lost
    async with place.store() as forgetful:
        conversations = RedisConversationStore(forgetful)
        lost = lose_next_reply(forgetful)
        conversation = await loaded(conversations)
        conversation.messages.append(asked("2"))
        await conversations.save(conversation)
        assert lost
    async with place.store() as forgetful:
        lost = lose_next_reply(forgetful)
        await RedisConversationStore(forgetful).fork("c", new_conversation_id="f")
        assert lost
    async with place.store() as forgetful:
        lost = lose_next_reply(forgetful)
        await RedisConversationStore(forgetful).delete("c")
        assert lost
    direct = RedisConversationStore(opened)
    assert await direct.load("c") is None
    assert texts(await loaded(direct, "f")) == ["1", "2"]
    assert (await opened.verify()).ok


@pytest.mark.parametrize("how", get_args(How))
async def test_a_cancelled_save_did_all_or_nothing(
    opened: RedisStore, place: Place, how: How
) -> None:
    direct = RedisConversationStore(opened)
    lengths: set[int] = set()
    async with gated_store(place) as (gated, gate):
        for point in count():
            id_ = str(point)
            await direct.save(new(id_, asked("1")))
            conversation = await loaded(direct, id_)
            conversation.messages += map(asked, "23")
            save = partial(RedisConversationStore(gated).save, conversation)
            if not await cancelled_at(point, save, gate, how):
                break
            found = texts(await loaded(direct, id_))
            assert found in (["1"], ["1", "2", "3"])
            lengths.add(len(found))
    assert lengths == {1, 3}


async def test_forks_race_the_deletion_of_their_source(opened: RedisStore, place: Place) -> None:
    async with place.store() as other:
        mine, theirs = RedisConversationStore(opened), RedisConversationStore(other)
        for n in range(10):
            await mine.save(new("c", *map(asked, "123")))
            fork = theirs.fork("c", new_conversation_id=f"f{n}")
            done, _ = await asyncio.gather(fork, mine.delete("c"), return_exceptions=True)
            found = await mine.load(f"f{n}")
            if isinstance(done, BaseException):
                assert found is None
            else:
                assert found is not None
                assert texts(found) == ["1", "2", "3"]
    assert (await opened.verify()).ok
