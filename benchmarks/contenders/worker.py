"""The process of the library, stock or floor.

python -m benchmarks.contenders.worker library|stock|floor asyncio|uvloop URL
"""

import platform
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Final

from benchmarks.contenders.driver import Driver
from benchmarks.contenders.floor import Floor
from benchmarks.contenders.library import Library
from benchmarks.contenders.messages import new_messages, stored_messages
from benchmarks.contenders.protocol import Request
from benchmarks.contenders.serving import Call, serve
from benchmarks.contenders.stock import Stock

_CONNECT: Final[dict[str, Callable[[str], Awaitable[Driver]]]] = {
    "library": Library.connect,
    "stock": Stock.connect,
    "floor": Floor.connect,
}
_PACKAGES: Final = ("redis-store", "redis", "hiredis", "msgspec", "anyio")
_TURN_READS: Final = 10


def _turn(driver: Driver, request: Request, thread_id: str, first: int) -> Call:
    """An agent's turn: read the thread and its last ten messages, save the new ones."""
    messages = new_messages(thread_id, request.tag, first, request.size)
    steps = (driver.get(thread_id), driver.last(thread_id, _TURN_READS), driver.save(messages))

    async def run() -> int:
        got = 0
        for step in steps:
            got = await step()
        return got

    return run


class DriverHandler:
    """Handles requests with a driver."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.close = driver.close

    async def prepare(self, request: Request) -> None:
        """Do nothing: the run itself writes the data."""

    def call(self, request: Request, index: int) -> Call:
        """See ``Handler``."""
        driver = self._driver
        thread_id = request.threads[index % len(request.threads)]
        first = index * request.size
        if request.call == "save":
            return driver.save(new_messages(thread_id, request.tag, first, request.size))
        calls: dict[str, Callable[[], Call]] = {
            "get": lambda: driver.get(thread_id),
            "get_each": lambda: driver.get_each(request.threads),
            "last": lambda: driver.last(thread_id, request.size),
            "save_again": lambda: driver.save(
                stored_messages(thread_id, request.size, f"{request.tag}-{index} ")
            ),
            "update": lambda: driver.update(thread_id, request.ids, f"{request.tag}-{index}"),
            "threads_of": lambda: driver.threads_of(request.resource),
            "turn": lambda: _turn(driver, request, thread_id, first),
        }
        return calls[request.call]()


def main(kind: str, loop: str, url: str) -> None:
    """Serve requests until stdin ends."""
    versions = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
    if loop == "uvloop":
        versions["uvloop"] = version("uvloop")

    async def connect() -> DriverHandler:
        return DriverHandler(await _CONNECT[kind](url))

    serve(connect, loop, versions)


if __name__ == "__main__":
    main(*sys.argv[1:])
