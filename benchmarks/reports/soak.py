"""The soak as Markdown."""

from statistics import median
from typing import Final

from benchmarks.reports.markdown import facts, figure, table
from benchmarks.studies.soak import AGENTS, FLAT, TURNS_PER_THREAD, Soak

_MEMORY: Final = {
    "client_rss": "client, resident",
    "server_used": "server, used",
    "server_rss": "server, resident",
}
_MEGA: Final = 1e6
_NOTE: Final = (
    f"{AGENTS} agents took turns, in the process that was watched. After {TURNS_PER_THREAD} "
    "turns a thread is deleted and created again, so the data does not grow. Flat is: the median "
    f"over the last quarter is at most {FLAT - 1:.0%} above that over the first."
)


def markdown(soak: Soak) -> str:
    """Write the tables of a run."""
    parts = [
        "# Soak",
        facts(soak.setting),
        _NOTE,
        table(["MB", "first quarter", "last quarter", "last / first", ""], _memory(soak)),
        facts(_turns(soak)),
    ]
    return "\n\n".join(parts) + "\n"


def _memory(soak: Soak) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, title in _MEMORY.items():
        first, last = soak.quarters(name)
        verdict = "flat" if soak.is_flat(name) else "grows"
        cells = [figure(first / _MEGA), figure(last / _MEGA), f"{last / first:.3f}", verdict]
        rows.append([title, *cells])
    return rows


def _turns(soak: Soak) -> dict[str, str]:
    turns = sum(window.turns for window in soak.windows)
    first, last = soak.quarters("p50")
    stalls = [window.stall * 1e3 for window in soak.windows]
    return {
        "turns": f"{turns:,}, {turns / soak.windows[-1].at:,.0f} per second, no error",
        "p50 of a turn": f"{figure(first * 1e3)} ms in the first quarter, "
        f"{figure(last * 1e3)} ms in the last",
        "worst p99 of a window": f"{figure(max(each.p99 for each in soak.windows) * 1e3)} ms",
        "worst stall of the event loop": f"{max(stalls):.1f} ms, {median(stalls):.1f} ms in the "
        "median window",
    }
