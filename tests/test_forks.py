"""Stores in forked children: parent and child have connections of their own."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from redis_store import RedisStore
from tests.support.deployments.place import Place
from tests.support.records.builders import thread

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

ROOT = Path(__file__).parents[1]


async def forked_program(*args: str) -> str:
    """Run the program; return what it says where it does not end well."""
    command = [sys.executable, "-m", "tests.support.schedules.forked_program", *args]
    with anyio.fail_after(40):
        ended = await anyio.run_process(
            command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    said = ended.stdout.decode()
    return said if ended.returncode or "Traceback" in said else ""


@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.parametrize("client", ["own", "borrowed"])
async def test_a_forked_child_takes_no_reply_of_its_parent(
    store: RedisStore, place: Place, client: str, where: str
) -> None:
    """Nor does its end close anything that the parent uses."""
    if client == "borrowed" and "sentinel" in place.url:
        client = "own"  # a client from Sentinel.master_for is one of a server, which others run
    for id_ in ("parent", "child"):
        await store.memory.save_thread(thread(id_))
    args = [place.url, place.keys.prefix, str(place.keys.hash_tags), client, where]
    assert await forked_program(*args) == ""
    found = [await store.memory.get_thread_by_id(id_) for id_ in ("parent", "child")]
    assert all(each and each.metadata["by"] for each in found)


@pytest.mark.parametrize("where", ["loop", "thread"])
async def test_an_embedded_server_stays_the_parents(where: str, tmp_path: Path) -> None:
    """A child uses it, and neither its close() nor its end stops it."""
    async with RedisStore(f"embedded://{tmp_path}/data") as first:
        for id_ in ("parent", "child"):
            await first.memory.save_thread(thread(id_))
    args = [f"embedded://{tmp_path}/data", "", "False", "own", where]
    ended = await forked_program(*args)
    assert ended == ""
