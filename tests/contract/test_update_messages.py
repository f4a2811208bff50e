"""Patching messages: what changes, what stays, and where a message stands afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from redis_store import InvalidArgumentError, Message, MessagePatch, RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.messages import ids, listed, make_threads, saved, snapshot
from tests.support.wire.raw import Raw


async def stored(store: RedisStore, id_: str) -> Message:
    """Read a message that is there."""
    (found,) = await store.memory.list_messages_by_id([id_])
    return found


async def patched(store: RedisStore, patch: MessagePatch) -> Message:
    """Apply a patch; checks that the result is what is stored, by id and by list."""
    (result,) = await store.memory.update_messages([patch])
    assert await stored(store, patch.id) == result
    listing = await store.memory.list_messages(result.thread_id, per_page=None)
    assert [m for m in listing if m.id == patch.id] == [result]
    return result


CHANGES: list[dict[str, Any]] = [
    {"role": "assistant"},
    {"type": "text"},
    {"resource_id": "v"},
    {"created_at": at(5)},
    {"content": "plain"},
    {"role": "tool", "type": "v3", "resource_id": "w", "created_at": at(-5), "content": [1]},
]


async def test_only_given_fields_change(store: RedisStore) -> None:
    """UPD-01, UPD-02: the result is the full record."""
    await saved(store, *(message(f"m{n}", n, metadata={"k": 1}) for n in range(len(CHANGES))))
    await saved(store, message("other", 1))
    for n, change in enumerate(CHANGES):
        before = await stored(store, f"m{n}")
        after = await patched(store, MessagePatch(id=f"m{n}", **change))
        for field in before.__struct_fields__:
            assert getattr(after, field) == change.get(field, getattr(before, field))
    assert await stored(store, "other") == message("other", 1)


async def test_an_empty_patch_changes_nothing_but_the_thread(store: RedisStore) -> None:
    """UPD-01: the message is returned as it is."""
    await saved(store, message("a"))
    assert await patched(store, MessagePatch(id="a")) == message("a")


async def test_content_replaces_key_by_key(store: RedisStore) -> None:
    """UPD-01: a key that neither mentions survives; nested values do not merge."""
    one = message("a")
    one.content = {"format": 2, "parts": [1, 2], "tool": {"x": 1, "y": 2}, "kept": None}
    await saved(store, one)
    content: dict[str, Any] = {"parts": [], "tool": {"y": 3}, "new": {"z": [None]}}
    after = await patched(store, MessagePatch(id="a", content=content))
    assert after.content == {
        "format": 2,
        "parts": [],
        "tool": {"y": 3},
        "kept": None,
        "new": {"z": [None]},
    }


async def test_metadata_merges_one_level(store: RedisStore) -> None:
    """UPD-01: content["metadata"] keeps the keys that the patch does not name."""
    await saved(store, message("a", text="x", metadata={"a": 1, "b": {"x": 1}, "c": [1]}))
    content = {"metadata": {"b": {"y": 2}, "c": None, "d": 4}}
    after = await patched(store, MessagePatch(id="a", content=content))
    assert after.content["metadata"] == {"a": 1, "b": {"y": 2}, "c": None, "d": 4}
    assert after.text == "x"


# Content before, content of the patch, content after.
SHAPES: list[tuple[Any, Any, Any]] = [
    ("text", {"a": 1}, {"a": 1}),
    ({"a": 1}, "text", "text"),
    ({"a": 1}, ["x"], ["x"]),
    ([{"a": 1}], {"b": 2}, {"b": 2}),
    ({"a": 1}, {}, {"a": 1}),
    ({"metadata": None}, {"metadata": {"a": 1}}, {"metadata": {"a": 1}}),
    ({"metadata": "x"}, {"metadata": {"a": 1}}, {"metadata": {"a": 1}}),
    ({"metadata": {"a": 1}}, {"metadata": None}, {"metadata": None}),
    ({"metadata": {"a": 1}}, {"metadata": [1]}, {"metadata": [1]}),
    ({"metadata": {"a": 1}}, {"metadata": {}}, {"metadata": {"a": 1}}),
    ({"b": 1}, {"metadata": {"a": 1}}, {"b": 1, "metadata": {"a": 1}}),
    ({"n": 2**60 + 1, "e": []}, {"f": 1.0}, {"n": 2**60 + 1, "e": [], "f": 1.0}),
]


async def test_content_of_any_shape_is_replaced(store: RedisStore) -> None:
    """UPD-01: only two dicts merge; everything else replaces whole."""
    for before, content, expected in SHAPES:
        one = message("a")
        one.content = before
        await saved(store, one)
        after = await patched(store, MessagePatch(id="a", content=content))
        assert after.content == expected


async def test_unknown_fields_survive_an_update(store: RedisStore, raw: Raw, place: Place) -> None:
    """GEN-09: of the record and of its content, to the last digit."""
    await saved(store, message("a", metadata={"k": 1}))
    key = place.keys.message("t", "a")
    record = json.loads(await raw("GET", key)) | {"big": 2**70 + 1, "empty": [], "obj": {"f": 1.0}}
    record["content"] |= {"newer": {"n": 2**63}, "none": None}
    await raw("SET", key, json.dumps(record))
    await patched(store, MessagePatch(id="a", role="tool", content={"metadata": {"l": 2}}))
    after = json.loads(await raw("GET", key))
    expected = record | {"role": "tool"}
    expected["content"]["metadata"] = {"k": 1, "l": 2}
    assert after == expected


async def test_patches_apply_in_order(store: RedisStore) -> None:
    """UPD-02: the same id twice applies both; a result is there once."""
    await saved(store, message("a"), message("b", 1))
    result = await store.memory.update_messages(
        [
            MessagePatch(id="a", role="x", content={"metadata": {"n": 1, "first": True}}),
            MessagePatch(id="b", role="y"),
            MessagePatch(id="a", type="z", content={"metadata": {"n": 2, "second": True}}),
        ]
    )
    assert ids(result) == ["a", "b"]
    assert (result[0].role, result[0].type, result[1].role) == ("x", "z", "y")
    assert result[0].content["metadata"] == {"n": 2, "first": True, "second": True}
    assert result == [await stored(store, "a"), await stored(store, "b")]


async def test_unknown_ids_are_skipped(store: RedisStore) -> None:
    """UPD-02: they are absent from the result, and created nowhere."""
    await saved(store, message("a"))
    patches = [MessagePatch(id="unknown", role="x"), MessagePatch(id="a", role="y")]
    assert ids(await store.memory.update_messages(patches)) == ["a"]
    assert await store.memory.update_messages(patches[:1]) == []
    assert await store.memory.update_messages([]) == []
    assert await listed(store) == ["a"]


async def test_an_unknown_id_may_name_an_unknown_thread(store: RedisStore) -> None:
    """UPD-02: what is skipped is not looked at."""
    await saved(store, message("a"))
    patches = [MessagePatch(id="unknown", thread_id="unknown"), MessagePatch(id="a", role="y")]
    assert ids(await store.memory.update_messages(patches)) == ["a"]


async def test_an_update_moves_its_thread_ahead(store: RedisStore) -> None:
    """UPD-03: updated_at of the thread becomes strictly later; of others it stays."""
    future = T0.replace(year=2200)
    await store.memory.save_thread(thread("t"))
    await saved(store, message("a"), message("b", thread_id="t2"))
    await store.memory.save_thread(thread("t", updated_at=future))
    await store.memory.save_thread(thread("t2"))
    await store.memory.update_messages([MessagePatch(id="a", role="x")])
    assert await store.memory.get_thread_by_id("t") == thread(
        "t", updated_at=future.replace(microsecond=1)
    )
    assert await store.memory.get_thread_by_id("t2") == thread("t2")


async def test_a_new_resource_counts_at_once(store: RedisStore) -> None:
    """UPD-01, LIST-02: the thread's messages are listed by whom they carry now."""
    await saved(store, *(message(f"m{n}", n) for n in range(3)))
    await patched(store, MessagePatch(id="m1", resource_id="v"))
    assert await listed(store, resource_id="u") == ["m0", "m2"]
    assert await listed(store, resource_id="v") == ["m1"]
    assert ids(await store.memory.list_messages_by_resource_id("v")) == ["m1"]


BAD: dict[str, Any] = {
    "no list": MessagePatch(id="a"),
    "a message": [message("a")],
    "a dict": [{"id": "a"}],
    "no id": [MessagePatch(id="")],
    "a blank role": [MessagePatch(id="a", role="")],
    "a role of None": [MessagePatch(id="a", role=None)],  # type: ignore[arg-type]
    "a blank type": [MessagePatch(id="a", type="")],
    "a blank resource": [MessagePatch(id="a", resource_id="")],
    "a blank thread": [MessagePatch(id="a", thread_id="")],
    "a thread of None": [MessagePatch(id="a", thread_id=None)],  # type: ignore[arg-type]
    "a thread with ':id:'": [MessagePatch(id="a", thread_id="x:id:y")],
    "a naive date": [MessagePatch(id="a", created_at=T0.replace(tzinfo=None))],
    "a date of None": [MessagePatch(id="a", created_at=None)],  # type: ignore[arg-type]
    "an object": [MessagePatch(id="a", content={"a": object()})],
    "NaN": [MessagePatch(id="a", content={"metadata": {"a": float("nan")}})],
    "infinity": [MessagePatch(id="a", content=float("inf"))],
    "bytes": [MessagePatch(id="a", content={"a": b"x"})],
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=list(BAD))
async def test_a_wrong_patch_is_refused_before_any_io(wrong: Any, tmp_path: Path) -> None:
    """GEN-03: with the name of the call and of the argument."""
    store = RedisStore(f"unix://{tmp_path}/no-server")
    with pytest.raises(InvalidArgumentError) as caught:
        await store.memory.update_messages(wrong)
    assert caught.value.code.startswith("UPDATE_MESSAGES_INVALID_")
    await store.close()


async def test_one_wrong_patch_applies_none(store: RedisStore, raw: Raw, place: Place) -> None:
    """UPD-02: nothing is changed, whichever is wrong."""
    await make_threads(store, "t")
    await saved(store, message("a"), message("b"))
    before = await snapshot(raw, place.keys.prefix)
    for wrong in list(BAD.values())[3:]:
        with pytest.raises(InvalidArgumentError):
            await store.memory.update_messages([MessagePatch(id="b", role="x"), *wrong])
    assert await snapshot(raw, place.keys.prefix) == before
