"""Moving a thread and its messages to another resource, which readers see whole."""

import json
from typing import Any

import pytest

from redis_store import RedisStore, ThreadNotFoundError
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, message, thread
from tests.support.records.owned_threads import furnish, shown
from tests.support.wire.raw import Raw


async def test_the_thread_and_all_its_messages_change_hands(store: RedisStore) -> None:
    """THR-10: every listing follows; nothing of other threads does."""
    await furnish(store.memory)
    moved = await store.memory.update_thread_resource_id("t", "v")
    assert (
        moved
        == await store.memory.get_thread_by_id("t")
        == thread(resource_id="v", updated_at=moved.updated_at)
    )
    assert moved.updated_at > T0
    assert await store.memory.get_thread_by_id("t", resource_id="u") is None
    assert (await store.memory.list_threads(resource_id="u")).items == []
    assert (await store.memory.list_threads(resource_id="v")).items == [moved]
    assert {m.resource_id for m in await store.memory.list_messages("t")} == {"v"}
    assert await shown(store.memory, "v") == ["a", "b", "c"]
    assert await shown(store.memory, "u") == ["z", "y"]


async def test_messages_of_other_resources_change_hands_too(store: RedisStore) -> None:
    """THR-10: all messages of the thread, whoever wrote them."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages(
        [message("a"), message("b", 1, resource_id="w"), message("c", 2, resource_id="v")]
    )
    await store.memory.update_thread_resource_id("t", "v")
    assert await shown(store.memory, "v") == ["a", "b", "c"]
    assert [await shown(store.memory, resource) for resource in "uw"] == [[], []]


async def test_an_empty_thread_changes_hands(store: RedisStore) -> None:
    """THR-10: messages that come later are the new owner's."""
    await store.memory.save_thread(thread())
    await store.memory.update_thread_resource_id("t", "v")
    await store.memory.save_messages([message("a", resource_id="v")])
    assert await shown(store.memory, "v") == ["a"]


async def test_many_messages_keep_their_order(store: RedisStore) -> None:
    """THR-10: where dates tie and touch, too."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message(f"{i:04}", i // 3) for i in range(1_200)])
    before = (await store.memory.list_messages("t", per_page=None)).items
    await store.memory.update_thread_resource_id("t", "v")
    after = (await store.memory.list_messages("t", per_page=None, resource_id="v")).items
    assert [m.id for m in after] == [m.id for m in before]
    assert {m.resource_id for m in after} == {"v"}
    await store.memory.dangerously_clear_all()


@pytest.mark.parametrize(
    "resource_id", ['"', "\\", 'a","resourceId":"b', "é🙂", "\n\x00", "x" * 1024]
)
async def test_any_resource_can_be_the_owner(store: RedisStore, resource_id: str) -> None:
    """THR-10: the new owner's id is written as JSON, whatever it holds, there and back."""
    await furnish(store.memory)
    await store.memory.update_thread_resource_id("t", resource_id)
    assert await shown(store.memory, resource_id) == ["a", "b", "c"]
    assert {m.resource_id for m in await store.memory.list_messages("t")} == {resource_id}
    await store.memory.update_thread_resource_id("t", "v")
    assert await shown(store.memory, "v") == ["a", "b", "c"]
    assert await shown(store.memory, resource_id) == []


@pytest.mark.parametrize(
    "content",
    [
        {"resourceId": "u", "parts": [{"resourceId": "u"}], "content": '"resourceId":"u"'},
        '","resourceId":"u","',
        ["resourceId", "u", {"resourceId": "u"}],
        "\\",
        '\\"}],"resourceId":"u"',
        {"format": 2, "empty": [], "large": 2**53 + 1, "exact": 1.0, "}": "{", "]": ["["]},
    ],
    ids=lambda content: json.dumps(content)[:25],
)
async def test_nothing_else_in_a_message_changes(
    store: RedisStore, raw: Raw, place: Place, content: Any
) -> None:
    """THR-10, GEN-09: contents that look like the owner, fields before and behind it, all stay."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a")])
    key = place.keys.message("t", "a")
    stored = json.loads(await raw("GET", key))
    stored["content"] = content
    record: dict[str, Any] = {"_x": {"resourceId": "u"}, "content": content} | stored | {"_z": []}
    await raw("SET", key, json.dumps(record))
    await store.memory.update_thread_resource_id("t", "v")
    expected = json.dumps(record | {"resourceId": "v"}).encode()
    assert await raw("GET", key) == expected


async def test_the_same_owner_changes_nothing(store: RedisStore, raw: Raw, place: Place) -> None:
    """THR-10: not a byte of any key, ``updated_at`` neither."""
    await furnish(store.memory)
    await store.memory.save_messages([message("foreign", resource_id="v")])
    before = await dump(raw, place)
    unmoved = await store.memory.update_thread_resource_id("t", "u")
    assert unmoved == await store.memory.get_thread_by_id("t")
    assert await dump(raw, place) == before


async def dump(raw: Raw, place: Place) -> dict[str, bytes]:
    return {key: await raw("DUMP", key) for key in await raw.keys(place.keys.prefix)}


async def test_an_unknown_thread_cannot_be_moved(store: RedisStore) -> None:
    """THR-10: not even to the resource that had it."""
    await furnish(store.memory)
    await store.memory.delete_thread("t")
    for resource_id in "uv":
        with pytest.raises(ThreadNotFoundError):
            await store.memory.update_thread_resource_id("t", resource_id)
    assert await shown(store.memory, "v") == []
