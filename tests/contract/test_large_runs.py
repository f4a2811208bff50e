"""Runs of megabytes: results that come at once, beside an event loop that goes on."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from redis_store import CorruptRecordError, RedisStore
from redis_store._engine import fingerprints, json_spans
from tests.support.deployments.place import Place
from tests.support.inspection.invariants import check_indexed
from tests.support.inspection.leftovers import emptied
from tests.support.records.workflow_runs import (
    found,
    listed,
    persist,
    put,
    record,
    result,
    snapshot,
)
from tests.support.schedules.interleaving import between
from tests.support.wire.proxies import CountingProxy, metered_store
from tests.support.wire.raw import Raw

CALLS = 10


@pytest.fixture(autouse=True)
async def _nothing_left(store: RedisStore, place: Place, raw: Raw) -> AsyncIterator[None]:
    async with emptied(store, place, raw, store.workflows):
        yield
        await check_indexed(store, raced=place.keys.hash_tags)


def context(megabytes: float, step_bytes: int = 10_000) -> dict[str, Any]:
    """Build results of that size in all."""
    output = {"text": "é, x" * (step_bytes // 5), "rows": [{"id": n} for n in range(5)]}
    return {f"step {n}": {"output": output} for n in range(int(megabytes * 1e6 / step_bytes))}


@pytest.mark.races
async def test_results_that_come_at_once_are_all_kept(store: RedisStore) -> None:
    """WF-06: of a run of 20 MB, within the default timeout; no two calls see the same."""
    kept = await persist(store, context=context(20))
    steps = len(kept["context"])

    async def size_after(n: int) -> int:
        seen = await result(store, f"s{n}", {"output": [n]}, request_context={f"c{n}": n})
        assert seen[f"s{n}"] == {"output": [n]}
        return len(seen)

    sizes = await asyncio.gather(*map(size_after, range(CALLS)))
    assert sorted(sizes) == list(range(steps + 1, steps + CALLS + 1))
    after = (await found(store)).snapshot
    assert after["context"] == kept["context"] | {f"s{n}": {"output": [n]} for n in range(CALLS)}
    assert after["requestContext"] == {"tenant": "x"} | {f"c{n}": n for n in range(CALLS)}


@pytest.mark.races
async def test_results_from_two_stores_are_all_kept(store: RedisStore, place: Place) -> None:
    """WF-06, GEN-11: with states, and one of those that expect the same status."""
    kept = await persist(store, context=context(1))
    async with place.store() as other:
        stores = [store, other]
        calls = [result(stores[n % 2], f"s{n}", n) for n in range(CALLS)]
        states = [
            stores[n % 2].workflows.update_workflow_state("w", "r", {f"k{n}": n})
            for n in range(CALLS)
        ]
        racing = [
            stores[n % 2].workflows.update_workflow_state(
                "w", "r", {"status": f"by {n}"}, expected_status="running"
            )
            for n in range(CALLS)
        ]
        _, _, outcomes = await asyncio.gather(
            asyncio.gather(*calls), asyncio.gather(*states), asyncio.gather(*racing)
        )
    (winner,) = (n for n, outcome in enumerate(outcomes) if outcome is not None)
    after = (await found(store)).snapshot
    assert after["context"] == kept["context"] | {f"s{n}": n for n in range(CALLS)}
    assert {f"k{n}": n for n in range(CALLS)}.items() <= after.items()
    assert after["status"] == f"by {winner}"
    assert await listed(store, status=f"by {winner}") == ["r"]


async def test_results_that_wait_are_stored_together(
    store: RedisStore, proxy: CountingProxy, place: Place
) -> None:
    """WF-06: the first goes alone; the others cost the run once more, not once each."""
    kept = await persist(store, context=context(1))
    size = len(json.dumps(kept, ensure_ascii=False).encode())
    async with metered_store(proxy, place) as metered:
        with proxy.measure() as cost:
            await asyncio.gather(*(result(metered, f"s{n}", n) for n in range(CALLS)))
    assert cost.bytes_received < 2.2 * size
    assert cost.bytes_sent < 20_000


def _called_in(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> set[int]:
    """Note the threads that call a function."""
    threads, function = set[int](), getattr(owner, name)

    def noted(*args: Any, **options: Any) -> Any:
        threads.add(threading.get_ident())
        return function(*args, **options)

    monkeypatch.setattr(owner, name, noted)
    return threads


Call = Callable[[RedisStore], Any]

CHANGES: dict[str, Call] = {
    "results": lambda s: result(s, "new", 1),
    "state": lambda s: s.workflows.update_workflow_state("w", "r", {"status": "x"}),
    "delete": lambda s: s.workflows.delete_workflow_run_by_id("r", workflow_name="w"),
}
READS: dict[str, Call] = {
    "load": lambda s: s.workflows.load_workflow_snapshot("w", "r"),
    "get": lambda s: s.workflows.get_workflow_run_by_id("r", workflow_name="w"),
}


@pytest.mark.parametrize("name", [*CHANGES, *READS])
async def test_what_takes_long_is_done_in_another_thread(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The event loop is not stopped meanwhile."""
    await persist(store, context=context(1))
    reading = _called_in(monkeypatch, json_spans, "read_object")
    decoding = _called_in(monkeypatch, json_spans, "decode")
    hashing = _called_in(monkeypatch, fingerprints, "sha1")
    await (CHANGES | READS)[name](store)
    used = reading | decoding | hashing
    assert used
    assert threading.get_ident() not in used
    assert bool(hashing) == (name in CHANGES)


async def test_no_call_into_c_takes_all_of_a_large_run(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter would wait for it in every thread: 60 MB, 130 ms."""
    await persist(store, context=context(3, step_bytes=1_500_000))
    sizes = list[int]()
    parse = cast("Any", json_spans)._decode  # noqa: SLF001 - what decodes a piece

    def noted(text: memoryview) -> Any:
        sizes.append(len(text))
        return parse(text)

    monkeypatch.setattr(json_spans, "_decode", noted)
    await result(store, "new", {"output": ["x"]})
    assert sizes
    assert max(sizes) < 2_000_000


async def test_of_a_large_run_only_what_changes_is_written(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-09: every other byte stays, unknown fields, white space and order too."""
    key = place.keys.run("workflows", "w", "r")
    text = (
        '{ "namespace":"workflows", "future" : [1.50, 1e2],\n "workflow_name":"w","run_id":"r",'
        '"createdAt":"2026-01-15T09:30:00Z","snapshot": {"pad":"%s" , '
        '"n":123456789012345678901234567890,'
        '"context" : {"a\\u00e9" :[ ], "b":{"output":[1,null]} } ,"status":"running"},'
        '"updatedAt":"2026-01-15T09:30:00Z" , "more":{} } '
    ) % ("x" * 300_000)
    await raw("SET", key, text)
    await store.reindex()
    seen = await result(store, "b", {"output": [None, 2]})
    assert seen == {"aé": [], "b": {"output": [1, 2]}}
    await result(store, "c", 1, request_context={"k": [2]})
    await store.workflows.update_workflow_state("w", "r", {"status": "done"})
    stored = (await raw("GET", key)).decode()
    updated = json.loads(stored)["updatedAt"]
    expected = (
        text.replace('{"output":[1,null]} }', '{"output":[1,2]},"c":1}')
        .replace('"running"}', '"done","requestContext":{"k":[2]}}')
        .replace('"updatedAt":"2026-01-15T09:30:00Z" ', f'"updatedAt":"{updated}"')
    )
    assert stored == expected
    assert await listed(store, status="done") == ["r"]


async def test_a_large_run_may_be_stored_in_other_ways(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """WF-05, WF-09: as text, with half a surrogate pair, under a key with a suffix."""
    pad = "x" * 300_000
    half = record(snapshot=snapshot(pad=pad)) | {"resourceId": "u"}
    texts = (json.dumps(snapshot(pad=pad)), json.dumps(snapshot(pad=pad, half="\ud83d")))
    snapshots: list[Any] = [*texts, snapshot(pad=pad), snapshot(pad=pad, half=1)]
    for stored in snapshots:
        key = await put(raw, place, half | {"snapshot": stored}, "u")
        await store.reindex()
        assert await result(store, "a", 1) == {"input": {"q": "hi"}, "a": 1}
        assert (await found(store)).snapshot["context"] == {"input": {"q": "hi"}, "a": 1}
        await raw("DEL", key)
    await store.verify(repair=True)


async def test_a_large_record_that_is_corrupt_is_named(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-04: nothing is written."""
    good = json.dumps(record(snapshot=snapshot(pad="x" * 300_000)), separators=(",", ":")).encode()
    for bad in (
        good[:-1],
        good.replace(b"xxx", b"x\xffx", 1),
        good + b"}",
        good.replace(b":[]", b":]"),
    ):
        key = place.keys.run("workflows", "w", "r")
        await raw("SET", key, bad)
        for call in (CHANGES["results"], CHANGES["state"], *READS.values()):
            with pytest.raises(CorruptRecordError) as caught:
                await call(store)
            assert caught.value.key == key
        assert await raw("GET", key) == bad
        await CHANGES["delete"](store)
        assert await raw("GET", key) is None


@pytest.mark.races
@pytest.mark.parametrize("name", ["results", "state"])
async def test_a_change_of_a_large_run_sees_what_came_between(
    store: RedisStore, place: Place, name: str
) -> None:
    """WF-06: another store's result is under it, not lost."""
    await persist(store, context=context(0.5))
    await between(place, CHANGES[name], lambda: result(store, "theirs", 2))
    after = (await found(store)).snapshot
    assert after["context"]["theirs"] == 2
    assert after["status"] == "x" or after["context"]["new"] == 1


@pytest.mark.races
async def test_a_cancelled_call_takes_no_other_along(store: RedisStore) -> None:
    """GEN-12: neither the one that stores for the others, nor one that waits."""
    await persist(store, context=context(1))
    for cancelled in (0, 1, 3):
        calls = [asyncio.ensure_future(result(store, f"{cancelled} {n}", n)) for n in range(4)]
        await asyncio.sleep(0)
        calls[cancelled].cancel()
        await asyncio.wait(calls)
        after = (await found(store)).snapshot["context"]
        for n, call in enumerate(calls):
            assert call.cancelled() == (n == cancelled)
            assert n == cancelled or after[f"{cancelled} {n}"] == n
