"""Conversations take part in maintenance: erased and exported by scope, pruned, verified."""

from datetime import timedelta

from redis_store import RedisStore
from redis_store.integrations.pydantic_ai import RedisConversationStore
from redis_store.maintenance import Retention
from redis_store.models import IntegrationRecord
from tests.integrations.pydantic_ai.messages import asked, new
from tests.support.deployments.place import Place
from tests.support.wire.raw import Raw


async def furnish(conversations: RedisConversationStore) -> None:
    for scope in "ana", "bob":
        for n in range(3):
            await conversations.save(new(f"{scope}{n}", asked("1"), asked("2")), scope=scope)
    await conversations.save(new("nobody's", asked("1")))


async def test_a_scope_is_erased(
    opened: RedisStore, conversations: RedisConversationStore, raw: Raw, place: Place
) -> None:
    await furnish(conversations)
    assert (await opened.erase_resource("ana")).integrations == {"pydantic_ai": 3}
    assert [key for key in await raw.keys(place.keys.prefix) if "ana" in key] == []
    assert len(await conversations.list_conversations()) == 4
    assert (await opened.erase_resource("ana")).integrations == {}


async def test_a_scope_is_exported(
    opened: RedisStore, conversations: RedisConversationStore
) -> None:
    await furnish(conversations)
    found: dict[str, int] = {}
    async for record in opened.export_resource("ana"):
        assert isinstance(record, IntegrationRecord)
        assert (record.integration, record.kind) == ("pydantic_ai", "conversation")
        assert record.content["record"]["scope"] == "ana"
        found[record.id] = len(record.content["entries"])
    assert found == {"ana0": 2, "ana1": 2, "ana2": 2}


async def test_old_conversations_are_pruned(
    opened: RedisStore, conversations: RedisConversationStore, place: Place
) -> None:
    await furnish(conversations)
    async with place.store(retention=Retention(integrations=timedelta(days=1))) as keeping:
        assert sum(pruned.deleted for pruned in await keeping.prune()) == 0
    async with place.store(retention=Retention(integrations=timedelta(microseconds=1))) as strict:
        done = {pruned.kind: pruned for pruned in await strict.prune()}
    pruned = done["pydantic_ai"]
    assert (pruned.deleted, pruned.done) == (7, True)
    assert await conversations.list_conversations() == []
    assert (await opened.verify()).ok


async def test_listings_are_verified_and_repaired(
    opened: RedisStore, conversations: RedisConversationStore, raw: Raw, place: Place
) -> None:
    await furnish(conversations)
    assert (await opened.verify()).ok
    indexes = [key for key in await raw.keys(place.keys.prefix) if ":conversation_by:" in key]
    for key in indexes:
        await raw("DEL", key)
    await raw("ZADD", indexes[0], 1, "\x004:none")
    report = await opened.verify(repair=True)
    assert report.problems == {"missing entry": 13, "stale entry": 1}
    assert (await opened.verify()).ok
    assert len(await conversations.list_conversations(scope="bob")) == 3
