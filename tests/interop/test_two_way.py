"""This library and the published ``@mastra/redis`` on one database, reading each other's data."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from redis_store import (
    Include,
    Message,
    MessagePatch,
    RedisStore,
    Resource,
    Score,
    Thread,
)
from tests.interop.peer import Peer, running_peer, why_not
from tests.support.deployments.servers import Server, server_binaries

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATES = {"createdAt": "2026-03-01T12:00:00.000Z", "updatedAt": "2026-03-01T12:00:00.000Z"}
MISSING = why_not()

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an empty server of the test's own."""
    binary = next(iter(server_binaries().values()))
    async with await Server.start(binary, tcp=True, workdir=tmp_path) as server:
        yield server.url


@pytest.fixture
async def peer(database: str) -> AsyncIterator[Peer]:
    async with running_peer(database) as running:
        yield running


@pytest.fixture(params=["managed", "scan"])
async def store(database: str, request: pytest.FixtureRequest) -> AsyncIterator[RedisStore]:
    """A store that trusts its indexes, after ``reindex``; and one that does not."""
    indexes: Literal["managed", "scan"] = request.param
    async with RedisStore(database, indexes=indexes) as opened:
        yield opened


async def learn(store: RedisStore) -> None:
    """Notice what the peer wrote: a store that scans needs nothing for it, which is the point."""
    if store.indexes == "managed":
        await store.reindex()


def at(ms: int) -> datetime:
    return T0 + timedelta(milliseconds=ms)


def iso(ms: int) -> str:
    return at(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sent(id_: str, ms: int, **fields: Any) -> dict[str, Any]:
    """A message as a Mastra app saves it."""
    content = {"format": 2, "parts": [{"type": "text", "text": id_}], "content": id_}
    return {
        "id": id_,
        "threadId": "t",
        "resourceId": "u",
        "role": "user",
        "type": "v2",
        "createdAt": iso(ms),
        "content": content,
        **fields,
    }


async def peer_thread(peer: Peer, id_: str = "t", **fields: Any) -> None:
    thread = {"id": id_, "resourceId": "u", "title": "T", "metadata": {"n": 1}, **DATES, **fields}
    await peer("memory", "saveThread", {"thread": thread})


async def test_the_peer_reads_the_threads_that_we_write(peer: Peer, store: RedisStore) -> None:
    thread = Thread(
        id="t:1", resource_id="u", title="", metadata={"a": [1, None]}, created_at=T0, updated_at=T0
    )
    await store.memory.save_thread(thread)
    read = await peer("memory", "getThreadById", {"threadId": "t:1"})
    assert read == {
        "id": "t:1",
        "resourceId": "u",
        "title": "",
        "metadata": {"a": [1, None]},
        **DATES,
    }
    updated = await store.memory.update_thread("t:1", metadata={"b": 2})
    read = await peer("memory", "getThreadById", {"threadId": "t:1"})
    assert read["metadata"] == {"a": [1, None], "b": 2}
    assert read["updatedAt"][:23] == updated.updated_at.isoformat(timespec="milliseconds")[:23]
    listed = await peer("memory", "listThreads", {"filter": {"resourceId": "u"}})
    assert [item["id"] for item in listed["threads"]] == ["t:1"]


async def test_we_read_update_and_list_the_peers_threads(peer: Peer, store: RedisStore) -> None:
    for n in range(3):
        await peer_thread(peer, f"t{n}", createdAt=iso(n), updatedAt=iso(n))
    await peer("memory", "updateThread", {"id": "t1", "title": "new", "metadata": {"m": 2}})
    await learn(store)
    page = await store.memory.list_threads(resource_id="u")
    assert [thread.id for thread in page] == ["t2", "t1", "t0"]
    assert page.items[1].metadata == {"n": 1, "m": 2}
    await store.memory.update_thread("t0", title="ours")
    assert (await peer("memory", "getThreadById", {"threadId": "t0"}))["title"] == "ours"
    await store.memory.delete_thread("t2")
    assert await peer("memory", "getThreadById", {"threadId": "t2"}) is None


async def test_the_peer_reads_the_messages_that_we_write(peer: Peer, store: RedisStore) -> None:
    await store.memory.save_thread(Thread(id="t", resource_id="u"))
    messages = [
        Message.from_text(
            "user", f"m{n}", thread_id="t", resource_id="u", id=f"m{n}", created_at=at(n)
        )
        for n in range(5)
    ]
    await store.memory.save_messages(messages)
    read = await peer("memory", "listMessages", {"threadId": "t", "perPage": False})
    assert [item["id"] for item in read["messages"]] == [f"m{n}" for n in range(5)]
    assert read["messages"][0]["content"]["parts"] == [{"type": "text", "text": "m0"}]
    assert [item["createdAt"] for item in read["messages"]] == [iso(n) for n in range(5)]
    by_id = await peer("memory", "listMessagesById", {"messageIds": ["m3", "m1"]})
    assert {item["id"] for item in by_id["messages"]} == {"m1", "m3"}
    include = [{"id": "m2", "withPreviousMessages": 1, "withNextMessages": 1}]
    around = await peer(
        "memory", "listMessages", {"threadId": "t", "perPage": 0, "include": include}
    )
    assert [item["id"] for item in around["messages"]] == ["m1", "m2", "m3"]


async def test_we_read_the_peers_messages(peer: Peer, store: RedisStore) -> None:
    await peer_thread(peer)
    await peer_thread(peer, "t2")
    mine = [sent(f"m{n}", n // 2) for n in range(10)]
    other = [sent("x", 3, threadId="t2"), sent("y", 9, threadId="t2", resourceId="v")]
    await peer("memory", "saveMessages", {"messages": mine})
    await peer("memory", "saveMessages", {"messages": other})
    await learn(store)
    page = await store.memory.list_messages("t", per_page=4, direction="desc")
    assert [message.id for message in page] == ["m9", "m8", "m7", "m6"]
    assert page.total == 10
    scoped = await store.memory.list_messages("t2", resource_id="v")
    assert [message.id for message in scoped] == ["y"]
    everything = await store.memory.list_messages_by_resource_id("u", per_page=None)
    assert everything.total == 11
    dates = [message.created_at for message in everything]
    assert dates == sorted(dates)
    assert [message.id for message in everything if message.thread_id == "t"] == [
        f"m{n}" for n in range(10)
    ]
    around = await store.memory.list_messages("t2", per_page=0, include=[Include("m5", 1, 1)])
    assert [message.id for message in around] == ["m4", "m5", "m6"]
    assert [message.id for message in await store.memory.list_messages_by_id(["m5"])] == ["m5"]


async def test_both_update_and_delete_each_others_messages(peer: Peer, store: RedisStore) -> None:
    await peer_thread(peer)
    await peer_thread(peer, "t2")
    await peer("memory", "saveMessages", {"messages": [sent("a", 0), sent("b", 1), sent("c", 2)]})
    patch = MessagePatch(id="a", content={"metadata": {"seen": True}})
    await store.memory.update_messages([patch, MessagePatch(id="b", thread_id="t2")])
    read = await peer("memory", "listMessages", {"threadId": "t", "perPage": False})
    assert [item["id"] for item in read["messages"]] == ["a", "c"]
    assert read["messages"][0]["content"]["metadata"] == {"seen": True}
    changed = {"id": "b", "content": {"metadata": {"by": "peer"}}}
    await peer("memory", "updateMessages", {"messages": [changed]})
    (found,) = await store.memory.list_messages_by_id(["b"])
    assert found.content["metadata"] == {"by": "peer"}
    assert await store.memory.delete_messages(["a"]) == 1
    await peer("memory", "deleteMessages", ["c"])
    left = await store.memory.list_messages(["t", "t2"])
    assert [message.id for message in left] == ["b"]


async def test_resources_are_the_same_on_both_sides(peer: Peer, store: RedisStore) -> None:
    resource = Resource(
        id="u", working_memory="# Ana", metadata={"plan": "pro"}, created_at=T0, updated_at=T0
    )
    await store.memory.save_resource(resource)
    read = await peer("memory", "getResourceById", {"resourceId": "u"})
    assert read == {"id": "u", "workingMemory": "# Ana", "metadata": {"plan": "pro"}, **DATES}
    await peer("memory", "updateResource", {"resourceId": "u", "metadata": {"seats": 3}})
    merged = await store.memory.merge_working_memory("u", lambda known: f"{known}!")
    assert (merged.working_memory, merged.metadata) == ("# Ana!", {"plan": "pro", "seats": 3})
    read = await peer("memory", "getResourceById", {"resourceId": "u"})
    assert (read["workingMemory"], read["metadata"]) == ("# Ana!", {"plan": "pro", "seats": 3})


def snapshot(run_id: str, status: str) -> dict[str, Any]:
    return {
        "runId": run_id,
        "status": status,
        "value": {},
        "context": {"list": []},
        "activePaths": [],
    }


async def test_workflow_runs_are_the_same_on_both_sides(peer: Peer, store: RedisStore) -> None:
    await store.workflows.persist_workflow_snapshot(
        "w", "r1", snapshot("r1", "running"), created_at=T0
    )
    step = {"workflowName": "w", "runId": "r1", "stepId": "s1", "result": {"output": 1}}
    await peer("workflows", "updateWorkflowResults", {**step, "requestContext": {"k": 1}})
    await store.workflows.update_workflow_results("w", "r1", step_id="s2", result={"output": []})
    read = await peer("workflows", "loadWorkflowSnapshot", {"workflowName": "w", "runId": "r1"})
    assert read["context"] == {"list": [], "s1": {"output": 1}, "s2": {"output": []}}
    assert read["requestContext"] == {"k": 1}
    await store.workflows.update_workflow_state("w", "r1", {"status": "success"})
    run = await peer("workflows", "getWorkflowRunById", {"runId": "r1", "workflowName": "w"})
    assert run["snapshot"]["status"] == "success"
    assert run["createdAt"] == DATES["createdAt"]


async def test_the_peers_runs_with_a_resource_work_here(peer: Peer, store: RedisStore) -> None:
    """WF-09: the peer itself cannot load them."""
    saved = {"workflowName": "w", "runId": "r2", "snapshot": snapshot("r2", "waiting"), **DATES}
    await peer("workflows", "persistWorkflowSnapshot", {**saved, "resourceId": "u"})
    await learn(store)
    assert await store.workflows.load_workflow_snapshot("w", "r2") == snapshot("r2", "waiting")
    await store.workflows.update_workflow_state("w", "r2", {"status": "done"})
    for page in (
        await store.workflows.list_workflow_runs(resource_id="u"),
        await store.workflows.list_workflow_runs(status="done"),
        await store.workflows.list_workflow_runs(workflow_name="w"),
    ):
        assert [run.run_id for run in page] == ["r2"]
    assert (await store.workflows.list_workflow_runs(status="waiting")).total == 0
    listed = await peer("workflows", "listWorkflowRuns", {"resourceId": "u"})
    assert [run["snapshot"]["status"] for run in listed["runs"]] == ["done"]
    await store.workflows.delete_workflow_run_by_id("r2", workflow_name="w")
    assert (await peer("workflows", "listWorkflowRuns", {}))["total"] == 0


async def test_scores_are_the_same_on_both_sides(peer: Peer, store: RedisStore) -> None:
    ours = Score(
        scorer_id="q",
        entity_id="e",
        run_id="r",
        score=0.5,
        scorer={"id": "q"},
        entity={"id": "e"},
        source="LIVE",
        output={"a": 1},
        trace_id="t",
        span_id="s",
    )
    await store.scores.save_score(ours)
    read = await peer("scores", "getScoreById", {"id": ours.id})
    assert (read["scorerId"], read["score"], read["output"]) == ("q", 0.5, {"a": 1})
    theirs = {
        "scorerId": "q",
        "entityId": "e",
        "runId": "r",
        "score": 1,
        "scorer": {"id": "q"},
        "entity": {"id": "e"},
        "source": "TEST",
        "input": {"x": 1},
        "output": {"a": 2},
        "traceId": "t",
        "spanId": "s",
    }
    saved = (await peer("scores", "saveScore", theirs))["score"]
    await learn(store)
    for page in (
        await store.scores.list_scores_by_scorer_id("q"),
        await store.scores.list_scores_by_run_id("r"),
        await store.scores.list_scores_by_entity_id("e"),
        await store.scores.list_scores_by_span("t", "s"),
    ):
        assert [score.id for score in page] == [saved["id"], ours.id]
    listed = await peer("scores", "listScoresByScorerId", {"scorerId": "q"})
    assert {score["id"] for score in listed["scores"]} == {saved["id"], ours.id}


async def test_the_cache_is_the_same_on_both_sides(peer: Peer, store: RedisStore) -> None:
    await store.cache.set("k", {"a": [None, "é"]})
    assert await peer("cache", "get", "k") == {"a": [None, "é"]}
    await peer("cache", "set", "p", "7")
    assert await store.cache.get("p") == "7"
    indexes = [
        await store.cache.list_push_indexed("l", "n", {"by": "us"}),
        await peer("cache", "listPushIndexed", "l", "n", {"by": "peer"}),
        await store.cache.list_push_indexed("l", "n", {"by": "us"}),
    ]
    assert indexes == [0, 1, 2]
    expected = [{"by": by, "index": n} for n, by in enumerate(("us", "peer", "us"))]
    assert await peer("cache", "listFromTo", "l", 0) == expected
    assert await store.cache.list_from_to("l", 0) == expected
    assert await peer("cache", "increment", "c") == 1
    assert await store.cache.increment("c") == 2
