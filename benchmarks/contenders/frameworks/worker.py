"""The process of a framework with one of its stores, under the interpreter of its environment.

python -m benchmarks.contenders.frameworks.worker MODULE PACKAGE asyncio|uvloop URL DIRECTORY
"""

import gc
import logging
import platform
import sys
import warnings
from contextlib import AsyncExitStack
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders.frameworks.catalogue import FRAMEWORKS
from benchmarks.contenders.frameworks.steps import Open, Steps
from benchmarks.contenders.protocol import Request
from benchmarks.contenders.serving import Call, serve


class StepHandler:
    """Handles requests with the steps on a store.

    ``prepare`` is with the name of a step as its tag, or without one to store the data.
    """

    def __init__(self, steps: Steps, stack: AsyncExitStack) -> None:
        self._steps = steps
        self.close = stack.aclose

    async def prepare(self, request: Request) -> None:
        """See ``Handler``."""
        if not request.tag:
            await self._steps.fill()
            # A full collection of what a framework imports takes longer than many a call.
            gc.collect()
            gc.freeze()
        elif request.tag in self._steps.prepare:
            await self._steps.prepare[request.tag]()

    def call(self, request: Request, index: int) -> Call:  # noqa: ARG002 - the protocol's
        """See ``Handler``."""
        return self._steps.calls[request.call]()


def _versions(module: str) -> dict[str, str]:
    (framework,) = (each for each in FRAMEWORKS if each.module == module)
    pinned = [
        name.partition("==")[0].partition("[")[0] for name in framework.environment.requirements
    ]
    return {"python": platform.python_version()} | {name: version(name) for name in pinned}


def main(module: str, package: str, loop: str, url: str, directory: str) -> None:
    """Serve requests until stdin ends."""
    # Frameworks warn of what is experimental, some once a call.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    stores: dict[str, Open] = import_module(f"benchmarks.contenders.frameworks.{module}").STORES

    async def connect() -> StepHandler:
        stack = AsyncExitStack()
        return StepHandler(
            await stack.enter_async_context(stores[package](url, Path(directory))), stack
        )

    serve(connect, loop, _versions(module))


if __name__ == "__main__":
    main(*sys.argv[1:])
