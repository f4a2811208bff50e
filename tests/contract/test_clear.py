"""Clearing the memory domain removes all of it, and nothing else."""

from datetime import timedelta

import pytest

from redis_store import RedisStore, Resource
from redis_store._engine.keys import Keys
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread
from tests.support.wire.raw import Raw

# Behind the store's own prefix: other domains, and keys that only look like the memory's.
SAME_PREFIX = [
    "mastra_workflow_snapshot:namespace:workflows:workflow_name:w:run_id:r",
    "mastra_scorers:id:s",
    "mastra:cache:c",
    "mastra_thread:id:t",
    "mastra_threads",
    "mastra_threads:t",
    "mastra_messages:t",
    "mastra_messages:threadId:t",
    "mastra_resource:r",
    "msg-idx",
    "msg-id:m",
    "thread:t",
    "thread:messages",
    "threads:t:messages",
    "redis_store",
    "redis_store:memory",
    "redis_store:scores:x",
    "",
]


async def furnish(store: RedisStore) -> None:
    for id_ in ("t", "*", "}", "x:messages"):
        await store.memory.save_thread(thread(id_))
        await store.memory.save_messages([message(f"m{id_}", thread_id=id_)])
    await store.memory.save_resource(Resource(id="r*"))
    await store.memory.save_resource(Resource(id="r"))


async def test_clearing_removes_every_key_of_the_domain(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-06: threads, messages, resources, indexes and unpublished clones; twice is fine."""
    await furnish(store)
    await store.memory.clone_thread("t")
    await raw("SET", place.keys.message("unpublished", "m"), "{}", "EX", 1000)
    await store.memory.dangerously_clear_all()
    assert await raw.keys(place.keys.prefix) == []
    await store.memory.dangerously_clear_all()
    await furnish(store)
    assert len(await store.memory.list_threads()) == 4


async def test_clearing_removes_more_keys_than_a_scan_returns_at_once(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-06: thousands of keys, in more than one slot."""
    for id_ in "abc":
        await store.memory.save_thread(thread(id_))
    await store.memory.save_messages(
        [message(f"{i}", i, thread_id="abc"[i % 3]) for i in range(1500)]
    )
    await store.memory.dangerously_clear_all()
    assert await raw.keys(place.keys.prefix) == []


async def test_other_keys_behind_the_same_prefix_stay(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-06: other domains, near misses, and foreign values under names like the domain's."""
    await furnish(store)
    strings = [place.keys.prefix + name for name in SAME_PREFIX]
    # Names that match, of types that the domain does not store there.
    strings += [
        place.keys.timeline("t string"),
        place.keys.resource_counts("s"),
        place.keys.threads_with_messages_of("s"),
    ]
    hashes = [
        place.keys.thread("hash"),
        place.keys.message_pointer("hash"),
        place.keys.timeline("hash"),
    ]
    for key in strings:
        await raw("SET", key, "mine")
    for key in hashes:
        await raw("HSET", key, "mine", 1)
    await store.memory.dangerously_clear_all()
    assert await raw.keys(place.keys.prefix) == sorted([*strings, *hashes])
    assert [await raw("GET", key) for key in strings] == [b"mine"] * len(strings)
    await raw("UNLINK", *strings, *hashes)


def look_alikes(prefix: str) -> list[str]:
    """Other prefixes: what this one's glob characters match, what it starts or ends with."""
    matched = "tXXbY" + prefix.removeprefix("t*[a-z]?\\")
    return ["", "t", prefix[:-1], f"{prefix}x:", f"x{prefix}", matched, prefix.upper()]


async def test_other_prefixes_stay(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-06: whatever this prefix would mean as a glob pattern."""
    await furnish(store)
    foreign: list[str] = []
    for prefix in look_alikes(place.keys.prefix):
        keys = Keys(prefix, hash_tags=place.keys.hash_tags)
        strings = [keys.thread("t"), keys.message("t", "m"), keys.message_pointer("m")]
        for key in (*strings, keys.resource("r")):
            await raw("SET", key, "{}")
        for key in (
            keys.timeline("t"),
            keys.threads_of("u", "created_at"),
            keys.threads_with_messages_of("u"),
        ):
            await raw("ZADD", key, 1, "m")
        await raw("HSET", keys.resource_counts("t"), "u", 1)
        foreign += [*strings, keys.resource("r"), keys.timeline("t"), keys.resource_counts("t")]
        foreign += [keys.threads_of("u", "created_at"), keys.threads_with_messages_of("u")]
    await store.memory.dangerously_clear_all()
    assert [key for key in foreign if not await raw("EXISTS", key)] == []
    await raw("UNLINK", *foreign)


@pytest.mark.parametrize("hash_tags", [False, True])
async def test_a_store_in_the_other_layout_is_not_cleared_with_it(
    store: RedisStore, raw: Raw, place: Place, *, hash_tags: bool
) -> None:
    """GEN-06: two stores, two prefixes, one of which begins like the other."""
    inner = f"{place.keys.prefix}inner:"
    # A cluster has only one layout.
    tagged = hash_tags or store.topology == "cluster"
    async with RedisStore(place.url, key_prefix=inner, hash_tags=tagged) as other:
        await furnish(store)
        await furnish(other)
        await store.memory.dangerously_clear_all()
        assert len(await other.memory.list_threads()) == 4
        assert len(await other.memory.list_messages_by_resource_id("u")) == 4
        await furnish(store)
        await other.memory.dangerously_clear_all()
        assert await raw.keys(inner) == []
        assert len(await store.memory.list_threads()) == 4


async def test_keys_with_a_time_to_live_of_other_domains_keep_it(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-06: nothing of them is rewritten."""
    key = f"{place.keys.prefix}mastra:cache:c"
    await raw("SET", key, "1", "EX", int(timedelta(hours=1).total_seconds()))
    await furnish(store)
    await store.memory.dangerously_clear_all()
    assert 3500 < await raw("TTL", key) <= 3600
    await raw("UNLINK", key)
