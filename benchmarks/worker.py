"""The library, stock or floor in a process of its own.

python -m benchmarks.worker library|stock|floor asyncio|uvloop URL
"""

import platform
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Final

from benchmarks import dataset
from benchmarks.contender import Contender
from benchmarks.floor import Floor
from benchmarks.library import Library
from benchmarks.protocol import Request
from benchmarks.serving import Job, serve
from benchmarks.stock import Stock

_CONNECT: Final[dict[str, Callable[[str], Awaitable[Contender]]]] = {
    "library": Library.connect,
    "stock": Stock.connect,
    "floor": Floor.connect,
}
_PACKAGES: Final = ("redis-store", "redis", "hiredis", "msgspec", "anyio")
_TURN_READS: Final = 10


def _turn(contender: Contender, request: Request, thread_id: str, first: int) -> Job:
    """An agent's turn: read the thread, its last ten messages, save its answers."""
    messages = dataset.fresh(thread_id, request.tag, first, request.size)
    steps = (
        contender.get(thread_id),
        contender.last(thread_id, _TURN_READS),
        contender.save(messages),
    )

    async def run() -> int:
        got = 0
        for step in steps:
            got = await step()
        return got

    return run


class Worker:
    """Serves requests with a contender."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self.close = contender.close

    async def prepare(self, request: Request) -> None:
        """Do nothing: the program itself writes the data."""

    def job(self, request: Request, index: int) -> Job:
        """Build one call."""
        contender = self._contender
        thread_id = request.threads[index % len(request.threads)]
        first = index * request.size
        if request.call == "save":
            return contender.save(dataset.fresh(thread_id, request.tag, first, request.size))
        calls: dict[str, Callable[[], Job]] = {
            "get": lambda: contender.get(thread_id),
            "get_each": lambda: contender.get_each(request.threads),
            "last": lambda: contender.last(thread_id, request.size),
            "update": lambda: contender.update(thread_id, request.ids, f"{request.tag}-{index}"),
            "threads_of": lambda: contender.threads_of(request.resource),
            "turn": lambda: _turn(contender, request, thread_id, first),
        }
        return calls[request.call]()


def main(kind: str, loop: str, url: str) -> None:
    """Serve requests until stdin ends."""
    versions = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
    if loop == "uvloop":
        versions["uvloop"] = version("uvloop")

    async def connect() -> Worker:
        return Worker(await _CONNECT[kind](url))

    serve(connect, loop, versions)


if __name__ == "__main__":
    main(*sys.argv[1:])
