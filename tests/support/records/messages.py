"""Short ways to save messages, and to say which ones came back."""

from collections.abc import Iterable
from typing import Any

from redis_store import Message, RedisStore
from tests.support.records.builders import thread
from tests.support.wire.raw import Raw


def ids(messages: Iterable[Message]) -> list[str]:
    """Their ids, in order."""
    return [message.id for message in messages]


async def make_threads(store: RedisStore, *thread_ids: str, resource_id: str = "u") -> None:
    """Save threads of one resource."""
    for id_ in thread_ids:
        await store.memory.save_thread(thread(id_, resource_id))


async def saved(store: RedisStore, *messages: Message) -> None:
    """Save messages in one batch, and threads for them; ``t`` in any case."""
    for id_ in {"t", *(message.thread_id for message in messages)}:
        if await store.memory.get_thread_by_id(id_) is None:
            await store.memory.save_thread(thread(id_))
    await store.memory.save_messages(list(messages))


async def listed(store: RedisStore, thread_id: str | list[str] = "t", **options: Any) -> list[str]:
    """Ids of all messages that a listing without pages returns."""
    options = {"per_page": None} | options
    return ids(await store.memory.list_messages(thread_id, **options))


async def walked(store: RedisStore, thread_id: str | list[str] = "t", **options: Any) -> list[str]:
    """Ids of all pages of a listing, one after the other; fails where ``has_more`` is wrong."""
    found: list[str] = []
    page = 0
    while True:
        listing = await store.memory.list_messages(thread_id, page=page, **options)
        found += ids(listing)
        if not listing.has_more:
            return found
        assert listing.items, "has_more, but nothing came"
        page += 1


async def snapshot(raw: Raw, prefix: str) -> dict[str, bytes]:
    """Every key under a prefix with its serialized value."""
    keys = await raw.keys(prefix)
    return dict(zip(keys, await raw.many(*(("DUMP", key) for key in keys)), strict=True))
