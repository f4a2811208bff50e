"""Keys of another's that match our patterns, with names that are no text: nobody minds them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from redis_store import CorruptRecordError, MessagePatch, RedisStore
from redis_store._engine.keys import Keys, escape_glob
from redis_store.maintenance import Retention
from tests.support.deployments.place import Place
from tests.support.records.builders import message
from tests.support.records.messages import make_threads
from tests.support.records.scores import saved, score
from tests.support.records.workflow_runs import persist
from tests.support.wire.raw import Raw

_WRITES: dict[str, tuple[object, ...]] = {
    "string": ("SET", "{}"),
    "zset": ("ZADD", 1, "x"),
    "hash": ("HSET", "x", 1),
    "": ("SET", "1"),
}


def _names(keys: Keys) -> dict[bytes, str]:
    """A name for each pattern, by which a cluster knows its slot; and the type of its value."""
    patterns = keys.memory_patterns() | keys.workflow_patterns() | keys.score_patterns()
    patterns |= keys.everything_under("mastra:cache:")
    prefix = escape_glob(keys.prefix)
    found: dict[bytes, str] = {}
    for pattern, kind in patterns.items():
        rest = pattern.removeprefix(prefix).replace("{*}", "{x}*}").replace("*", "{x}*", 1)
        name = rest.replace("{x}{x}", "{x}").encode().replace(b"*", b"\xff")
        found[keys.prefix.encode() + name] = kind
    return found


@pytest.fixture
async def names(place: Place, raw: Raw) -> AsyncIterator[dict[bytes, str]]:
    names = _names(place.keys)
    for name, kind in names.items():
        command, *rest = _WRITES[kind]
        await raw(command, name, *rest)
    yield names
    for name in names:
        await raw("DEL", name)


async def test_a_store_opens_and_is_maintained_beside_names_that_are_no_text(
    place: Place, raw: Raw, names: dict[bytes, str]
) -> None:
    """ST-01, GEN-06: init, reindex, verify, prune, scans; and clearing leaves them."""
    assert len(names) > 10
    async with place.store(
        retention=Retention(messages=timedelta(days=1)), indexes="scan"
    ) as scanning:
        await _use(scanning)
        await scanning.prune()
    await raw("DEL", place.keys.marker())
    async with place.store() as store:
        assert [one.id for one in await store.memory.list_threads()] == ["t"]
        await store.reindex()
        assert (await store.verify(repair=True)).ok
        await store.memory.dangerously_clear_all()
        await store.workflows.dangerously_clear_all()
        await store.scores.dangerously_clear_all()
        await store.cache.clear()
    for name in names:
        assert await raw("EXISTS", name) == 1
        await raw("DEL", name)
    assert await raw.keys(place.keys.prefix) == []
    await raw("DEL", place.keys.marker())


async def _use(store: RedisStore) -> None:
    await make_threads(store, "t")
    await store.memory.save_messages([message("m")])
    await persist(store)
    await saved(store, score("s"))
    await store.cache.set("c", 1)
    assert (await store.memory.list_threads()).total == 1
    assert (await store.memory.list_messages_by_resource_id("u")).total == 1
    assert (await store.workflows.list_workflow_runs()).total == 1
    assert (await store.scores.list_scores_by_run_id("run")).total == 1


@pytest.mark.damages
async def test_a_pointer_that_names_no_thread_is_corrupt(
    store: RedisStore, raw: Raw, place: Place
) -> None:
    """GEN-03: calls by id name its key; the thread stays readable."""
    await make_threads(store, "t")
    await store.memory.save_messages([message("m"), message("n", 1)])
    pointer = place.keys.message_pointer("m")
    await raw("SET", pointer, b"\xff")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.memory.list_messages_by_id(["n", "m"]),
        lambda: store.memory.delete_messages(["n", "m"]),
        lambda: store.memory.update_messages([MessagePatch(id="m", role="x")]),
        lambda: store.memory.save_messages([message("m", 2)]),
    ]
    for call in calls:
        with pytest.raises(CorruptRecordError) as caught:
            await call()
        assert caught.value.key == pointer
    assert len(await store.memory.list_messages("t")) == 2
    assert (await store.verify(repair=True)).problems["missing id index"] == 1
    assert len(await store.memory.list_messages_by_id(["n", "m"])) == 2
