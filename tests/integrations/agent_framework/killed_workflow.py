"""A workflow whose process ends amid a step; run by ``test_checkpoint_storage.py``.

usage: python -m tests.integrations.agent_framework.killed_workflow URL PREFIX TAGS MODE

MODE is "begin", where it ends with status 9 when the number is 12 for the first time, or "resume",
where it goes on from the newest checkpoint, and prints the number that it began with.
"""

import asyncio
import os
import sys

from agent_framework import Executor, WorkflowBuilder, WorkflowContext, handler

from redis_store import RedisStore
from redis_store.integrations.agent_framework import RedisCheckpointStorage


class Doubling(Executor):
    """Doubles a number until it is above 20; notes the first that it had in this process."""

    ends_at = 0
    first: int | None = None

    @handler
    async def double(self, number: int, ctx: WorkflowContext[int, int]) -> None:
        if number == Doubling.ends_at:
            os._exit(9)
        if Doubling.first is None:
            Doubling.first = number
        if number > 20:
            await ctx.yield_output(number)
        else:
            await ctx.send_message(number * 2)


async def main(url: str, prefix: str, tags: str, mode: str) -> None:
    async with RedisStore(url, key_prefix=prefix, hash_tags=tags == "True") as store:
        storage = RedisCheckpointStorage(store)
        first, second = Doubling("first"), Doubling("second")
        builder = WorkflowBuilder(name="doubling", start_executor=first, checkpoint_storage=storage)
        workflow = builder.add_edge(first, second).add_edge(second, first).build()
        if mode == "begin":
            Doubling.ends_at = 12
            await workflow.run(3)
        newest = await storage.get_latest(workflow_name="doubling")
        assert newest is not None
        result = await workflow.run(checkpoint_id=newest.checkpoint_id)
        sys.stdout.write(f"from {Doubling.first}: {result.get_outputs()}\n")


if __name__ == "__main__":
    url, prefix, tags, mode = sys.argv[1:]
    asyncio.run(main(url, prefix, tags, mode))
