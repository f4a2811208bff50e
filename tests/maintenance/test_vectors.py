"""Vectors of messages in maintenance: verified, swept, erased with their resource."""

from datetime import timedelta
from pathlib import Path

import pytest

from redis_store import Memory, Message, Pruned, RedisStore, Retention, Thread
from redis_store.memory.vector_codes import VectorKeys
from redis_store.models import now
from tests.support.deployments.place import Place
from tests.support.deployments.rights import login_url, server_with
from tests.support.deployments.variants import on_each_topology
from tests.support.wire.raw import Raw

OLD = timedelta(days=30)


async def embed(texts: list[str]) -> list[list[float]]:
    return [[1.0, float(len(text))] for text in texts]


def memory_of(store: RedisStore) -> Memory:
    return Memory(store, embed=embed, semantic_recall=1)


async def furnish(store: RedisStore) -> None:
    """Two threads of Ana, and one of Bob, each with an old message and a new one, and vectors."""
    for thread, resource in (("a", "ana"), ("b", "ana"), ("c", "bob")):
        date = now() - OLD * 2 if thread == "a" else now()
        await store.memory.save_thread(
            Thread(id=thread, resource_id=resource, created_at=date, updated_at=date)
        )
        messages = [
            Message.from_text("user", "hi", thread_id=thread, resource_id=resource, created_at=at)
            for at in (now() - OLD * 2, date)
        ]
        await store.memory.save_messages(messages)
    for resource in ("ana", "bob"):
        await memory_of(store).embed_messages(resource)


async def counted(raw: Raw, place: Place, resource: str) -> tuple[int, int]:
    keys = VectorKeys(place.keys)
    names = keys.codes(resource), keys.vectors(resource)
    codes, vectors = [await raw("HLEN", name) for name in names]
    return codes, vectors


@on_each_topology
async def test_erasing_a_resource_removes_its_vectors(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    await furnish(store)
    await store.erase_resource("ana")
    keys = VectorKeys(place.keys)
    assert [await raw("EXISTS", key) for key in (keys.codes("ana"), keys.vectors("ana"))] == [0, 0]
    assert await counted(raw, place, "bob") == (2, 2)


@on_each_topology
async def test_vectors_go_with_what_retention_removes(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    await furnish(store)
    async with place.store(retention=Retention(messages=OLD)) as other:
        assert await other.prune() == [Pruned("messages", 4, done=True)]
    assert await counted(raw, place, "ana") == (1, 1)
    assert await counted(raw, place, "bob") == (1, 1)


async def test_vectors_go_with_threads_that_retention_removes(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    await furnish(store)
    # Saving its messages updated it.
    old = now() - OLD * 2
    await store.memory.save_thread(
        Thread(id="a", resource_id="ana", created_at=old, updated_at=old)
    )
    async with place.store(retention=Retention(threads=OLD)) as other:
        (pruned,) = await other.prune()
    assert pruned.deleted == 1
    assert await counted(raw, place, "ana") == (2, 2)


@on_each_topology
async def test_verify_tells_a_vector_without_a_code_and_removes_those_of_messages_that_are_gone(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    await furnish(store)
    await store.memory.delete_thread("a")
    report = await store.verify()
    assert report.ok, report.findings
    assert report.checked["codes"] == report.checked["vectors"] == 6
    assert await counted(raw, place, "ana") == (4, 4)
    keys = VectorKeys(place.keys)
    await raw("HSET", keys.vectors("ana"), "1:x1:y", b"")
    await raw("HSET", keys.codes("bob"), "1:x1:y", b"")
    report = await store.verify(repair=True)
    assert report.problems == {"stale entry": 2}
    assert report.repaired == 2
    assert await counted(raw, place, "ana") == (2, 2)
    assert await counted(raw, place, "bob") == (2, 2)
    assert (await store.verify()).ok


@pytest.mark.damages
async def test_a_field_that_names_no_message_is_reported(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    await furnish(store)
    keys = VectorKeys(place.keys)
    for key in (keys.codes("ana"), keys.vectors("ana")):
        await raw("HSET", key, "nothing", b"")
    report = await store.verify(repair=True)
    assert report.problems == {"corrupt record": 1}
    assert await counted(raw, place, "ana") == (5, 5)


async def test_the_documented_rights_suffice(binary: str, tmp_path: Path) -> None:
    async with server_with(binary, tmp_path, "every store", "semantic recall") as server:
        for hash_tags in (False, True):
            await use(RedisStore(login_url(server), hash_tags=hash_tags, retention=RECENT))


RECENT = Retention(messages=timedelta(microseconds=1))


async def use(unopened: RedisStore) -> None:
    async with unopened as store:
        await furnish(store)
        memory = memory_of(store)
        async with memory.turn(thread="d", resource="ana", query="hi") as turn:
            assert turn.recalled_by_meaning
            turn.user("Hello")
        await store.memory.delete_thread("a")
        await memory.embed_messages("ana")
        assert (await store.verify(repair=True)).ok
        await store.prune()
        await store.erase_resource("ana")
        await store.memory.dangerously_clear_all()
