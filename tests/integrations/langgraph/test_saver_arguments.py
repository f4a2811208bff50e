"""Bad input is refused before any I/O; odd input comes back as it was given."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("langgraph.graph", reason="needs redis-store[frameworks]")

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from redis_store import ConfigurationError, InvalidArgumentError, RedisStore
from redis_store.integrations.langgraph import RedisSaver
from tests.integrations.langgraph.states import Thread, config

NOWHERE = "redis://127.0.0.1:1"
HOSTILE = ["", " ", "a:b", "{}", "}{", "{t}", "*", "\n", "é😀", "-inf", "%", "x" * 1024]


@pytest.mark.parametrize(
    "options",
    [
        {"ttl": timedelta(0)},
        {"ttl": timedelta(seconds=-1)},
        {"ttl": 60},
        {"cache_bytes": -1},
        {"cache_bytes": "1"},
        {"cache_bytes": None},
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        RedisSaver(RedisStore(NOWHERE), **options)
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        RedisSaver.from_conn_string(NOWHERE, **options)


def test_wrong_settings_of_the_store_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        RedisSaver.from_conn_string("http://localhost")


def _calls(thread: Any, namespace: Any, id_: Any) -> dict[str, Callable[[RedisSaver], Any]]:
    where: Any = {
        "configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": id_}
    }

    async def put(saver: RedisSaver) -> None:
        made, new = Thread(saver).checkpoint(x=1)
        await saver.aput(where, made, {}, new)

    async def listed(saver: RedisSaver) -> None:
        _ = [each async for each in saver.alist(where)]

    return {
        "aget_tuple": lambda saver: saver.aget_tuple(where),
        "alist": listed,
        "aput": put,
        "aput_writes": lambda saver: saver.aput_writes(where, [("x", 1)], "task"),
        "history": lambda saver: saver.aget_delta_channel_history(config=where, channels=["x"]),
    }


@pytest.mark.parametrize("call", _calls("", "", ""))
@pytest.mark.parametrize(
    "place",
    [
        ("", "", "1"),
        ("x" * 1025, "", "1"),
        ("\ud800", "", "1"),
        ("t", "a\0b", "1"),
        ("t", 5, "1"),
        ("t", "\ud800", "1"),
        ("t", "", "a\0b"),
        ("t", "", 5),
    ],
)
async def test_places_that_cannot_be_stored_are_refused(call: str, place: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidArgumentError):
        await _calls(*place)[call](RedisSaver(RedisStore(NOWHERE)))


_wrong: dict[str, Callable[[RedisSaver], Awaitable[Any]]] = {
    "no thread": lambda saver: saver.aget_tuple({"configurable": {}}),
    "no configurable": lambda saver: saver.aget_tuple({}),
    "task": lambda saver: saver.aput_writes(config(id="1"), [("x", 1)], "a\0b"),
    "strategy": lambda saver: saver.aprune(["t"], strategy="all"),
    "prune thread": lambda saver: saver.aprune(["t", ""]),
    "copy to nothing": lambda saver: saver.acopy_thread("t", ""),
    "copy of nothing": lambda saver: saver.acopy_thread("", "t"),
    "delete": lambda saver: saver.adelete_thread(""),
    "run": lambda saver: saver.adelete_for_runs([""]),
    "runs": lambda saver: saver.adelete_for_runs("run"),
}


@pytest.mark.parametrize("call", _wrong)
async def test_wrong_arguments_are_refused(call: str) -> None:
    with pytest.raises(InvalidArgumentError):
        await _wrong[call](RedisSaver(RedisStore(NOWHERE)))


async def test_channels_and_limits_that_make_no_sense_are_refused() -> None:
    saver = RedisSaver(RedisStore(NOWHERE))
    made, new = Thread(saver).checkpoint(**{"a\0b": 1})
    with pytest.raises(InvalidArgumentError, match="channel"):
        await saver.aput(config(), made, {}, new)
    with pytest.raises(InvalidArgumentError, match="limit"):
        saver.alist(config(), limit="1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("odd", HOSTILE[1:])
async def test_any_other_id_is_stored(odd: str, saver: RedisSaver) -> None:
    """As a thread, a namespace, a checkpoint, a run, a task and a channel, each apart."""
    for thread, namespace in ((odd, ""), ("t", odd), ("t", "")):
        made = Thread(saver, thread, namespace)
        id_ = await made.put(run=odd, **{odd: [odd] * 200})
        await saver.aput_writes(made.at, [(odd, odd)], odd, odd)
        found = await saver.aget_tuple(config(thread, namespace))
        assert found is not None
        assert found.checkpoint["id"] == id_
        assert found.checkpoint["channel_values"] == {odd: [odd] * 200}
        assert found.pending_writes == [(odd, odd, odd)]
        assert [each.checkpoint["id"] async for each in saver.alist(config(thread, namespace))] == [
            id_
        ]
    await saver.adelete_for_runs([odd])
    assert [each async for each in saver.alist(None)] == []


@pytest.mark.parametrize("id_", HOSTILE[1:])
async def test_any_checkpoint_id_is_found(id_: str, saver: RedisSaver) -> None:
    thread = Thread(saver)
    made, new = thread.checkpoint(x=1)
    made["id"] = id_
    await saver.aput(thread.at, made, {}, new)
    for where in (config(), config(id=id_)):
        found = await saver.aget_tuple(where)
        assert found is not None
        assert found.checkpoint["id"] == id_


async def test_a_thread_id_may_be_a_number_or_a_uuid(saver: RedisSaver) -> None:
    for thread in (7, UUID(int=7)):
        where: Any = {"configurable": {"thread_id": thread}}
        made, new = Thread(saver).checkpoint(x=1)
        stored = await saver.aput(where, made, {}, new)
        assert stored == config(str(thread), id=made["id"])
        assert await saver.aget_tuple(where) == await saver.aget_tuple(config(str(thread)))


async def test_versions_of_others_are_stored_whole_and_never_remembered(
    store: RedisStore, saver: RedisSaver
) -> None:
    """A count names two values where a thread is deleted and begins again."""
    other = RedisSaver(store)
    for text in ("a", "b"):
        made, _ = Thread(saver).checkpoint(x=[text] * 500)
        made["channel_versions"] = {"x": 1}
        await other.aput(config(), made, {}, {"x": 1})
        for each in (saver, other):
            found = await each.aget_tuple(config())
            assert found is not None
            assert found.checkpoint["channel_values"] == {"x": [text] * 500}
        await other.adelete_thread("t")


def test_versions_rise_and_differ(saver_without_server: RedisSaver) -> None:
    version: str | None = None
    for _ in range(12):
        following = saver_without_server.get_next_version(version, None)
        assert version is None or following > version
        assert following != saver_without_server.get_next_version(version, None)
        version = following
    of_postgres: Any = "00000000000000000000000000000007.0.1234567890123456"
    assert saver_without_server.get_next_version(of_postgres, None).startswith("0000000008.")
    number: Any = 41
    assert saver_without_server.get_next_version(number, None).startswith("0000000042.")


@pytest.fixture
def saver_without_server() -> RedisSaver:
    return RedisSaver(RedisStore(NOWHERE))


def test_a_missing_framework_names_its_extra() -> None:
    code = """
import sys
sys.modules["langgraph.checkpoint.base"] = sys.modules["langgraph.store.base"] = None
import redis_store.integrations.langgraph
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install --upgrade 'redis-store[langgraph]'" in done.stderr.splitlines()[-1]


async def test_a_saver_with_an_allowlist_reads_the_same(
    store: RedisStore, saver: RedisSaver
) -> None:
    del saver
    known = RedisSaver(store, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
    strict = known.with_allowlist([("some.module", "Kind")])
    assert strict is not known
    thread = Thread(known)
    id_ = await thread.put(x=1)
    found = await strict.aget_tuple(config())
    assert found is not None
    assert found.checkpoint["id"] == id_
