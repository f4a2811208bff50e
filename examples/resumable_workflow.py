"""A workflow that survives kill -9: another process goes on, and repeats no finished step.

python examples/resumable_workflow.py                               the whole story, by itself
python examples/resumable_workflow.py redis://localhost start       a run; it tells its id
python examples/resumable_workflow.py redis://localhost resume ID   go on with it

A killed runner cannot say so: its snapshot says "running" for ever. So a runner holds a run by a
lease only, which it renews before each step; whoever sees it run out may take the run. Each lease
has a status of its own ("running:" and a random id), so ``expected_status`` names the very lease
that was seen: of those who race for it one gets the run, and a runner that was merely slow learns
before its next step that it lost. A step that is cut off, or outlasts its lease, runs once more:
make steps safe to repeat. Clocks of machines that share runs must agree well within a lease.
"""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from typing import Any, cast
from uuid import uuid4

from redis_store import RedisStore
from redis_store.embedded import EmbeddedServer

WORKFLOW = "book-a-trip"
STEPS = ("reserve", "charge", "ticket", "mail")
LEASE_SECONDS = 2


def open_store(url: str) -> RedisStore:
    return RedisStore(url, key_prefix="example:")


async def perform(step: str) -> dict[str, Any]:
    """Stand in for real work."""
    print(f"begins {step}")
    await asyncio.sleep(0.3)
    return {"status": "success", "output": f"{step} done by process {os.getpid()}"}


async def hold(store: RedisStore, run_id: str, seen: str) -> dict[str, Any] | None:
    """Take or renew the lease, unless the status is no longer the one that was seen."""
    lease = {"status": f"running:{uuid4()}", "leaseUntil": time.time() + LEASE_SECONDS}
    return await store.workflows.update_workflow_state(
        WORKFLOW, run_id, lease, expected_status=seen
    )


async def work(store: RedisStore, run_id: str, seen: str) -> None:
    """Take the run and do what is left of it, for as long as nobody else takes it."""
    while snapshot := await hold(store, run_id, seen):
        seen = snapshot["status"]
        left = [step for step in STEPS if step not in snapshot["context"]]
        if not left:
            await finish(store, run_id, seen)
            return
        result = await perform(left[0])
        await store.workflows.update_workflow_results(
            WORKFLOW, run_id, step_id=left[0], result=result
        )
        print(f"stored {left[0]}")
    print("stops: another process has this run")


async def finish(store: RedisStore, run_id: str, seen: str) -> None:
    finished = await store.workflows.update_workflow_state(
        WORKFLOW, run_id, {"status": "success"}, expected_status=seen
    )
    print("finished the run" if finished else "stops: another process finishes this run")


async def start(store: RedisStore) -> None:
    run_id = str(uuid4())
    snapshot: dict[str, Any] = {"status": "pending", "leaseUntil": 0, "context": {}}
    await store.workflows.persist_workflow_snapshot(WORKFLOW, run_id, snapshot)
    print(f"starts {run_id}")
    await work(store, run_id, "pending")


async def resume(store: RedisStore, run_id: str) -> None:
    """Wait until the lease has run out, and go on unless it was renewed or taken."""
    snapshot = await store.workflows.load_workflow_snapshot(WORKFLOW, run_id)
    if snapshot is None or snapshot["status"] == "success":
        print("stops: no such run" if snapshot is None else "stops: the run is finished")
        return
    await asyncio.sleep(snapshot["leaseUntil"] - time.time())
    await work(store, run_id, snapshot["status"])


async def spawn(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-u", __file__, *arguments, stdout=PIPE
    )


async def watch(process: Process, kill_at: str = "nothing") -> int:
    """Repeat what a process says, kill it if it says that; return its exit code."""
    async for line in cast("asyncio.StreamReader", process.stdout):
        said = line.decode().strip()
        print(f"    process {process.pid} {said}")
        if said == kill_at:
            process.kill()
    return await process.wait()


async def story(url: str) -> None:
    print("1. A runner starts, and is killed when its second step is stored:")
    code = await watch(await spawn(url, "start"), kill_at="stored charge")
    async with open_store(url) as store:
        (run,) = await store.workflows.list_workflow_runs(workflow_name=WORKFLOW)
        print(f"    It ended by signal {-code}, yet the run's status is still {run.status!r}.")

        print("\n2. Two resumers race. Both wait until the dead runner's lease has run out:")
        racers = [await spawn(url, "resume", run.run_id) for _ in range(2)]
        await asyncio.gather(*map(watch, racers))

        snapshot = await store.workflows.load_workflow_snapshot(WORKFLOW, run.run_id) or {}
        print(f"\n3. The run's status is {snapshot['status']!r}, and of its steps:")
        for result in snapshot["context"].values():
            print(f"    {result['output']}")


async def main() -> None:
    match sys.argv[1:]:
        case []:
            async with EmbeddedServer() as server:
                await story(server.url)
        case [url, "start"]:
            async with open_store(url) as store:
                await start(store)
        case [url, "resume", run_id]:
            async with open_store(url) as store:
                await resume(store, run_id)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    asyncio.run(main())
