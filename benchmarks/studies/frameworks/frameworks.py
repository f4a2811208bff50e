"""Runs the study: the frameworks that are installed, one after the other."""

from typing import Final

from benchmarks.contenders.frameworks.catalogue import FRAMEWORKS
from benchmarks.runner import environment, servers
from benchmarks.runner.progress import Progress
from benchmarks.studies.frameworks.measuring import measure
from benchmarks.studies.frameworks.results import FrameworkCosts, Measured

_QUICK: Final = 5
_FULL: Final = 15


async def run(loop: str, only: str, *, full: bool) -> FrameworkCosts:
    """Measure frameworks.

    Args:
        loop: The event loop of all processes.
        only: Those whose name contains this.
        full: Whether more rounds are made.
    """
    progress = Progress()
    rounds = _FULL if full else _QUICK
    setting, missing = environment.describe() | {"loop": loop, "rounds": rounds}, list[str]()
    async with servers.embedded() as (_, store):
        setting["server"] = await environment.server_version(store)
    measured: dict[str, Measured] = {}
    for framework in FRAMEWORKS:
        if only not in framework.name:
            continue
        if framework.environment.is_installed:
            measured[framework.name] = await measure(framework, loop, rounds, progress)
        else:
            missing.append(f"{framework.name}: not installed: make bench-peers")
        missing += [f"{framework.name}: {why}" for why in framework.missing]
    progress.end()
    return FrameworkCosts(setting=setting, missing=missing, measured=measured)
