"""Writes whose reply is lost: applied once, or said to be in doubt."""

from collections.abc import AsyncIterator

import pytest

from redis_store import (
    BackendUnavailableError,
    Message,
    MessagePatch,
    RedisStore,
    Thread,
    ThreadExistsError,
    ThreadNotFoundError,
)
from tests.support.deployments.place import Place
from tests.support.records.builders import message, thread
from tests.support.schedules.lost_replies import lose_next_reply


@pytest.fixture
async def forgetful(place: Place) -> AsyncIterator[RedisStore]:
    """A store that loses the replies to its next write, but not the write."""
    async with place.store() as opened:
        yield opened


async def test_a_merge_is_applied_once(store: RedisStore, forgetful: RedisStore) -> None:
    """ST-04: the second attempt finds what the first one wrote."""
    await store.memory.save_thread(thread())
    lost = lose_next_reply(forgetful)
    updated = await forgetful.memory.update_thread("t", metadata={"k": 1})
    assert lost
    assert updated == await store.memory.get_thread_by_id("t")
    assert updated.metadata == {"k": 1}


async def test_a_callbacks_change_is_applied_once(store: RedisStore, forgetful: RedisStore) -> None:
    """THR-06, ST-04: a counter in the metadata counts one."""
    await store.memory.save_thread(thread(metadata={"n": 0}))
    lost = lose_next_reply(forgetful)
    updated = await forgetful.memory.update_thread_metadata(
        "t", lambda before: {"n": before.metadata["n"] + 1}
    )
    assert lost
    assert updated is not None
    assert updated.metadata == {"n": 1}


async def test_working_memory_is_merged_once(store: RedisStore, forgetful: RedisStore) -> None:
    """RES-02, ST-04: on first creation too."""
    for expected in ("x", "xx"):
        lost = lose_next_reply(forgetful)
        merged = await forgetful.memory.merge_working_memory("u", lambda known: f"{known or ''}x")
        assert lost
        assert merged.working_memory == expected
    await store.memory.dangerously_clear_all()


async def test_of_calls_with_one_expected_status_the_one_that_was_applied_says_so(
    store: RedisStore, forgetful: RedisStore
) -> None:
    """WF-07, ST-04: a lost reply does not turn the winner into a loser."""
    await store.workflows.persist_workflow_snapshot("w", "r", {"status": "waiting"})
    lost = lose_next_reply(forgetful)
    merged = await forgetful.workflows.update_workflow_state(
        "w", "r", {"status": "running"}, expected_status="waiting"
    )
    assert lost
    assert merged is not None
    assert merged["status"] == "running"
    await store.workflows.dangerously_clear_all()


async def test_changes_of_a_large_run_are_applied_once(
    store: RedisStore, forgetful: RedisStore
) -> None:
    """WF-05, WF-07, ST-04: also where a fingerprint stands for the record."""
    workflows = forgetful.workflows
    await store.workflows.persist_workflow_snapshot("w", "r", {"status": "a", "pad": "x" * 300_000})
    lost = lose_next_reply(forgetful)
    assert await workflows.update_workflow_results("w", "r", step_id="s", result=1) == {"s": 1}
    assert lost
    lost = lose_next_reply(forgetful)
    merged = await workflows.update_workflow_state("w", "r", {"status": "b"}, expected_status="a")
    assert lost
    assert merged is not None
    assert merged["status"] == "b"
    lost = lose_next_reply(forgetful)
    await workflows.delete_workflow_run_by_id("r", workflow_name="w")
    assert lost
    assert await store.workflows.load_workflow_snapshot("w", "r") is None
    await store.workflows.dangerously_clear_all()


async def test_messages_are_saved_once(store: RedisStore, forgetful: RedisStore) -> None:
    """SAVE-04, ST-04: one row each."""
    await store.memory.save_thread(thread())
    lost = lose_next_reply(forgetful)
    await forgetful.memory.save_messages([message("a"), message("b", 1)])
    assert lost
    assert [each.id for each in await store.memory.list_messages("t")] == ["a", "b"]


@pytest.mark.races
async def test_messages_are_saved_once_though_their_thread_changes_hands(
    store: RedisStore, forgetful: RedisStore
) -> None:
    """SAVE-04, ST-04: the second attempt is refused, and a third one finds the new owner."""
    memory = store.memory
    await memory.save_thread(thread())
    lost = lose_next_reply(forgetful, meanwhile=lambda: memory.update_thread_resource_id("t", "v"))
    await forgetful.memory.save_messages([message("a"), message("b", 1)])
    assert lost
    assert [each.id for each in await memory.list_messages("t")] == ["a", "b"]
    assert [each.id for each in await memory.list_threads(resource_id="v")] == ["t"]


@pytest.mark.races
async def test_messages_in_doubt_are_not_left_in_a_thread_that_is_gone(
    store: RedisStore, forgetful: RedisStore
) -> None:
    """SAVE-03, ST-04: the second attempt finds no thread, and says so."""
    await store.memory.save_thread(thread())
    lost = lose_next_reply(forgetful, meanwhile=lambda: store.memory.delete_thread("t"))
    with pytest.raises(ThreadNotFoundError):
        await forgetful.memory.save_messages([message("a")])
    assert lost
    assert await store.memory.list_messages_by_id(["a"]) == []


async def test_a_thread_is_created_once(store: RedisStore, forgetful: RedisStore) -> None:
    """ST-04: the caller who made it is not told that it exists."""
    lost = lose_next_reply(forgetful)
    assert await forgetful.memory.create_thread(thread()) == thread()
    assert lost
    with pytest.raises(ThreadExistsError):
        await store.memory.create_thread(thread(title="another"))
    lost = lose_next_reply(forgetful)
    assert await forgetful.memory.get_or_create_thread(thread("t2", "v")) == thread("t2", "v")
    assert lost


async def test_a_thread_is_made_once_by_its_messages(
    store: RedisStore, forgetful: RedisStore
) -> None:
    """SAVE-03, ST-04: the second attempt finds it, and its entries."""
    lost = lose_next_reply(forgetful)
    await forgetful.memory.save_messages([message("a"), message("b", 1)], create_thread=True)
    assert lost
    assert (await store.memory.list_threads()).total == 1
    assert [each.id for each in await store.memory.list_messages("t")] == ["a", "b"]


async def test_a_pop_is_not_repeated(store: RedisStore, forgetful: RedisStore) -> None:
    """ST-04: it may have taken a message, and the error says so; it takes no other."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a"), message("b", 1)])
    lost = lose_next_reply(forgetful)
    with pytest.raises(BackendUnavailableError) as caught:
        await forgetful.memory.pop_message("t")
    assert lost
    assert caught.value.details["in_doubt"]
    assert [each.id for each in await store.memory.list_messages("t")] == ["a"]
    await store.verify(repair=True)


async def test_a_deletion_is_made_once(
    store: RedisStore, forgetful: RedisStore, place: Place
) -> None:
    """THR-07, ST-04: pointers in other slots may be left; they lead nowhere."""
    await store.memory.save_thread(thread())
    await store.memory.save_messages([message("a"), message("b", 1)])
    lost = lose_next_reply(forgetful, of_repeatable=not place.keys.hash_tags)
    await forgetful.memory.delete_thread("t")
    assert lost
    assert await store.memory.get_thread_by_id("t") is None
    assert await store.memory.list_messages_by_id(["a", "b"]) == []
    assert (await store.verify(repair=True)).problems.keys() <= {"stale id index"}


async def test_a_save_to_two_threads_reaches_both(store: RedisStore, forgetful: RedisStore) -> None:
    """SAVE-02, ST-04: what follows the write in doubt is written too."""
    for id_ in ("t", "t2"):
        await store.memory.save_thread(thread(id_))
    lost = lose_next_reply(forgetful)
    await forgetful.memory.save_messages([message("a"), message("b", thread_id="t2")])
    await forgetful.memory.update_messages(
        [MessagePatch(id=id_, role="assistant") for id_ in ("a", "b")]
    )
    assert lost
    found = await store.memory.list_messages(["t", "t2"])
    assert [(each.id, each.role) for each in found] == [("a", "assistant"), ("b", "assistant")]


async def test_changes_in_two_threads_are_all_made(
    store: RedisStore, forgetful: RedisStore
) -> None:
    """UPD-01, ST-04: the first is found applied, and the second still to do."""
    for id_ in ("t", "t2"):
        await store.memory.save_thread(thread(id_))
    await store.memory.save_messages([message("a"), message("b", thread_id="t2")])
    lost = lose_next_reply(forgetful)
    await forgetful.memory.update_messages(
        [MessagePatch(id=id_, role="assistant") for id_ in ("a", "b")]
    )
    assert lost
    found = await store.memory.list_messages(["t", "t2"])
    assert [each.role for each in found] == ["assistant", "assistant"]


async def test_a_push_is_not_repeated(store: RedisStore, forgetful: RedisStore) -> None:
    """CA-02, ST-04: it may have been applied, and the error says so."""
    lose_next_reply(forgetful)
    with pytest.raises(BackendUnavailableError) as caught:
        await forgetful.cache.list_push("l", 1)
    assert caught.value.details["in_doubt"]
    assert await store.cache.list_from_to("l", 0) == [1]
    await store.cache.clear()


async def test_a_message_has_the_date_that_is_stored(store: RedisStore, place: Place) -> None:
    """ST-04, MSG-02: by the server's clock too, a repeated write changes no date."""
    await store.memory.save_thread(thread())
    async with place.store(clock="server") as forgetful:
        for name in "ab":
            given = Message(id=name, thread_id="t", resource_id="u", role="user", content=name)
            lost = lose_next_reply(forgetful)
            saved = await forgetful.memory.save_messages([given])
            assert lost
            assert saved == [given] == await store.memory.list_messages_by_id([name])
    assert [each.id for each in await store.memory.list_messages("t")] == ["a", "b"]


async def test_a_record_has_the_dates_that_are_stored(store: RedisStore, place: Place) -> None:
    """ST-04, THR-04: as for messages."""
    async with place.store(clock="server") as forgetful:
        given = Thread(id="t", resource_id="u")
        lost = lose_next_reply(forgetful)
        assert await forgetful.memory.create_thread(given) == given
        assert lost
        assert await store.memory.get_thread_by_id("t") == given
