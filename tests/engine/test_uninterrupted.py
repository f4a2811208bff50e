"""Steps are finished, whoever is cancelled."""

import asyncio
import gc

import anyio
import pytest

from redis_store._engine.sharded_commit import uninterrupted
from tests.support.schedules.waiting import until


class Steps:
    """Two steps with a wait between them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = False
        self._error = error

    async def run(self) -> str:
        self.begun.set()
        await self.go_on.wait()
        self.ended = True
        if self._error:
            raise self._error
        return "done"


async def test_steps_return_and_raise_as_if_they_were_awaited() -> None:
    steps = Steps()
    steps.go_on.set()
    assert await uninterrupted(steps.run()) == "done"
    failing = Steps(KeyError("key"))
    failing.go_on.set()
    with pytest.raises(KeyError):
        await uninterrupted(failing.run())


async def test_a_cancelled_task_ends_its_steps_first() -> None:
    steps = Steps()
    task = asyncio.ensure_future(uninterrupted(steps.run()))
    await steps.begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=0.01)
    assert not task.done()
    steps.go_on.set()
    await asyncio.wait([task])
    assert task.cancelled()
    assert steps.ended


async def test_a_timeout_comes_after_the_steps() -> None:
    steps = Steps()
    asyncio.get_running_loop().call_later(0.02, steps.go_on.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await uninterrupted(steps.run())
    assert steps.ended


async def test_a_cancelled_scope_lets_the_steps_return() -> None:
    steps = Steps()
    result = ""
    with anyio.CancelScope() as scope:
        scope.cancel()
        steps.go_on.set()
        result = await uninterrupted(steps.run())
    assert result == "done"


async def test_a_task_that_is_cancelled_twice_leaves_its_steps_to_end_alone() -> None:
    steps = Steps()
    task = asyncio.ensure_future(uninterrupted(steps.run()))
    await steps.begun.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.wait([task], timeout=0.01)
    assert task.cancelled()
    assert not steps.ended
    steps.go_on.set()
    await until(lambda: steps.ended, "the steps ended")


async def test_an_error_that_nobody_awaits_any_more_is_not_logged() -> None:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    steps = Steps(KeyError("key"))
    task = asyncio.ensure_future(uninterrupted(steps.run()))
    await steps.begun.wait()
    task.cancel()
    steps.go_on.set()
    await asyncio.wait([task])
    assert task.cancelled()
    del task
    gc.collect()
    loop.set_exception_handler(None)
    assert complaints == []
