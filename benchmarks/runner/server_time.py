"""The time that a server spends on commands, by its own statistics."""

from collections.abc import Mapping
from typing import Any


def server_seconds(
    commands: Mapping[str, int], before: Mapping[str, Any], after: Mapping[str, Any]
) -> float:
    """Sum up the server's time for commands that a client sends.

    Commands within a script or a transaction are left out: its own time contains theirs.

    Args:
        commands: How often it sends each.
        before: The section ``commandstats`` of INFO before it sent them, once or more often.
        after: The same section afterwards.
    """
    total = 0.0
    for name, calls in commands.items():
        stats = after.get(f"cmdstat_{name}")
        if stats is None:
            continue
        known = before.get(f"cmdstat_{name}", {"calls": 0, "usec": 0})
        ran = stats["calls"] - known["calls"]
        total += calls * (stats["usec"] - known["usec"]) / max(1, ran)
    return total / 1e6
