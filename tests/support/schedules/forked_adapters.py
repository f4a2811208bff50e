"""A program that forks while adapters are in use; run by ``tests/integrations``.

usage: python -m tests.support.schedules.forked_adapters URL PREFIX TAGS

It uses all adapters whose frameworks are installed, forks amid their requests, and uses them on in
child and parent. The child ends by ``os._exit``, as workers of multiprocessing do. The program
exits with 0 if each finds all that it wrote.
"""

import asyncio
import os
import sys
import traceback

from redis_store import RedisStore
from tests.support.records.adapters import ADAPTERS, Used

Adapters = dict[str, Used]


async def use(adapters: Adapters, numbers: range) -> None:
    """Write numbers by each adapter, and find them."""

    async def use_one(name: str, adapter: Used) -> None:
        await asyncio.gather(*map(adapter.write, numbers))
        missing = set(numbers) - await adapter.found()
        assert not missing, f"{name} does not find {missing}"

    await asyncio.gather(*(use_one(*each) for each in adapters.items()))


def child(store: RedisStore, adapters: Adapters) -> None:
    for first in (20, 25):
        asyncio.run(use(adapters, range(first, first + 3)))
    asyncio.run(store.close())


async def main(url: str, prefix: str, tags: str) -> int:
    store = RedisStore(url, key_prefix=prefix, hash_tags=tags == "True")
    installed = {name: each for name, each in ADAPTERS.items() if each.is_installed}
    adapters = {name: each.build(store) for name, each in installed.items()}
    await use(adapters, range(3))
    using = asyncio.ensure_future(use(adapters, range(3, 6)))
    await asyncio.sleep(0.001)  # so that requests are in flight when it forks
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child(store, adapters)
            code = 0
        except Exception:  # noqa: BLE001 - told to the parent, which runs on in this process too
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    await using
    waiting = asyncio.ensure_future(asyncio.to_thread(os.waitpid, pid, 0))
    first = 30
    while not waiting.done():
        await use(adapters, range(first, first + 3))
        first = 30 + (first - 27) % 30
    _, status = await waiting
    await use(adapters, range(6, 9))
    await store.close()
    print(f"used: {', '.join(adapters)}")  # noqa: T201 - read by the test
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
