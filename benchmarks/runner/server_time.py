"""The time that a server spends on commands, by its own statistics."""

from typing import Any

from benchmarks.runner.proxy import Traffic


def server_seconds(traffic: Traffic, before: dict[str, Any], after: dict[str, Any]) -> float:
    """Sum up the server's time for the commands that the client sent.

    Commands within a script or a transaction are left out: its own time contains theirs.
    """
    total = 0.0
    for name, calls in traffic.commands.items():
        stats = after.get(f"cmdstat_{name}")
        if stats is None:
            continue
        known = before.get(f"cmdstat_{name}", {"calls": 0, "usec": 0})
        ran = stats["calls"] - known["calls"]
        total += calls * (stats["usec"] - known["usec"]) / max(1, ran)
    return total / 1e6
