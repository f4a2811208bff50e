"""RedisConversationStore keeps conversations apart, whole, and as they were."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.conversation_store import ConversationConflict
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from redis_store import CorruptRecordError, InvalidArgumentError, RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore
from tests.integrations.pydantic_ai.messages import asked, loaded, new, texts
from tests.support.deployments.place import Place
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.raw import Raw

HOSTILE = ["{x}", "a:b", "*", "a\0b", "é" * 300, "1:a", "}{", " "]


def count(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Stands in for a model."""
    return ModelResponse(parts=[TextPart(content=f"{len(messages)} so far")])


@on_each_topology
async def test_an_agent_goes_on_in_another_process(opened: RedisStore, place: Place) -> None:
    agent = Agent(FunctionModel(count))
    first = RedisConversationStore(opened)
    result = await agent.run("one", conversation=new("c"))
    await first.save(result, scope="ana")
    async with place.store() as other:
        second = RedisConversationStore(other)
        conversation = await loaded(second, scope="ana")
        result = await agent.run("two", conversation=conversation)
        assert result.output == "3 so far"
        await second.save(result, scope="ana")
    assert len((await loaded(first)).messages) == 4
    assert await first.load("c", scope="bob") is None
    assert (await loaded(first)).usage.requests == 2


async def test_forks_copy_what_they_keep(
    opened: RedisStore, conversations: RedisConversationStore, raw: Raw, place: Place
) -> None:
    await conversations.save(new("c", *map(asked, "123")))
    fork = await conversations.fork("c", at=2, new_conversation_id="f")
    fork_of_fork = await conversations.fork("f", new_conversation_id="g")
    await conversations.delete("c")
    await conversations.delete("f")
    assert (
        texts(fork) == texts(fork_of_fork) == texts(await loaded(conversations, "g")) == ["1", "2"]
    )
    fork_of_fork.messages.append(asked("4"))
    await conversations.save(fork_of_fork)
    assert texts(await loaded(conversations, "g", limit=2)) == ["2", "4"]
    await conversations.delete("g")
    assert [key for key in await raw.keys(place.keys.prefix) if "integrations" in key] == []
    assert (await opened.verify()).ok


async def test_any_ids_are_apart(conversations: RedisConversationStore) -> None:
    for id_ in HOSTILE:
        await conversations.save(new(id_, asked(id_)), scope=id_)
    for id_ in HOSTILE:
        assert texts(await loaded(conversations, id_, scope=id_)) == [id_]
        (record,) = await conversations.list_conversations(scope=id_)
        assert record.conversation_id == id_
    await conversations.delete("*")
    assert len(await conversations.list_conversations()) == len(HOSTILE) - 1


async def test_bad_arguments_store_nothing(
    opened: RedisStore, conversations: RedisConversationStore, raw: Raw, place: Place
) -> None:
    bad: list[tuple[Any, str | None]] = [
        (new(""), None),
        (new("x" * 1025), None),
        (new("\ud800"), None),
        (new("c"), ""),
        (new("c", asked("\ud800")), None),
    ]
    for conversation, scope in bad:
        with pytest.raises(InvalidArgumentError):
            await conversations.save(conversation, scope=scope)
    assert await raw.keys(place.keys.prefix) == []
    with pytest.raises(InvalidArgumentError, match="ttl"):
        RedisConversationStore(opened, ttl=timedelta(0))


async def test_entries_are_read_by_the_ids_that_were_read(
    conversations: RedisConversationStore,
) -> None:
    (saved,) = await conversations.save(new("c", asked("1")))
    (found,) = await conversations.load_entries("c") or []
    assert found == saved
    assert await conversations.read_entry(found.id) == saved
    with pytest.raises(LookupError, match="not read from here"):
        await conversations.read_entry(saved.id)
    await conversations.delete("c")
    with pytest.raises(LookupError):
        await conversations.read_entry(found.id)


async def test_a_conversation_expires_as_a_whole(
    opened: RedisStore, raw: Raw, place: Place, conversations: RedisConversationStore
) -> None:
    expiring = RedisConversationStore(opened, ttl=timedelta(hours=1))
    await expiring.save(new("c", asked()), scope="ana")
    found = await raw.keys(place.keys.prefix)
    stored = [key for key in found if ":conversation_by:" not in key]
    assert len(stored) == 2
    for key in stored:
        assert await raw("PTTL", key) > 3_500_000
        await raw("PEXPIRE", key, 1_000_000)
    await expiring.load("c")
    for key in stored:
        assert await raw("PTTL", key) > 3_500_000
        await raw("PEXPIRE", key, 0)
    await conversations.save(new("d", asked()), scope="ana")
    assert len(await conversations.list_conversations(scope="ana", limit=1)) == 1
    assert len(await conversations.list_conversations()) == 1


async def test_what_is_unreadable_names_its_key(
    conversations: RedisConversationStore, raw: Raw, place: Place
) -> None:
    await conversations.save(new("c", asked()))
    found = await raw.keys(place.keys.prefix)
    (entries,) = [key for key in found if ":conversation_entries:" in key]
    (field,) = await raw("HKEYS", entries)
    for damaged in b"0:{}", b"0:\xff":
        await raw("HSET", entries, field, damaged)
        with pytest.raises(CorruptRecordError) as caught:
            await conversations.load("c")
        assert caught.value.key == entries
    # A circle, which no save makes, ends.
    await raw("HSET", entries, field, b"%d:%b{}" % (len(field), field))
    with pytest.raises(CorruptRecordError):
        await conversations.load("c")
    await raw("HDEL", entries, field)
    with pytest.raises(LookupError):
        await conversations.load("c")


async def test_a_stale_conversation_is_refused(conversations: RedisConversationStore) -> None:
    await conversations.save(new("c", asked("1")))
    mine, theirs = await loaded(conversations), await loaded(conversations)
    theirs.messages.append(asked("theirs"))
    await conversations.save(theirs)
    mine.messages.append(asked("mine"))
    for refused in mine, new("c"):
        with pytest.raises(ConversationConflict):
            await conversations.save(refused)
    assert texts(await loaded(conversations)) == ["1", "theirs"]
