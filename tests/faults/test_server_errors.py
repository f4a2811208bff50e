"""A server that refuses: each call says which refusal it was, and nothing is half written."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import pytest

from redis_store import BackendError, BackendUnavailableError, MemoryStore, RedisStore
from tests.support.deployments.servers import Server
from tests.support.records.memory_calls import Run, every_call, furnish
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw

PASSWORD = token_hex(8)
HEALTHY = {"maxmemory": 0, "replica-serve-stale-data": "yes", "save": ""}
CALLS = every_call()
# A thread that exists is only read.
READS = {name for name in CALLS if name.startswith(("get_", "list_", "iter_"))}
READS.remove("get_or_create_thread, new")


@pytest.fixture(scope="module")
async def own(binary: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that only this module's tests use."""
    workdir = tmp_path_factory.mktemp("own")
    async with await Server.start(binary, workdir=workdir) as server:
        yield server


@pytest.fixture
async def admin(own: Server) -> AsyncIterator[Raw]:
    """A client that may do anything, on a server that holds nothing."""
    async with Raw(own.url) as raw:
        await raw("FLUSHALL")
        await raw("ACL", "SETUSER", "app", "reset", "on", f">{PASSWORD}", "~*", "+@all")
        yield raw
        await raw("REPLICAOF", "NO", "ONE")
        for option, value in HEALTHY.items():
            await raw("CONFIG", "SET", option, value)


@pytest.fixture(params=[False, True], ids=["plain", "tagged"])
async def memory(
    request: pytest.FixtureRequest, own: Server, admin: Raw
) -> AsyncIterator[MemoryStore]:
    """The memory of a store that is logged in as ``app`` and holds what ``furnish`` stores."""
    assert await admin("PING") == b"PONG"
    url = f"unix://app:{PASSWORD}@{own.socket}"
    timeout = timedelta(seconds=1)  # what may pass is waited for that long
    async with RedisStore(url, hash_tags=request.param, operation_timeout=timeout) as store:
        await furnish(store.memory)
        yield store.memory


async def _dump(raw: Raw) -> dict[str, bytes]:
    return {key: await raw("DUMP", key) for key in await raw.keys()}


async def _outcome(call: Run, memory: MemoryStore) -> str:
    """Return the code of the error that a call raises, ``"done"`` where it raises none."""
    try:
        await call(memory)
    except BackendError as error:
        return error.code if error.__cause__ else f"{error.code}, not chained"
    return "done"


async def _outcomes(memory: MemoryStore, *, but: set[str]) -> dict[str, str]:
    return {name: await _outcome(call, memory) for name, call in CALLS.items() if name not in but}


def _refused(reason: str, *, but: set[str]) -> dict[str, str]:
    """Build the outcomes where every call is refused for the reason, but those that read."""
    return {
        name: "done" if name in READS else f"{_method(name)}_BACKEND_{reason}"
        for name in CALLS
        if name not in but
    }


def _method(name: str) -> str:
    return name.split(",", maxsplit=1)[0].upper()


FREEING = {
    "delete_thread",
    "delete_thread_if",
    "delete_resource, known",
    "delete_resource, unknown",
    "dangerously_clear_all",
}


async def test_no_memory(memory: MemoryStore, admin: Raw) -> None:
    """GEN-03: OOM refuses every write whole; what frees memory works."""
    before = await _dump(admin)
    await admin("CONFIG", "SET", "maxmemory", 1)
    outcomes = await _outcomes(memory, but=FREEING)
    after = await _dump(admin)
    freed = [await _outcome(CALLS[name], memory) for name in sorted(FREEING, reverse=True)]
    await admin("CONFIG", "SET", "maxmemory", 0)
    assert outcomes == _refused("OOM", but=FREEING)
    assert after == before
    assert set(freed) == {"done"}
    assert "mastra_threads:id:t" not in await admin.keys()


async def test_a_replica(memory: MemoryStore, admin: Raw) -> None:
    """GEN-03: READONLY refuses every write whole; reads work."""
    before = await _dump(admin)
    await admin("REPLICAOF", "127.0.0.1", 1)
    outcomes = await _outcomes(memory, but=set())
    await admin("REPLICAOF", "NO", "ONE")
    assert outcomes == _refused("READONLY", but=set())
    assert await _dump(admin) == before


async def test_a_replica_without_its_primary(memory: MemoryStore, admin: Raw) -> None:
    """GEN-04: where the server refuses reads too, they raise: none is empty."""
    before = await _dump(admin)
    await admin("CONFIG", "SET", "replica-serve-stale-data", "no")
    await admin("REPLICAOF", "127.0.0.1", 1)
    # At once, as each is tried until its deadline.
    outcomes = await asyncio.gather(*(_outcome(call, memory) for call in CALLS.values()))
    with pytest.raises(BackendUnavailableError):
        await memory.get_thread_by_id("t")
    await admin("REPLICAOF", "NO", "ONE")
    await admin("CONFIG", "SET", "replica-serve-stale-data", "yes")
    said = dict(zip(CALLS, outcomes, strict=True))
    assert {said[name] for name in READS} == {f"{_method(n)}_BACKEND_MASTERDOWN" for n in READS}
    assert "done" not in outcomes
    assert await _dump(admin) == before


async def test_a_server_that_cannot_persist(memory: MemoryStore, admin: Raw) -> None:
    """GEN-03: MISCONF refuses every write whole; reads work."""
    _, directory = await admin("CONFIG", "GET", "dir")
    in_the_way = Path(directory.decode()) / "dump.rdb"
    in_the_way.mkdir()
    before = await _dump(admin)
    await admin("CONFIG", "SET", "save", "3600 1")
    await admin("BGSAVE")
    await until(lambda: _cannot_save(admin), "saving failed")
    outcomes = await _outcomes(memory, but=set())
    await admin("CONFIG", "SET", "save", "")
    in_the_way.rmdir()
    assert outcomes == _refused("MISCONF", but=set())
    assert await _dump(admin) == before


async def _cannot_save(raw: Raw) -> bool:
    return b"rdb_last_bgsave_status:err" in await raw("INFO", "persistence")


@pytest.mark.parametrize("denied", ["-@write", "resetkeys"])
async def test_a_user_who_may_not_write(denied: str, memory: MemoryStore, admin: Raw) -> None:
    """GEN-03: NOPERM refuses every write whole, by command or by key."""
    before = await _dump(admin)
    await admin("ACL", "SETUSER", "app", denied)
    outcomes = await _outcomes(memory, but=READS)
    assert outcomes == _refused("NOPERM", but=READS)
    assert await _dump(admin) == before
